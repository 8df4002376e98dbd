"""Stored times on another clock: late, never early. Terms, and switches that share an id, by that clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.clock import Reading, SystemClock, shift
from controller.core.cells import Cell
from controller.core.terms import PAUSE, Terms
from controller.core.twins import TURNS, WITHIN, Twins
from tests.fakes.core import SetClock

UPTIMES = st.floats(0, 1e9)


def test_nothing_is_shifted_within_a_boot_and_where_nothing_was_stored() -> None:
    clock = SetClock(500.0)
    assert shift(Reading(clock.boot, 100.0), clock) == 0.0
    assert shift(Reading(clock.boot, 500.0), clock) == 0.0
    assert shift(None, clock) == 0.0


@pytest.mark.parametrize("boot", ["this boot", "another boot"], ids=["a restored image", "another boot"])
def test_what_was_left_of_a_deadline_is_left_after_another_boot(boot: str) -> None:
    clock = SetClock(30.0)
    stored, deadline = Reading(boot, 1000.0), 1090.0
    assert deadline + shift(stored, clock) == clock.now() + 90.0


@given(UPTIMES, UPTIMES, st.floats(0, 1e6), st.booleans())
def test_no_deadline_is_earlier_than_it_was(stored: float, now: float, left: float, same: bool) -> None:
    clock = SetClock(now)
    reading = Reading(clock.boot if same else "another boot", stored)
    after = stored + left + shift(reading, clock) - now
    passed = max(now - stored, 0.0) if same else 0.0
    assert after == pytest.approx(left - passed, abs=1e-3)


def test_the_machines_clock_counts_from_its_boot() -> None:
    clock = SystemClock()
    first = clock.now()
    assert clock.now() >= first > 0
    assert clock.boot == SystemClock().boot != ""


class Claims:
    """Terms, and how often all switches were claimed."""

    def __init__(self, stored: int = 0, unix: float = 100.0) -> None:
        self.clock = SetClock()
        self.clock.unix = unix
        self.cell = Cell("term", stored)
        self.terms = Terms(self.cell, self.clock)
        self.claims: list[int] = []
        self.terms.on_change = lambda: self.claims.append(self.terms.now)


def test_a_start_has_a_greater_term_than_the_one_before_though_the_wall_clock_went_back() -> None:
    assert Claims(stored=50, unix=100.0).terms.now == 100
    assert Claims(stored=500, unix=100.0).terms.now == 501


def test_a_term_that_a_switch_has_seen_is_outdone_at_once_and_then_after_a_pause() -> None:
    it = Claims()
    it.terms.outdo(170)
    assert (it.terms.now, it.claims) == (171, [171])
    it.terms.outdo(171)
    assert (it.claims, it.terms.deadline()) == ([171], it.clock.now() + PAUSE)
    it.clock.time += PAUSE
    it.terms.step()
    assert (it.terms.now, it.claims, it.terms.deadline()) == (172, [171, 172], None)


def test_a_term_that_is_smaller_than_ours_changes_nothing() -> None:
    it = Claims()
    it.terms.outdo(99)
    it.terms.step()
    assert (it.terms.now, it.claims, it.terms.deadline()) == (100, [], None)


def test_switches_that_refuse_again_and_again_are_claimed_no_more_often_than_the_pause() -> None:
    it = Claims()
    for _ in range(100):
        it.terms.outdo(it.terms.now)
        it.clock.time += PAUSE / 10
    assert len(it.claims) == 10


def test_two_switches_that_take_turns_are_said_once_and_again_if_they_go_on() -> None:
    clock = SetClock()
    twins = Twins(clock)
    said = []
    for _ in range(2 * TURNS):
        clock.time += 1.0
        said.append(twins.connected(1, True))
    assert said == [*[False] * (TURNS - 1), True] * 2


def test_a_switch_that_reconnects_is_no_twin() -> None:
    clock = SetClock()
    twins = Twins(clock)
    for _ in range(20):
        assert not twins.connected(1, False)
        assert not twins.connected(1, True)
        assert not twins.connected(2, True)
        clock.time += WITHIN / (TURNS - 1)
