"""A pool's table through time: hand-written sequences, and what holds after any sequence."""

from __future__ import annotations

import math
from dataclasses import replace
from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import maglev
from controller.plan.history import dump, load
from controller.plan.ids import IdAllocator, Space
from controller.plan.pool import UNCONFIRMED, Health, PoolState, next_change, step
from controller.plan.tracking import MARGIN
from controller.spec.policy import OnDown, Then
from controller.spec.switch import Fate
from controller.spec.types import Backend, Pool, Protocol

W, MEMORY = 120.0, 900.0
SLOTS = 4096


def backend(name: str, **more: object) -> Backend:
    return replace(Backend(name, (ip_address("10.1.0.1"),), at="leaf1"), **more)  # type: ignore[arg-type]


def pool(*names: str, **more: object) -> Pool:
    """A pool of equal backends that never panics."""
    base = Pool("web", tuple(backend(n) for n in names), panic_threshold=1.0)
    return replace(base, **more)  # type: ignore[arg-type]


def but(of: Pool, name: str, **more: object) -> Pool:
    """The pool with one backend changed."""
    return replace(
        of,
        backends=tuple(
            replace(b, **more) if b.name == name else b  # type: ignore[arg-type]
            for b in of.backends
        ),
    )


def down(*names: str, since: float = 0.0) -> dict[str, Health]:
    return {name: Health(False, since, "refused") for name in names}


class Life:
    """A state and what happens to it."""

    def __init__(self, pool: Pool, protocol: Protocol = Protocol.TCP, slots: int = SLOTS) -> None:
        self.pool = pool
        self.health: dict[str, Health] = {}
        self.ids = IdAllocator()
        self.state = PoolState.new("web", protocol, slots)
        self.go(0.0)

    def go(self, now: float, pool: Pool | None = None, health: dict[str, Health] | None = None) -> PoolState:
        """Step to ``now``, with another intent or other verdicts from now on."""
        self.pool = pool or self.pool
        self.health = self.health if health is None else health
        self.now = now
        names = (*self.ids.ids(Space.BACKEND), *(real.name for real in self.pool.backends))
        self.ids = self.ids.step({Space.BACKEND: dict.fromkeys(names, 0.0)}, now)
        self.state = step(self.state, self.pool, self.health, self.ids, now)
        return self.state

    def id(self, name: str) -> int:
        return next(m.id for m in self.state.members if m.backend.name == name)

    def fate(self, name: str, now: float) -> Fate:
        return step(self.state, self.pool, self.health, self.ids, now).fates[self.id(name)]

    def next(self) -> float | None:
        return next_change(quiet(self.state), self.pool, self.health, self.now)


def quiet(state: PoolState) -> PoolState:
    """The same without periods, which go on while anything is tracked."""
    return replace(state, tracking=replace(state.tracking, period_since=math.inf))


def test_a_first_table_moves_nothing() -> None:
    life = Life(pool("a", "b", "c"))
    assert np.array_equal(life.state.now, maglev.build(life.state.serving, SLOTS))
    assert (life.state.moving, len(life.state.watched), life.state.revision) == (0, 0, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: but(p, "b", drain=True),
        lambda p: but(p, "b", weight=0),
        lambda p: replace(p, backends=p.backends[:1] + p.backends[2:]),
    ],
    ids=["drain", "weight 0", "removed"],
)
def test_a_backend_that_leaves_gives_up_its_slots_and_hardly_any_other_moves(change: object) -> None:
    life = Life(pool("a", "b", "c", "d", "e"))
    old, left = life.state.now, life.id("b")
    new = life.go(10.0, change(life.pool)).now  # type: ignore[operator]
    assert left not in new
    others = (old != left) & (new != old)
    assert others.mean() < 0.03
    assert life.fate("b", 10.0) is Fate.DRAIN


def test_an_added_backend_takes_its_share_and_hardly_anything_else_moves() -> None:
    life = Life(pool("a", "b", "c", "d"))
    old = life.state.now
    new = life.go(10.0, pool("a", "b", "c", "d", "e")).now
    added = life.id("e")
    assert (new == added).mean() == pytest.approx(0.2, abs=0.001)
    assert ((new != old) & (new != added)).mean() < 0.03


def test_while_a_slot_moves_connections_of_either_backend_are_reported_and_then_only_the_former_ones() -> (
    None
):
    life = Life(pool("a", "b"))
    old = life.state.now
    state = life.go(10.0, pool("a", "b", "c"))
    moved = np.flatnonzero(state.now != old)
    assert len(moved)
    table = state.table
    assert np.array_equal(np.sort(table.young & 0xFFFF), moved)
    assert np.array_equal(state.now[table.young & 0xFFFF], table.young >> 16)
    assert np.array_equal(np.sort(table.watched & 0xFFFF), moved)
    assert np.array_equal(table.young, np.sort(table.young))
    settled = life.go(10.0 + life.pool.transition).table
    assert len(settled.young) == 0
    assert np.array_equal(settled.watched, table.watched)


def test_an_emptied_slot_has_no_young_connections() -> None:
    life = Life(pool("a"))
    table = life.go(10.0, but(life.pool, "a", drain=True)).table
    assert (int(np.count_nonzero(table.before)), len(table.young)) == (SLOTS, 0)


def test_a_weight_change_moves_its_share() -> None:
    life = Life(pool("a", "b", "c"))
    old = life.state.now
    new = life.go(10.0, but(life.pool, "a", weight=2)).now
    assert (new == life.id("a")).mean() == pytest.approx(0.5, abs=0.001)
    assert (new != old).mean() < 0.5 - 1 / 3 + 0.05


def test_before_names_the_old_backend_of_moved_slots_until_the_window_has_passed() -> None:
    life = Life(pool("a", "b", "c"))
    old = life.state.now
    new = life.go(10.0, but(life.pool, "b", drain=True))
    moved = new.now != old
    assert moved.any()
    assert np.array_equal(new.before, np.where(moved, old, 0))
    assert life.next() == 10.0 + W
    last = life.go(10.0 + W - 0.01)
    assert np.array_equal(last.before, new.before)
    settled = life.go(10.0 + W)
    assert settled.moving == 0
    assert np.array_equal(settled.now, new.now)


def test_a_slot_that_moves_again_in_its_window_goes_on_naming_the_first() -> None:
    life = Life(pool("a", "b", "c"))
    first = life.state.now
    second = life.go(10.0, but(life.pool, "b", drain=True)).now
    third = life.go(50.0, but(life.pool, "a", drain=True))
    twice = (first != second) & (second != third.now) & (first != third.now)
    assert twice.any()
    assert np.array_equal(third.before[twice], first[twice])
    assert (third.until[twice] == 50.0 + W).all(), "for a window after its last move"
    once = (first == second) & (second != third.now)
    assert np.array_equal(third.before[once], second[once])
    assert (third.until[once] == 50.0 + W).all()


def test_a_window_that_is_over_ends_before_the_next_move_though_nobody_looked_in_between() -> None:
    life = Life(pool("a", "b", "c"))
    life.go(10.0, but(life.pool, "b", drain=True))
    second = life.state.now
    third = life.go(10.0 + W, but(life.pool, "a", drain=True))
    moved = second != third.now
    assert np.array_equal(third.before, np.where(moved, second, 0))


def test_a_slot_that_moves_back_stays_in_transition_for_a_window_more() -> None:
    """An lb switch without memory does not know what was opened on it meanwhile, and must not be used."""
    whole = pool("a", "b", "c")
    life = Life(whole)
    old = life.state.now
    life.go(10.0, but(whole, "b", drain=True))
    back = life.go(20.0, whole)
    assert np.array_equal(back.now, old)
    moved = back.before != 0
    assert moved.any()
    assert np.array_equal(back.before[moved], old[moved])
    assert (back.until[moved] == 20.0 + W).all()
    assert life.fate("b", 20.0) is Fate.NORMAL
    assert life.go(20.0 + W).moving == 0


def test_connections_made_while_a_slot_was_elsewhere_are_watched_after_it_moved_back() -> None:
    whole = pool("a", "b", "c")
    life = Life(whole)
    old = life.state.now
    during = life.go(10.0, but(whole, "b", drain=True)).now
    back = life.go(20.0, whole)
    moved = np.flatnonzero(during != old)
    assert set(back.table.watched) == {int(during[s]) << 16 | int(s) for s in moved}


def test_watched_are_the_pairs_of_moved_slots_until_nobody_remembers_them() -> None:
    life = Life(pool("a", "b", "c"))
    old = life.state.now
    new = life.go(10.0, but(life.pool, "b", drain=True))
    moved = np.flatnonzero(new.now != old)
    pairs = sorted(int(old[s]) << 16 | int(s) for s in moved)
    assert new.table.watched.tolist() == pairs
    assert life.go(10.0 + MEMORY - 1).table.watched.tolist() == pairs
    assert life.go(10.0 + MEMORY).table.watched.tolist() == []


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


def test_too_many_down_and_health_is_ignored_and_that_is_said() -> None:
    life = Life(pool("a", "b", "c", panic_threshold=0.5))
    old = life.state.now
    one = life.go(10.0, health=down("a", since=10.0))
    assert not one.panicked
    two = life.go(11.0, health=down("a", "b", since=10.0))
    assert two.panicked
    assert np.array_equal(two.now, old)
    assert life.fate("a", 1000.0) is Fate.NORMAL
    assert not life.go(12.0, health=down("a", since=10.0)).panicked


def test_with_all_down_no_slot_names_anybody_and_idle_connections_keep_theirs() -> None:
    life = Life(pool("a", "b"))
    old = life.state.now
    none = life.go(10.0, health=down("a", "b", since=10.0))
    assert not none.now.any()
    assert np.array_equal(none.before, old)
    back = life.go(15.0, health={})
    assert np.array_equal(back.now, old)
    assert np.array_equal(back.before, old)


def test_the_lowest_group_with_a_living_backend_serves() -> None:
    life = Life(but(but(pool("a", "b", "x", "y"), "x", group=1), "y", group=1))
    active, standby = {life.id("a"), life.id("b")}, {life.id("x"), life.id("y")}
    assert set(life.state.now) == active
    assert set(life.go(10.0, health=down("a", since=10.0)).now) == {life.id("b")}
    assert set(life.go(20.0, health=down("a", "b", since=20.0)).now) == standby
    assert set(life.go(30.0, health={}).now) == active


def test_a_drained_active_group_hands_over_to_the_standby() -> None:
    life = Life(but(pool("a", "x"), "x", group=1))
    assert set(life.go(10.0, but(life.pool, "a", drain=True)).now) == {life.id("x")}


def test_the_order_of_backends_does_not_matter() -> None:
    life = Life(pool("a", "b", "c"))
    same = life.go(10.0, pool("c", "a", "b"))
    assert (same.revision, same.moving) == (1, 0)


def test_time_alone_does_not_make_a_revision() -> None:
    life = Life(pool("a", "b", "c"))
    life.go(10.0, but(life.pool, "a", weight=2))
    for now in (50.0, 10.0 + W, 10.0 + MEMORY, 1e6):
        assert life.go(now).revision == 2
    assert life.next() is None


def test_the_next_change_is_the_earliest() -> None:
    life = Life(pool("a", "b", "c", "d"))
    life.go(100.0, but(life.pool, "a", drain=True), down("b", since=95.0))
    times = []
    while (now := life.next()) is not None:
        times.append(now)
        life.go(now)
    assert times == [105.0, 220.0, 400.0, 1000.0, 1000.0 + MARGIN]


NAMES = "abcdef"
EVENTS = st.one_of(
    st.tuples(st.just("drain"), st.sampled_from(NAMES)),
    st.tuples(st.just("health"), st.sampled_from(NAMES)),
    st.tuples(st.just("member"), st.sampled_from(NAMES)),
    st.tuples(st.just("weight"), st.sampled_from(NAMES)),
    st.tuples(st.just("wait"), st.sampled_from(["5", "60", "120", "400", "1000"])),
)


def after(life: Life, what: str, which: str, now: float) -> None:
    """Let an event happen."""
    held = {b.name: b for b in life.pool.backends}
    if what == "health":
        health = {n: h for n, h in life.health.items() if n != which}
        life.go(now, health=health if which in life.health else {**health, **down(which, since=now)})
        return
    old = held.get(which)
    if what == "member":
        held = {n: b for n, b in held.items() if n != which} if old else {**held, which: backend(which)}
    elif old is not None and what == "drain":
        held[which] = replace(old, drain=not old.drain)
    elif old is not None and what == "weight":
        held[which] = replace(old, weight=(old.weight + 1) % 4)
    life.go(now, replace(life.pool, backends=tuple(held.values())))


@settings(deadline=None, max_examples=60)
@given(st.lists(EVENTS, max_size=12), st.sampled_from(Protocol))
def test_whatever_happens_no_idle_connection_loses_its_backend_while_that_lives(
    events: list[tuple[str, str]], protocol: Protocol
) -> None:
    life = Life(pool("a", "b", "c"), protocol, 256)
    now = 0.0
    for what, which in events:
        now += float(which) if what == "wait" else 1.0
        old = life.state
        after(life, what, which, now)
        new = life.state
        fate = new.fates
        table = maglev.build(new.serving, 256) if new.serving else np.zeros(256, np.uint16)
        assert np.array_equal(new.now, table)
        assert (new.until[new.before != 0] > now).all()
        assert len({m.id for m in new.members}) == len(new.members)
        # Who answered for packets of idle connections, and must go on to if he still may.
        running = (old.before != 0) & (old.until > now)
        spoke = np.where(running, old.before, old.now)
        for slot in np.flatnonzero(spoke):
            owner = int(spoke[slot])
            answers = new.before[slot] or new.now[slot]
            lives = fate.get(owner) in (Fate.NORMAL, Fate.DRAIN)
            if lives and (running[slot] or old.now[slot] != new.now[slot]):
                assert answers == owner
        watched = set(new.watched.tolist())
        for slot in np.flatnonzero((old.now != 0) & (old.now != new.now)):
            pair = int(old.now[slot]) << 16 | int(slot)
            assert (pair in watched) is (fate.get(int(old.now[slot])) in (Fate.NORMAL, Fate.DRAIN))
        held = new.table
        assert (np.diff(held.watched.astype(np.int64)) > 0).all()
        assert not (held.now[held.watched & 0xFFFF] == held.watched >> 16).any()


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
