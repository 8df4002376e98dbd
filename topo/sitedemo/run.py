"""Builds the lab of two sites, plays the demo in it, and reports."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from topo import codes, state
from topo.demo import report as files
from topo.lab import Lab
from topo.sitedemo import board, report
from topo.sitedemo.events import FULL, SCALES, Event, Scale
from topo.sitedemo.outcome import Outcome, conclude
from topo.sitedemo.play import Play


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
        one = Play(lab, options.scale, options.seed, _nodes(lab, options.per_site), console)
        stack.callback(one.stop, logs)
        nodes = ", ".join(one.controllers.all)
        console.print(f"starting controllers at {nodes}, and waiting for health", highlight=False)
        one.prepare()
        console.print(f"loading (seed {options.seed})", highlight=False)
        return conclude(one.play(options.events))


def _nodes(lab: Lab, per_site: int) -> tuple[str, ...]:
    """Where controllers run: so many places of each site."""
    sites = lab.fabric.sites
    found = {site: [n for n in lab.fabric.controllers if lab.fabric.site_of(n) == site] for site in sites}
    return tuple(node for site in sites for node in found[site][:per_site])
