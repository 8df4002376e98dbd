"""A backend that returns gets its weight in bounded steps, whatever brought it back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.plan.tuned import AS_CONFIGURED, FULL, STEPS, Tuned, ramp_due, ramped
from controller.spec.serveragent import AgentCheck
from controller.spec.types import Pool
from tests.fakes.core import SetClock, Whole
from tests.fakes.weights import ALL, KEY, POOL, answers, edited, probes, slots, weighed

SLOW = 27.0
AGENT = AgentCheck(9999)


@pytest.fixture
def core(tmp_path: Path) -> Whole:
    return weighed(tmp_path / "intent.yaml", slow_start=SLOW, agent=AGENT)


def share(core: Whole, name: str = "s1") -> float:
    found = slots(core)
    return found[name] / max(found.values())


def wait(core: Whole, seconds: float) -> None:
    """Time passes, and rules that it moves are carried out when they are due."""
    end = core.clock.time + seconds
    while (due := core.app.tuning.deadline()) is not None and due <= end:
        core.clock.time = due
        core.app.tuning.step()
    core.clock.time = end


def drained(core: Whole, name: str, drain: bool) -> None:
    def change(pool: Pool) -> Pool:
        reals = (replace(real, drain=drain) if real.name == name else real for real in pool.backends)
        return replace(pool, backends=tuple(reals))

    assert core.app.intents.propose(edited(core.app.state.intent.value, change)) == []


def fail(core: Whole) -> None:
    probes(core, s1=False)


def succeed(core: Whole) -> None:
    probes(core, s1=True)


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [
        (fail, succeed),
        (lambda core: drained(core, "s1", True), lambda core: drained(core, "s1", False)),
        (lambda core: answers(core, "drain", "s1"), lambda core: answers(core, "ready", "s1")),
        (lambda core: answers(core, "down", "s1"), lambda core: answers(core, "up", "s1")),
        (lambda core: answers(core, "0%", "s1"), lambda core: answers(core, "100%", "s1")),
    ],
    ids=["down", "drained", "drains itself", "says down", "0%"],
)
def test_what_returns_begins_with_a_tenth_and_has_all_of_it_in_time(
    core: Whole, leave: object, come_back: object
) -> None:
    assert share(core) > 0.99, "what was there from the beginning is not slowed"
    leave(core)  # type: ignore[operator]
    assert share(core) == 0
    wait(core, 100.0)
    come_back(core)  # type: ignore[operator]
    seen = [share(core)]
    for _ in range(STEPS):
        wait(core, SLOW / STEPS)
        seen.append(share(core))
    assert seen == pytest.approx([step / 10 for step in range(1, 11)], abs=0.003)
    assert core.app.tuning.deadline() is None
    assert core.app.state.tables.value.tuned == {}
    assert core.said.of("slow_start") == [{"pool": POOL, "backend": "s1", "seconds": SLOW}]


def test_each_step_moves_slots_to_it_and_few_others(core: Whole) -> None:
    fail(core)
    wait(core, 100.0)
    succeed(core)
    for _ in range(STEPS):
        before = slots(core)
        wait(core, SLOW / STEPS)
        assert slots(core)["s1"] > before["s1"]
    moved = [row["moved"] for row in core.said.of("table")[-STEPS - 1 :] if row["pool"] == KEY]
    assert max(moved) < 4096 / 10
    assert sum(moved) < 1.5 * slots(core)["s1"]


def test_one_that_fails_within_its_slow_start_begins_again(core: Whole) -> None:
    fail(core)
    succeed(core)
    wait(core, SLOW / 2)
    assert 0.4 < share(core) < 0.7
    fail(core)
    wait(core, 1.0)
    succeed(core)
    assert share(core) == pytest.approx(0.1, abs=0.003)


def test_a_controller_that_starts_goes_on_with_it(core: Whole, tmp_path: Path) -> None:
    fail(core)
    succeed(core)
    wait(core, SLOW / 3)
    asyncio.run(core.app.state.commit())
    then = slots(core)
    clock = SetClock(50.0, boot="another boot")
    clock.unix = core.clock.unix
    again = weighed(tmp_path / "again.yaml", core.store, clock, probed=False, slow_start=SLOW, agent=AGENT)
    assert slots(again) == then
    wait(again, SLOW / 3 - 0.1)
    assert share(again) < 0.7
    wait(again, SLOW)
    assert share(again) > 0.99


def test_in_panic_no_weight_is_slowed(core: Whole) -> None:
    probes(core, s1=False, s2=False)
    assert core.app.state.tables.value.pools[KEY].panicked
    assert {round(share(core, name), 2) for name in ALL} == {1.0}


def test_without_the_key_all_of_it_comes_at_once(core: Whole) -> None:
    fail(core)
    without = edited(core.app.state.intent.value, lambda pool: replace(pool, slow_start=0.0))
    assert core.app.intents.propose(without) == []
    succeed(core)
    assert share(core) > 0.99


@given(st.floats(0.5, 3600), st.lists(st.tuples(st.floats(0, 1000), st.booleans()), max_size=20))
def test_a_ramp_only_rises_in_bounded_steps_and_ends_in_time(
    seconds: float, story: list[tuple[float, bool]]
) -> None:
    now, one = 100.0, ramped(AS_CONFIGURED, False, seconds, 100.0)
    first = one.ramp
    for passed, takes in story:
        now += passed
        before, one = one, ramped(one, takes, seconds, now)
        if not takes:
            assert (one.ramp, one.ramp_since) == (first, None)
        else:
            assert one.ramp >= before.ramp
            due = ramp_due(one, seconds, now)
            assert (due is None) == (one.ramp == FULL)
            if one.ramp_since is not None:
                assert now < one.ramp_since + seconds
    steps = 0
    one = ramped(one, True, seconds, now)
    while (due := ramp_due(one, seconds, now)) is not None:
        assert due > now
        before, now = one, due
        one = ramped(one, True, seconds, now)
        assert 0 < one.ramp - before.ramp <= FULL / (min(STEPS, max(1, int(seconds))) + 1) + 1
        steps += 1
    assert one == Tuned()
    assert steps <= STEPS
