"""What becomes of connections of backends that drain, are down, are removed, or return."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.plan.history import dump, load
from controller.plan.pool import UNCONFIRMED, next_change, step
from controller.spec.policy import OnDown, Then
from controller.spec.switch import Fate
from controller.spec.types import Protocol
from tests.fakes.poollife import MEMORY, Life, W, but, down, pool, quiet


@pytest.mark.parametrize(
    ("then", "fate"), [(Then.MOVE, Fate.MOVE), (Then.RESET, Fate.RESET), (Then.KEEP, Fate.DRAIN)]
)
def test_connections_of_a_down_backend_stay_for_a_while_and_then_follow_the_policy(
    then: Then, fate: Fate
) -> None:
    life = Life(pool("a", "b", "c", on_down_tcp=OnDown(10.0, then)))
    old = life.state.now
    new = life.go(100.0, health=down("b", since=100.0))
    mine = old == life.id("b")
    assert life.id("b") not in new.now
    assert life.fate("b", 109.9) is Fate.DRAIN
    assert (new.before[mine] == life.id("b")).all()
    assert life.next() == 110.0
    later = life.go(110.0)
    assert life.fate("b", 110.0) is fate
    kept = fate is Fate.DRAIN
    assert (life.id("b") in later.before) is kept
    assert bool((later.watched >> 16 == life.id("b")).any()) is kept


def test_a_backend_that_a_restarted_controller_is_told_is_down_gives_nothing_away_before_a_probe_fails() -> (
    None
):
    """Fails on 2ad1e45: it may have come back while no controller looked, and its connections were reset."""
    life = Life(pool("a", "b", "c", on_down_tcp=OnDown(10.0, Then.RESET)))
    life.go(100.0, health=down("b", since=100.0))
    told = {"b": replace(life.health["b"], confirmed=UNCONFIRMED)}
    life.state = load(dump(life.state))
    life.go(200.0, health=told)
    assert life.fate("b", 200.0) is Fate.DRAIN
    assert life.next() == 100.0 + W
    life.go(201.0, health={"b": replace(told["b"], confirmed=201.0)})
    assert life.next() == 211.0
    assert life.fate("b", 210.9) is Fate.DRAIN
    assert life.fate("b", 211.0) is Fate.RESET


def test_what_a_down_backend_gave_away_before_a_restart_stays_given_away() -> None:
    life = Life(pool("a", "b", "c", on_down_tcp=OnDown(10.0, Then.RESET)))
    life.go(100.0, health=down("b", since=100.0))
    life.go(110.0)
    life.state = load(dump(life.state))
    life.go(120.0, health={"b": replace(life.health["b"], confirmed=UNCONFIRMED)})
    assert life.fate("b", 120.0) is Fate.RESET
    life.go(121.0, health={})
    assert life.fate("b", 121.0) is Fate.NORMAL


def test_udp_leaves_a_down_backend_at_once() -> None:
    life = Life(pool("a", "b", "c"), Protocol.UDP)
    old = life.state.now
    new = life.go(100.0, health=down("b", since=100.0))
    assert life.fate("b", 100.0) is Fate.MOVE
    gone = old == life.id("b")
    assert (new.before[gone] == 0).all()
    others = (new.now != old) & ~gone
    assert np.array_equal(new.before[others], old[others])
    assert not (new.watched >> 16 == life.id("b")).any()


def test_a_backend_that_comes_back_in_time_keeps_what_it_had() -> None:
    life = Life(pool("a", "b", "c"))
    old = life.state.now
    life.go(100.0, health=down("b", since=100.0))
    back = life.go(105.0, health={})
    assert np.array_equal(back.now, old)
    assert life.fate("b", 105.0) is Fate.NORMAL
    assert life.go(105.0 + W).moving == 0


@pytest.mark.parametrize(
    ("then", "fate"), [(Then.KEEP, Fate.DRAIN), (Then.MOVE, Fate.MOVE), (Then.RESET, Fate.RESET)]
)
def test_a_drained_backend_keeps_its_connections_until_the_timeout(then: Then, fate: Fate) -> None:
    life = Life(pool("a", "b", drain_timeout=300.0, drain_then=then))
    life.go(10.0, but(life.pool, "b", drain=True))
    life.go(50.0)
    assert life.fate("b", 309.9) is Fate.DRAIN
    assert life.fate("b", 310.0) is fate
    life.go(10.0 + W)
    assert life.next() == 310.0


def test_draining_and_down_the_graver_counts() -> None:
    life = Life(pool("a", "b", on_down_tcp=OnDown(10.0, Then.RESET)))
    life.go(10.0, but(life.pool, "b", drain=True), down("b", since=20.0))
    assert life.fate("b", 29.9) is Fate.DRAIN
    assert life.fate("b", 30.0) is Fate.RESET


def test_a_removed_backend_is_known_until_nobody_can_remember_it() -> None:
    life = Life(pool("a", "b", drain_timeout=300.0))
    number = life.id("b")
    life.go(10.0, pool("a", drain_timeout=300.0))
    left = 10.0 + 300.0 + MEMORY
    retired = left + 2 * MEMORY
    life.go(left - 1)
    (member,) = (m for m in life.state.members if m.backend.name == "b")
    assert (member.id, member.removed, life.next()) == (number, True, left)
    life.go(left)
    assert life.next() == retired
    life.go(retired - 1)
    assert [m.id for m in life.state.members if m.removed] == [number]
    life.go(retired)
    assert [m.backend.name for m in life.state.members] == ["a"]
    assert life.next() is None


@pytest.mark.parametrize(
    ("then", "last"), [(Then.KEEP, Fate.MOVE), (Then.MOVE, Fate.MOVE), (Then.RESET, Fate.RESET)]
)
def test_what_still_remembers_a_removed_backend_when_it_leaves_goes_elsewhere(then: Then, last: Fate) -> None:
    life = Life(pool("a", "b", drain_timeout=300.0, drain_then=then))
    life.go(10.0, pool("a", drain_timeout=300.0, drain_then=then))
    left = 10.0 + 300.0 + MEMORY
    if then is Then.KEEP:
        assert life.fate("b", left - 1) is Fate.DRAIN
    assert life.fate("b", left) is last
    assert life.fate("b", left + 2 * MEMORY - 1) is last


def test_a_removed_backend_is_known_for_generations_that_are_longer_than_its_pools_memory() -> None:
    life = Life(pool("a", "b", drain_timeout=300.0))
    left, long = 10.0 + 300.0 + MEMORY, 4 * MEMORY
    state = life.go(10.0, pool("a", drain_timeout=300.0))
    for now, known in ((left + 2 * MEMORY, ["b"]), (left + 2 * long - 1, ["b"]), (left + 2 * long, [])):
        state = step(state, life.pool, life.health, life.ids, now, long)
        assert [m.backend.name for m in state.members if m.removed] == known
        due = next_change(quiet(state), life.pool, life.health, now, long)
        assert due == (left + 2 * long if known else None)


def test_a_removed_backend_that_returns_is_the_same_one() -> None:
    life = Life(pool("a", "b"))
    old, number = life.state.now, life.id("b")
    life.go(10.0, pool("a"))
    back = life.go(20.0, pool("a", "b"))
    assert life.id("b") == number
    assert np.array_equal(back.now, old)
    assert back.members[1].draining_since is None


def test_a_panic_that_ends_counts_no_time_in_which_the_verdict_was_ignored() -> None:
    """FAULTS 3.1: the backend that is the last to pass was reset although it lived all the time."""
    life = Life(replace(pool("a", "b", "c"), panic_threshold=0.5, on_down_tcp=OnDown(10.0, Then.RESET)))
    panic = life.go(100.0, health=down("a", "b", "c", since=100.0))
    assert panic.panicked
    calm = life.go(125.0, health=down("b", since=100.0))
    assert not calm.panicked
    assert life.fate("b", 125.0) is Fate.DRAIN
    assert life.next() == 135.0
    assert life.go(135.0).fates[life.id("b")] is Fate.RESET
