"""Builds the lab of two sites, plays the demo in it, and reports."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from topo import codes, state
from topo.demo import report as files
from topo.lab import Lab
from topo.plan import Fabric
from topo.sitedemo import board, report
from topo.sitedemo.events import FULL, SCALES, Event, Scale
from topo.sitedemo.outcome import Outcome, conclude
from topo.sitedemo.play import Play

P = TypeVar("P", bound=Play)


@dataclass(frozen=True)
class Options:
    """How the demo is run."""

    out: Path
    topology: str | Path = "two-site-small"
    scale: Scale = SCALES[0]
    events: Sequence[Event] = FULL
    seed: int = 1
    per_site: int = 2
    """Controllers of each site."""
    keep: bool = False
    """Leave the lab up afterwards."""
    lab: str | None = None
    """Name of the lab; default: the topology's."""


def run(options: Options, console: Console) -> int:
    """Run the demo, write its report, print the scoreboard; an exit code of ``codes.Demo``.

    Raises ``DemoError``, ``LabError`` or ``StageError`` if it could not be carried out.
    """
    outcome = play(options, console)
    files.write(report.build(outcome), options.out / "report.json")
    board.show(console, outcome)
    console.print(str(options.out / "report.json"), highlight=False)
    return codes.Demo.HELD if outcome.passed else codes.Demo.BROKEN


def play(options: Options, console: Console) -> Outcome:
    """The run itself; logs are kept in ``options.out``/logs."""
    with ready(options, console, Play) as one:
        return conclude(one.play(options.events))


@contextmanager
def ready(
    options: Options, console: Console, make: Callable[[Lab, Scale, int, Sequence[str], Console], P]
) -> Iterator[P]:
    """A lab that is up, with controllers that serve; what is played in it. Logs are kept in ``options.out``/logs."""
    logs = options.out / "logs"
    if logs.exists():
        shutil.rmtree(logs)
    with ExitStack() as stack:
        console.print(f"building two sites of {options.scale.switch} switches", highlight=False)
        state.sweep()
        lab = Lab.up(
            options.topology,
            options.lab,
            switch=options.scale.switch,
            temporary=not options.keep,
            store=True,
            agents=options.scale.agents,
        )
        if not options.keep:
            stack.callback(lab.down)
        one = make(lab, options.scale, options.seed, nodes_of(lab.fabric, options.per_site), console)
        stack.callback(one.stop, logs)
        nodes = ", ".join(one.controllers.all)
        console.print(f"starting controllers at {nodes}, and waiting for health", highlight=False)
        one.prepare()
        console.print(f"loading (seed {options.seed})", highlight=False)
        yield one


def nodes_of(fabric: Fabric, per_site: int) -> tuple[str, ...]:
    """Where controllers run: so many places of each site."""
    found = {site: [n for n in fabric.controllers if fabric.site_of(n) == site] for site in fabric.sites}
    return tuple(node for site in fabric.sites for node in found[site][:per_site])
