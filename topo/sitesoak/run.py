"""Builds the lab of two sites, plays faults in it, and reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from topo import codes, intent, model
from topo.demo import report as files
from topo.plan import plan
from topo.sitedemo import run as demo
from topo.sitedemo.events import SCALES, Scale
from topo.sitedemo.outcome import conclude
from topo.sitedemo.stage import stage_of
from topo.sitesoak import report
from topo.sitesoak.faults import Episode, Kind, Setting
from topo.sitesoak.play import SoakPlay
from topo.sitesoak.schedule import draw, fitting, suite


@dataclass(frozen=True)
class Options:
    """How a soak of two sites is run."""

    out: Path
    seed: int = 1
    minutes: float = 5.0
    topology: str | Path = "two-site-small"
    scale: Scale = SCALES[0]
    kinds: tuple[Kind, ...] = tuple(Kind)
    suite: bool = False
    """The suite of single faults and pairs, instead of faults drawn for ``minutes``."""
    per_site: int = 2
    """Controllers of each site."""
    keep: bool = False
    """Leave the lab up afterwards."""
    lab: str | None = None
    """Name of the lab; default: the topology's."""


def of_two_sites(topology: str | Path) -> bool:
    """Whether a topology is one for this soak. Raises ``LabError`` where it cannot be read."""
    return len(model.load(topology).sites) > 1


def kinds_of(only: str, without: str) -> tuple[Kind, ...]:
    """What ``--only`` and ``--without`` choose. ValueError says what is wrong."""
    chosen, left_out = ([one.strip() for one in text.split(",") if one.strip()] for text in (only, without))
    known = [kind.value for kind in Kind]
    for one in [*chosen, *left_out]:
        if one not in known:
            raise ValueError(f"no kind of fault is called {one}; there are {', '.join(known)}")
    found = tuple(kind for kind in Kind if kind not in left_out and (kind in chosen or not chosen))
    if not found:
        raise ValueError("no kind of fault is left")
    return found


def planned(options: Options) -> list[Episode]:
    """What would be done; nothing is built. Raises ``LabError``, ``StageError`` or ``ValueError``."""
    topology = model.load(options.topology)
    topology = topology.with_agents() if options.scale.agents else topology
    fabric = plan(topology.of_kind(options.scale.switch))
    stage = stage_of(fabric, intent.intent(fabric))
    setting = Setting.of(fabric, stage, demo.nodes_of(fabric, options.per_site))
    if options.suite:
        return suite(options.seed, setting, options.kinds)
    return fitting(_drawn(options, setting), 60.0 * options.minutes)


def _drawn(options: Options, setting: Setting) -> Iterable[Episode]:
    name = Path(options.topology).stem
    return draw(options.seed, name, options.scale.switch, setting, options.kinds)


def run(options: Options, console: Console) -> int:
    """Run the soak, write its report, print what matters; an exit code of ``codes.Soak``.

    Raises ``DemoError``, ``LabError``, ``StageError`` or ``ValueError`` if it could not be carried out.
    """
    planned(options)  # what is refused is refused before anything is built
    with demo.ready(
        demo.Options(
            options.out,
            options.topology,
            options.scale,
            (),
            options.seed,
            options.per_site,
            options.keep,
            options.lab,
        ),
        console,
        SoakPlay,
    ) as one:
        if options.suite:
            episodes = suite(options.seed, one.setting, options.kinds)
            seen = replace(one.soak(episodes), events=len(episodes))
        else:
            seen = one.soak(_drawn(options, one.setting), 60.0 * options.minutes)
        outcome = conclude(seen)
        kinds = one.setting.kinds(options.kinds)
        made = report.build(outcome, one.notes, kinds, None if options.suite else options.minutes)
    files.write(made, options.out / "report.json")
    for line in report.lines(outcome, one.notes):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(str(options.out / "report.json"), highlight=False)
    return codes.Soak.HELD if outcome.passed else codes.Soak.BROKEN
