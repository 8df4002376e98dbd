"""The soak's schedule: the same for the same seed, legal at every moment, and whole again at the end."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from controller.model.load import load_intent
from tests.unit.soaking import documents, stage
from topo import model
from topo.soak.editor import lines_of
from topo.soak.schedule import AFTER_SABOTAGE, KINDS, Schedule, write_schedule
from topo.soak.stage import MEMORY_TIMEOUT, SCALES, SILENT, StageError, stage_of
from topo.soak.steps import DEATHS, EDITS, Step

SEEDS = range(8)
LASTING = ("weight", "memory_timeout", "transition")
"""Edits that are not taken back."""


@cache
def schedule(
    seed: int = 1, minutes: float = 5.0, kind: str = "ovs", kinds: tuple[str, ...] = KINDS
) -> Schedule:
    return write_schedule(seed, minutes, stage(kind), kinds)


def edits(steps: tuple[Step, ...]) -> list[Step]:
    return [step for step in steps if step.kind in EDITS]


def test_the_same_seed_length_and_stage_give_the_same_steps_and_others_do_not() -> None:
    assert schedule() == write_schedule(1, 5.0, stage())
    others = [schedule(seed=2), schedule(minutes=6.0), schedule(kind="embedded")]
    assert all(other.steps != schedule().steps for other in others)


@pytest.mark.parametrize("kind", [scale.switch for scale in SCALES])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_of_five_minutes_has_every_kind(seed: int, kind: str) -> None:
    counts = Counter(step.kind for step in schedule(seed, kind=kind).steps)
    assert [name for name in KINDS if not counts[name]] == []


@pytest.mark.parametrize("minutes", [0.5, 5.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_steps_come_in_order_and_the_end_is_calm(seed: int, minutes: float) -> None:
    run = schedule(seed, minutes)
    times = [step.at for step in run.steps]
    over = [step.at + float(step.value) for step in run.steps if step.kind == "pause"]
    assert times == sorted(times)
    assert max([*times, *over]) <= run.calm < run.end == minutes * 60


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_broken_is_healed_once_and_in_order(seed: int) -> None:
    broken: set[tuple[str, str]] = set()
    for step in schedule(seed).steps:
        if step.kind not in DEATHS:
            continue
        thing = (step.kind, step.target)
        if step.action in ("kill", "cut"):
            assert thing not in broken
            broken.add(thing)
        else:
            broken.remove(thing)
    assert not broken


@pytest.mark.parametrize("seed", SEEDS)
def test_only_one_way_through_the_fabric_is_broken_at_a_time(seed: int) -> None:
    down, until = set[str](), 0.0
    for step in schedule(seed).steps:
        if step.kind in ("lb", "cable"):
            down.add(step.target) if step.action in ("kill", "cut") else down.remove(step.target)
            assert step.at >= until
        if step.kind == "pause" and step.target != "controller":
            assert not down
            until = step.at + float(step.value)
        assert len(down) <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_two_backends_of_each_pool_always_take_connections_and_live(seed: int) -> None:
    run, dead = schedule(seed), set[str]()
    after = iter(documents(edits(run.steps)))
    document = stage().document
    for step in run.steps:
        if step.kind in EDITS:
            document = next(after)
        server = step.target.partition("-")[0]
        if server in stage().server_cables and step.kind in ("server", "cable"):
            dead.add(server) if step.action in ("kill", "cut") else dead.remove(server)
        for pool in document["pools"]:
            rows = [row["name"] for row in pool["backends"] if not row.get("drain") and row.get("weight", 1)]
            assert len(set(rows) - dead) >= 2, (step.at, step.title, pool["name"], dead)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_an_operator_takes_out_or_renames_is_put_back(seed: int) -> None:
    first, last = stage().document, documents(edits(schedule(seed).steps))[-1]

    def shape(document: dict[str, object]) -> object:
        pools = {
            pool["name"]: sorted(row["name"] for row in pool["backends"] if not row.get("drain"))
            for pool in document["pools"]  # type: ignore[attr-defined]
        }
        vips = {
            vip["address"]: (vip["name"], sorted(map(str, vip["listeners"])))
            for vip in document["vips"]  # type: ignore[attr-defined]
        }
        return pools, vips, document["switches"]

    assert shape(last) == shape(first)


@pytest.mark.parametrize("kind", [scale.switch for scale in SCALES])
def test_every_text_that_is_written_is_a_good_intent(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "intent.yaml"
    steps = edits(write_schedule(3, 2.5, stage(kind)).steps)
    assert {step.kind for step in steps} == set(EDITS)
    for document in documents(steps) if kind == "ovs" else [stage(kind).document]:
        file.write_text("".join(lines_of(document)))
        load_intent(file)


def test_only_the_chosen_kinds_are_dealt() -> None:
    steps = schedule(kinds=("drains", "lb")).steps
    assert {step.kind for step in steps} == {"drains", "lb"}


def test_a_kind_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="no such kind: floods; there are weights"):
        schedule(kinds=("weights", "floods"))


def test_a_connection_that_is_to_be_moved_by_hand_has_time_to_itself() -> None:
    first, *rest = write_schedule(1, 1.0, stage(), sabotage=True).steps
    assert first.kind == "sabotage"
    assert min(step.at for step in rest) >= AFTER_SABOTAGE


@pytest.mark.parametrize("seed", SEEDS)
def test_what_will_be_refused_is_asked_of_a_controller_that_answers(seed: int) -> None:
    """One that was away refuses all edits made meanwhile, and a listener that was off stays off."""
    away = False
    for step in schedule(seed).steps:
        if step.kind == "controller":
            away = step.action == "kill"
        assert not (away and step.kind == "affinity"), step


def test_memory_never_becomes_shorter_than_the_silences() -> None:
    values = {step.value for seed in SEEDS for step in schedule(seed).steps if step.kind == "memory"}
    assert min(float(value.removesuffix("s")) for value in values) == MEMORY_TIMEOUT
    assert SILENT[1] == pytest.approx(0.9 * MEMORY_TIMEOUT)


def test_where_one_lb_switch_is_none_is_killed() -> None:
    alone = stage_of(model.load("single"), SCALES[0])
    kinds = {step.kind for step in write_schedule(1, 5.0, alone).steps}
    assert kinds.isdisjoint({"lb", "cable", "repool"})
    assert {"weights", "server", "controller", "clock"} <= kinds


def test_a_fabric_without_what_the_load_needs_is_refused_with_what_it_should_have() -> None:
    topology = model.load("soak")
    bare = topology.model_copy(update={"servers": topology.servers.model_copy(update={"echo": []})})
    with pytest.raises(StageError, match=r"a TCP listener that leads to one of servers\.echo"):
        stage_of(bare, SCALES[0])
