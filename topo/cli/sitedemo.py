"""``evenkeel demo --topology two-site-small``: several controllers and two sites, broken under load and judged."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from topo import codes, members
from topo.demo.actors import DemoError
from topo.errors import LabError
from topo.model import DEFAULT_KIND
from topo.process import ending
from topo.sitedemo.events import SCALES, SHORT, full
from topo.sitedemo.run import Options, run
from topo.sitedemo.stage import StageError


def sitedemo(
    topology: str,
    out: Path,
    seed: int = 1,
    keep: bool = False,
    switch: str | None = None,
    short: bool = False,
    only_of_one_site: bool = False,
    agents: bool = True,
) -> int:
    """Run the demo and write ``out``/report.json; an exit code of ``codes.Demo``.

    ``short``: fewer events and one controller a site, not two. ``only_of_one_site``: options were given that the demo
    of two sites does not have, which is refused. ``agents``: they own VIPs, where the kind of switch lets them. Told
    to end (SIGTERM) it raises ``SystemExit`` with 143.
    """
    console = Console()
    kind = switch or DEFAULT_KIND
    scales = sorted((one for one in SCALES if one.switch == kind), key=lambda one: one.agents != agents)
    scale = scales[0] if scales else None
    if scale is None:
        known = ", ".join(dict.fromkeys(one.switch for one in SCALES))
        return _refuse(console, f"--switch {switch}: choose one of {known}")
    if only_of_one_site:
        return _refuse(console, "--sabotage, --simulate and --connections are for --topology demo")
    reason = members.missing()
    if reason is not None:
        return _refuse(console, reason)
    events, per_site = (SHORT, 1) if short else (full(scale), 2)
    try:
        with ending():
            return run(Options(out, topology, scale, events, seed, per_site, keep), console)
    except (DemoError, LabError, StageError) as error:
        return _refuse(console, str(error))
    except KeyboardInterrupt:
        console.print("demo: interrupted", style="red")
        return codes.Demo.INTERRUPTED


def _refuse(console: Console, why: str) -> int:
    console.print(f"demo: {why}", style="red", highlight=False, markup=False)
    return codes.Demo.CANNOT_RUN
