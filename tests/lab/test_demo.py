"""The demo's machinery on embedded P4 switches, a few events long: nothing breaks, and sabotage is found."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from topo import state
from topo.demo.events import Kind, Pace
from topo.demo.run import Options, run
from topo.demo.scale import EMBEDDED

FEW = Pace({Kind.ADD_BACKEND: 5, Kind.MOVE_SLOTS: 8, Kind.KILL_LB: 11, Kind.HEAL_LB: 13}, 19, (5.0, 6.0), 4.0)
# Sabotage comes at two thirds of the way to the first event, when all connections are open.
LATER = Pace({Kind.ADD_BACKEND: 13.5, Kind.MOVE_SLOTS: 16}, 22, (5.0, 6.0), 4.0)
SMALL = replace(EMBEDDED, connections=30, rate=3.0)
# Whether all was in time is the demo's business: it depends on what else this machine does.
PROOFS = ("no_connection_broken", "all_opened", "all_proven", "a_third_silent", "all_events")


@pytest.fixture
def demo_lab() -> Any:
    if os.geteuid() != 0:
        pytest.skip("labs need network namespaces: run as root")
    name = f"demo{os.getpid() % 100000}"
    yield name
    state.remove(name)


def report_of(options: Options) -> dict[str, Any]:
    said = io.StringIO()
    code = run(options, Console(file=said, width=200))
    assert code in (0, 1), said.getvalue()
    report: dict[str, Any] = json.loads((options.out / "report.json").read_text())
    return report


def held(report: dict[str, Any]) -> dict[str, bool]:
    return {one["name"]: one["held"] for one in report["promises"]}


def test_no_connection_breaks_on_embedded_switches(demo_lab: str, tmp_path: Path) -> None:
    report = report_of(Options(tmp_path, scale=SMALL, pace=FEW, lab=demo_lab))
    assert report["broken"] == []
    assert {name: held(report)[name] for name in PROOFS} == dict.fromkeys(PROOFS, True)
    assert (report["switch"], report["simulated"]) == ("embedded", False)


@pytest.mark.long
def test_without_privileges_no_connection_breaks_and_sabotage_is_found(tmp_path: Path) -> None:
    report = report_of(Options(tmp_path, sabotage=True, scale=SMALL, pace=LATER, simulated=True))
    assert len(report["broken"]) == report["broken_with_live_backend"] == 1
    assert report["simulated"] is True
    proofs = [name for name in PROOFS if name != "no_connection_broken"]
    assert {name: held(report)[name] for name in proofs} == dict.fromkeys(proofs, True)
