"""Runs a soak from the lab's building to the report and the exit code."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import Any

from rich.console import Console

from topo import state
from topo.demo import report as files
from topo.lab import Lab
from topo.soak import report
from topo.soak.options import Options, planned
from topo.soak.play import Soak


def run(options: Options, console: Console) -> int:
    """Run a soak, write its report, print what matters; 0 if it passed, else 1.

    Raises ``DemoError``, ``LabError``, ``StageError``, ``NoVictimError`` or ``ValueError`` if it cannot be carried out.
    """
    stage, schedule = planned(options)
    logs = options.out / "logs"
    if logs.exists():
        shutil.rmtree(logs)
    with ExitStack() as stack:
        console.print(f"building the fabric {stage.topology} of {stage.kind} switches", highlight=False)
        state.sweep()
        lab = Lab.up(
            options.topology, options.lab, tso=False, switch=options.scale.switch, temporary=not options.keep
        )
        if not options.keep:
            stack.callback(lab.down)
        soak = Soak(lab, stage, schedule, options, console)
        stack.callback(soak.stop, logs)
        console.print("starting the controller and waiting until every listener is balanced", highlight=False)
        soak.prepare()
        console.print(f"loading for {schedule.end:g} s: {len(schedule.steps)} steps", highlight=False)
        outcome, silence = soak.play()
        shown: dict[str, Any] = report.build(outcome, silence)
        files.write(shown, options.out / "report.json")
    for line in report.lines(outcome):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(str(options.out / "report.json"), highlight=False)
    return 0 if outcome.passed else 1
