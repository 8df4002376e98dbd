"""The soak on real switches, half a minute long: nothing breaks, sabotage is found, and an ended run leaves nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from ruamel.yaml import YAML

from tests.lab.conftest import HEEDING
from tests.lab.test_lab_leaves_nothing import interfaces, remains
from topo import state
from topo.model import find
from topo.process import naming
from topo.soak.options import Options
from topo.soak.run import run
from topo.soak.stage import SCALES

ROOT = Path(__file__).parents[2]
FITTING = ("weights", "drains", "memory", "transition", "lb", "controller", "clock")
"""Kinds that say something within half a minute; a run of ``make soak`` has all."""
# Probes that wait: a machine that does much else must not make servers seem dead for longer than keep_for.
SMALL = {scale.switch: replace(scale, connections=40, rate=2.0, probe=1.5) for scale in SCALES}


@pytest.fixture
def soak_lab() -> Iterator[str]:
    """A name for its lab; skipped, with the reason, where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("labs need network namespaces: run as root")
    name = f"soak{os.getpid() % 100000}"
    yield name
    state.remove(name)


def report_of(options: Options) -> dict[str, Any]:
    said = io.StringIO()
    code = run(options, Console(file=said, width=200))
    report: dict[str, Any] = json.loads((options.out / "report.json").read_text())
    assert code == (0 if report["passed"] else 1), said.getvalue()
    return report


def without_fullnat(folder: Path) -> Path:
    """The soak's topology without the mode whose connections end with their lb switch, and at its return."""
    document = YAML(typ="safe").load(find("soak").read_text())
    services = document["services"]
    services["vips"] = [vip for vip in services["vips"] if vip["listeners"][0]["mode"] != "fullnat"]
    path = folder / "soak.yaml"
    with path.open("w") as file:
        YAML().dump(document, file)
    return path


@pytest.mark.long
@pytest.mark.parametrize("kind", [pytest.param("ovs", marks=pytest.mark.lab), "embedded"])
def test_half_a_minute_breaks_nothing(soak_lab: str, tmp_path: Path, kind: str) -> None:
    topology = without_fullnat(tmp_path)
    options = Options(tmp_path, 7, 0.5, SMALL[kind], topology, FITTING, lab=soak_lab)  # type: ignore[index]
    report = report_of(options)
    assert report["broken"] == []
    assert report["faults"] == []
    assert report["connections"]["by_verdict"]["ok"] >= 40
    assert {one["outcome"] for one in report["steps"]} <= {"done", "accepted"}


@pytest.mark.long
def test_a_connection_that_is_moved_by_hand_is_found(soak_lab: str, tmp_path: Path) -> None:
    options = Options(tmp_path, 7, 0.6, SMALL["embedded"], kinds=("weights",), sabotage=True, lab=soak_lab)
    report = report_of(options)
    assert report["sabotage"]["found"] is True
    assert [one["id"] for one in report["broken"]] == [report["sabotage"]["id"]]
    assert report["passed"]


SOAK = """
import sys
from functools import partial
from topo.cli import soak
soak.Options = partial(soak.Options, lab=sys.argv[1])
sys.exit(soak.soak(minutes=5.0, switch="embedded", only="pause"))
"""


@pytest.mark.long
def test_a_soak_that_is_told_to_end_leaves_nothing(soak_lab: str, tmp_path: Path) -> None:
    """In the middle of its steps, with the controller or a switch stopped."""
    before = interfaces()
    process = subprocess.Popen(
        [*HEEDING, sys.executable, "-c", SOAK, soak_lab],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    work = str(state.ROOT / soak_lab / "soak")
    assert process.stdout is not None
    said = ""
    while " stop " not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    assert naming(work)
    process.send_signal(signal.SIGTERM)
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 143, said
    assert remains(soak_lab) == []
    assert naming(work) == []
    assert interfaces() == before
