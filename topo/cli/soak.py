"""``evenkeel soak``: a random schedule of edits, deaths, clock steps and pauses, or of faults of sites."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from topo import codes, members
from topo.demo.actors import DemoError
from topo.demo.sabotage import NoVictimError
from topo.errors import LabError
from topo.process import ending
from topo.sitedemo import events, stage
from topo.sitesoak import run as sites
from topo.soak.options import Options, planned
from topo.soak.run import run
from topo.soak.stage import SCALES, Scale, StageError
from topo.soak.steps import KINDS


def soak(
    seed: int = 1,
    minutes: float = 5.0,
    switch: str = "ovs",
    topology: str = "soak",
    out: Path = Path("out/soak"),
    only: str = "",
    without: str = "",
    connections: int | None = None,
    sabotage: bool = False,
    plan: bool = False,
    json_out: bool = False,
    keep: bool = False,
    suite: bool = False,
    agents: bool = True,
) -> int:
    """Run a soak and write ``out``/report.json; with ``plan`` only print what would happen.

    Returns 0 if nothing broke beyond the stated set and, in runs of 5 minutes and more, everything happened at least
    once; with ``sabotage``, if also the connection moved by hand was found, alone. 1: not so. 2: it could not be
    carried out. ``only`` and ``without`` name kinds of steps, with commas between. A topology of two sites has
    faults of sites for steps; ``suite``: each of them, and pairs, in place of ``minutes`` of them. Interrupted it
    returns 130; at SIGTERM it raises ``SystemExit`` with 143; its lab is gone either way.
    """
    console = Console()
    try:
        if sites.of_two_sites(topology):
            if sabotage or connections is not None:
                raise ValueError("--sabotage and --connections are for topologies of one site")
            kinds = sites.kinds_of(only, without)
            scale = _site_scale(switch, agents)
            asked = sites.Options(out, seed, minutes, topology, scale, kinds, suite, keep=keep)
            return _of_sites(asked, plan, json_out, console)
        if suite:
            raise ValueError("--suite is for topologies of two sites, such as two-site-small")
        options = Options(
            out,
            seed,
            minutes,
            _scale(switch),
            topology,
            _kinds(only, without),
            sabotage,
            connections,
            keep,
        )
        if plan:
            _print_plan(options, console, json_out)
            return codes.Soak.HELD
        with ending():
            return run(options, console)
    except (DemoError, LabError, NoVictimError, StageError, stage.StageError, ValueError) as error:
        console.print(f"soak: {error}", style="red", highlight=False, markup=False)
        return codes.Soak.CANNOT_RUN
    except KeyboardInterrupt:
        console.print("soak: interrupted", style="red")
        return codes.Soak.INTERRUPTED


def _of_sites(options: sites.Options, plan: bool, json_out: bool, console: Console) -> int:
    if plan:
        episodes = sites.planned(options)
        if json_out:
            console.out(json.dumps([one.report() for one in episodes], indent=1))
            return codes.Soak.HELD
        for number, one in enumerate(episodes, start=1):
            times = ", ".join(f"{each.starts:g} to {each.starts + each.lasts:g} s" for each in one.faults)
            console.out(f"{number:4}  {one.title} ({times})")
        return codes.Soak.HELD
    reason = members.missing()
    if reason is not None:
        raise LabError(reason)
    with ending():
        return sites.run(options, console)


def _site_scale(switch: str, agents: bool) -> events.Scale:
    """``agents``: they own VIPs, where the kind of switch lets them."""
    found = sorted(
        (one for one in events.SCALES if one.switch == switch), key=lambda one: one.agents != agents
    )
    if not found:
        known = ", ".join(dict.fromkeys(one.switch for one in events.SCALES))
        raise ValueError(f"--switch {switch}: choose one of {known}")
    return found[0]


def _scale(switch: str) -> Scale:
    found = next((one for one in SCALES if one.switch == switch), None)
    if found is None:
        raise ValueError(f"--switch {switch}: choose one of {', '.join(one.switch for one in SCALES)}")
    return found


def _kinds(only: str, without: str) -> tuple[str, ...]:
    """ValueError names a kind that does not exist."""
    chosen, left_out = ([one.strip() for one in text.split(",") if one.strip()] for text in (only, without))
    for one in [*chosen, *left_out]:
        if one not in KINDS:
            raise ValueError(f"no kind of step is called {one}; there are {', '.join(KINDS)}")
    return tuple(one for one in KINDS if one not in left_out and (one in chosen or not chosen))


def _print_plan(options: Options, console: Console, json_out: bool) -> None:
    _, schedule = planned(options)
    if json_out:
        console.out(json.dumps([step.report() for step in schedule.steps], indent=1))
        return
    for step in schedule.steps:
        console.out(f"{step.at:7.2f} s  {step.kind:10}  {step.title}")
    console.out(f"{schedule.end:7.2f} s  end")
