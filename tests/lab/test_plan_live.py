"""On real switches: what a plan says is what is written, an edit over its budget is refused, an explanation holds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.cli import codes
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.tuned import member, tune
from topo import model
from topo.demo.actors import ROOT

pytestmark = pytest.mark.lab
ENDS = ("--from", "10.0.0.11:40000", "--to", "10.0.0.100:80")


@pytest.fixture(scope="module", params=["ovs", pytest.param("embedded", marks=pytest.mark.long)])
def pair(request: pytest.FixtureRequest, make_lab: MakeLab) -> Iterator[Balanced]:
    """One edge, two lbs, one leaf, three servers; of four slots in ten may move at once."""
    balanced = Balanced(make_lab(model.load("pair").of_kind(request.param)))
    tune(balanced.lab, lambda document: document.update(budget={"max_slots_moved_per_minute": "40%"}))
    with balanced:
        yield balanced


def asked(balanced: Balanced, *words: str) -> tuple[int, Any]:
    """A question to the controller; its exit code, and what it printed."""
    command = [sys.executable, "-m", "controller", *words, "--state", str(balanced.state), "-o", "json"]
    done = subprocess.run(command, cwd=ROOT, timeout=60, check=False, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def draft(balanced: Balanced, folder: Path, name: str) -> Path:
    """The intent with a server drained, in another file."""
    text = balanced.lab.intent_path.read_text(encoding="utf-8")
    path = folder / "draft.yaml"
    path.write_text(
        text.replace(f"- name: {name}\n", f"- name: {name}\n    drain: true\n", 1), encoding="utf-8"
    )
    return path


def test_switches_are_written_what_the_plan_said(pair: Balanced, tmp_path: Path) -> None:
    code, plan = asked(pair, "plan", str(draft(pair, tmp_path, "s2")))
    assert (code, plan["hitless"]) == (codes.Plan.ACCEPTED, "yes")
    pair.edit_intent(member("s2", drain=True))
    for pool in plan["pools"]:
        assert pair.wait_event("table", pool=pool["key"])["moved"] == pool["moved"] > 0
    assert plan["switches"]
    for each in plan["switches"]:
        wrote = pair.wait_event("converged", switch=each["switch"])
        assert [wrote[k] for k in ("added", "modified", "deleted")] == [
            each[k] for k in ("added", "modified", "deleted")
        ]


def test_an_edit_over_the_budget_is_refused_by_plan_and_run_until_it_is_set_aside(
    pair: Balanced, tmp_path: Path
) -> None:
    code, plan = asked(pair, "plan", str(draft(pair, tmp_path, "s1")))
    assert code == codes.Plan.REFUSED
    assert "max_slots_moved_per_minute is 40%, 1638 of them" in plan["refused"][0]
    pair.mark()
    pair.lab.intent_path.write_bytes((tmp_path / "draft.yaml").read_bytes())
    assert pair.wait_event("intent_refused")["errors"] == plan["refused"]
    assert pair.command("override", "a lab test") == codes.Asked.DONE
    assert pair.wait_event("override")["reason"] == "a lab test"
    pair.wait_event("intent_accepted")
    pair.settle()


def test_an_explanation_is_what_switches_hold(pair: Balanced) -> None:
    code, said = asked(pair, "explain", *ENDS)
    assert (code, said["differences"]) == (codes.Explain.BACKEND, [])
    assert [switch["switch"] for switch in said["switches"]] == ["lb1", "lb2"]
    for switch in said["switches"]:
        assert {row["state"] for row in switch["checked"]} == {"as planned"}
        assert (switch["connected"], switch["admitted"], switch["taken"]) == (True, True, True)
    assert {each["event"] for each in said["history"]} >= {"table", "verdict"}
