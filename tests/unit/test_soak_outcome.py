"""What makes a soak pass or not, what it counts, and the keys of its report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.soaking import stage
from topo.demo.records import Request
from topo.soak import report
from topo.soak.editor import Done
from topo.soak.judge import Judged
from topo.soak.outcome import COUNTED_FROM, Observed, Outcome, Sabotage, conclude
from topo.soak.schedule import KINDS, write_schedule
from topo.soak.signals import Passing
from topo.soak.steps import EDITS, Step

WELL = Passing(windows=3, pins=7, generations=12, tracked=900, settled=800)


def judged(verdict: str, name: str = "c1-0.0", **changes: Any) -> Judged:
    good = Judged(name, "c1", "10.0.0.100/7000", "active", verdict, "s1", "reset during echo", "", 20.0, 19.0)
    return replace(good, **changes)


def carried_out(step: Step) -> Done:
    return Done(step, step.at, step.at + 0.1, "accepted" if step.kind in EDITS else "done")


def observed(
    minutes: float = COUNTED_FROM, kind: str = "ovs", sabotage: bool = False, **changes: Any
) -> Observed:
    schedule = write_schedule(1, minutes, stage(kind), KINDS, sabotage)
    requests = tuple(
        Request(schedule.end - 4.0 + number / 50, 0.01, 0.02, "c1", "l", 4000, "s1", "ok")
        for number in range(100)
    )
    seen = Observed(schedule, 0.0, schedule.end, tuple(map(carried_out, schedule.steps)), WELL, requests)
    return replace(seen, **changes)


def outcome(*connections: Judged, **changes: Any) -> Outcome:
    return conclude(observed(**changes), connections or (judged("ok"),))


def without(kind: str) -> dict[str, Any]:
    """A run in which nothing of a kind took place: its steps did not fit."""
    done = [replace(one, outcome="skipped") if one.step.kind == kind else one for one in observed().done]
    return {"done": tuple(done)}


def test_a_run_in_which_all_happened_and_nothing_broke_passes() -> None:
    assert outcome().faults == ()
    assert outcome().passed


@pytest.mark.parametrize(
    "verdict", ["server_died", "server_unreachable", "drained", "service_removed", "at_risk", "not_opened"]
)
def test_stated_fates_and_risks_pass_and_are_counted(verdict: str) -> None:
    run = outcome(judged("ok"), judged(verdict))
    assert run.passed
    assert run.verdicts[verdict] == 1


def test_one_broken_connection_fails_the_run() -> None:
    assert outcome(judged("ok"), judged("broken")).faults == ("1 connections broke beyond the stated set",)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_step_that_never_took_place_is_named(kind: str) -> None:
    (fault,) = outcome(**without(kind)).faults
    assert fault.startswith("never happened: ")
    assert fault.endswith(f".{kind}")


@pytest.mark.parametrize("name", ["windows", "pins", "generations", "tracked", "settled"])
def test_what_only_time_brings_about_has_to_happen_too(name: str) -> None:
    counts: dict[str, Any] = {name: 0}
    run = outcome(passing=replace(WELL, **counts))
    assert run.faults == (f"never happened: {name}",)


def test_a_shorter_run_need_not_show_everything() -> None:
    assert outcome(minutes=1.0, passing=Passing()).passed


def test_a_refused_edit_counts_as_tried_and_as_refused() -> None:
    done = tuple(
        replace(one, outcome="refused") if one.step.kind == "affinity" else one for one in observed().done
    )
    run = outcome(done=done)
    assert run.passed
    assert run.edits["affinity"] == run.refused["affinity"] > 0


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"ended": ("exit code 1: KeyError",)}, "the controller ended by itself: exit code 1: KeyError"),
        ({"requests": ()}, "0 of 0 short requests of the last 5 s were lost, with everything healed"),
    ],
)
def test_a_fabric_that_is_not_well_fails_the_run(changes: dict[str, Any], fault: str) -> None:
    assert outcome(**changes).faults == (fault,)


def test_requests_that_are_lost_when_all_is_healed_fail_the_run() -> None:
    some = [
        replace(one, result="timeout") if number < 3 else one
        for number, one in enumerate(observed().requests)
    ]
    assert outcome(requests=tuple(some)).faults[0].startswith("3 of 100 short requests of the last 5 s")


def test_a_fabric_that_hardly_served_proves_little() -> None:
    good = observed().requests
    lost = tuple(replace(one, t=100.0, result="timeout") for one in (*good, good[0]))
    (fault,) = outcome(requests=(*lost, *good)).faults
    assert fault == "101 of 201 short requests failed: a fabric that serves so little proves little"


def test_steps_that_did_not_take_place_fail_the_run() -> None:
    assert outcome(done=observed().done[:-2]).faults == ("2 steps did not take place",)


def test_nothing_proven_fails_the_run() -> None:
    assert "no connection was proven alive" in outcome(judged("drained")).faults
    assert "of 1 connections nothing is proven" in outcome(judged("ok"), judged("unproven")).faults


MOVED = Sabotage("c1-3.0", "s1", "s2", 10.0)


@pytest.mark.parametrize(
    ("broken", "faults"),
    [
        (["c1-3.0"], []),
        ([], ["the connection c1-3.0, moved by hand, was not found"]),
        (["c1-3.0", "c1-4.0"], ["1 connections broke besides the one moved by hand"]),
    ],
)
def test_sabotage_passes_when_it_alone_is_found(broken: list[str], faults: list[str]) -> None:
    seen = replace(observed(1.0, sabotage=True), sabotage=MOVED)
    run = conclude(seen, [judged("ok"), *(judged("broken", name) for name in broken)])
    assert list(run.faults) == faults


def test_sabotage_without_a_victim_fails() -> None:
    assert conclude(observed(1.0, sabotage=True), [judged("ok")]).faults == (
        "no connection was moved by hand",
    )


def test_the_report_has_its_documented_keys_and_no_others() -> None:
    run = conclude(
        replace(observed(sabotage=True), sabotage=MOVED),
        [
            judged("ok"),
            judged("broken", suspects=("1.0 s before: slow: weight",)),
            judged("at_risk", reason="unheard: x"),
        ],
    )
    built = json.loads(json.dumps(report.build(run, 17.9)))
    documented = {
        word.strip("`")
        for line in (report.__doc__ or "").splitlines()
        if line.startswith("``")
        for word in line.split(", ")
    }
    assert set(built) == documented - {
        "report.json`` of a soak: the outcome as one JSON object with stable keys."
    }
    assert built["broken_beyond_stated"] == 1
    assert built["suspects"] == {"slow": 1}
    assert built["at_risk"][0]["reason"] == "unheard: x"
    assert built["counters"]["edits.slow"] > 0
    assert built["sabotage"]["found"] is False
    assert built["bfd_flaps"] == 0
    assert built["connections"]["by_verdict"]["ok"] == 1


def test_a_run_on_a_machine_that_is_too_busy_for_bfd_says_so() -> None:
    busy = outcome(flaps=3)
    assert report.build(busy)["bfd_flaps"] == 3
    assert "too busy a machine: 3 BFD sessions of switches that lived went down" in report.lines(busy)
    assert busy.passed


def test_the_terminal_names_every_broken_connection_and_why_the_run_failed() -> None:
    shown = "\n".join(report.lines(outcome(judged("ok"), judged("broken"))))
    assert "broken c1-0.0 active 10.0.0.100/7000 on s1 at 20.0 s: reset during echo" in shown
    assert "not passed: 1 connections broke beyond the stated set" in shown
