"""``evenkeel demo``: break a fabric under load, count what was lost, say which promises held."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from topo import codes
from topo.demo.actors import DemoError
from topo.demo.events import FULL, SHORT
from topo.demo.intentfile import IntentError
from topo.demo.run import Options, run
from topo.demo.sabotage import NoVictimError
from topo.demo.scale import SCALES
from topo.errors import LabError
from topo.model import DEFAULT_KIND, SIMULATED_KIND
from topo.process import ending


def demo(
    out: Path = Path("out"),
    sabotage: bool = False,
    seed: int = 1,
    connections: int | None = None,
    keep: bool = False,
    switch: str | None = None,
    short: bool = False,
    simulate: bool = False,
) -> int:
    """Run the demo and write ``out``/report.json and ``out``/report.html.

    Returns 0 if every promise held; with ``sabotage``, if exactly one broken connection was reported, since
    that is what such a run has to show. 1: a promise did not hold. 2: the demo could not be carried out.
    ``seed`` chooses who is added, drained and killed; ``connections`` is the number of long-lived ones, by default
    what fits the kind of ``switch``; ``short`` takes less than a minute and leaves out some events; ``keep`` leaves
    the lab up (``evenkeel lab down demo`` removes it). ``simulate`` needs no privileges: embedded switches and
    simulated hosts; that is the default without root and without another kind of switch.
    Interrupted it returns 130; told to end (SIGTERM) it raises ``SystemExit`` with 143; its lab is gone either way.
    """
    console = Console()
    simulate = simulate or (os.geteuid() != 0 and switch in (None, SIMULATED_KIND))
    kind = switch or (SIMULATED_KIND if simulate else DEFAULT_KIND)
    scale = next((one for one in SCALES if one.switch == kind), None)
    if scale is None:
        known = ", ".join(one.switch for one in SCALES)
        console.print(f"demo: --switch {switch}: choose one of {known}", style="red", highlight=False)
        return codes.Demo.CANNOT_RUN
    if simulate and (kind != SIMULATED_KIND or keep):
        what = "--keep" if kind == SIMULATED_KIND else f"--switch {kind}"
        console.print(f"demo: {what} needs a lab of namespaces: run as root, without --simulate", style="red")
        return codes.Demo.CANNOT_RUN
    try:
        pace = SHORT if short else FULL
        options = Options(out, seed, sabotage, scale, connections, keep, pace, simulated=simulate)
        with ending():
            return run(options, console)
    except (DemoError, IntentError, LabError, NoVictimError) as error:
        console.print(f"demo: {error}", style="red", highlight=False, markup=False)
        return codes.Demo.CANNOT_RUN
    except KeyboardInterrupt:
        console.print("demo: interrupted", style="red")
        return codes.Demo.INTERRUPTED
