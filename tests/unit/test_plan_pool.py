"""A pool's table through time: hand-written sequences, and what holds after any sequence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import maglev
from controller.plan.pool import PoolState, _watch
from controller.plan.tracking import MARGIN
from controller.spec.switch import Fate
from controller.spec.types import Protocol
from tests.fakes.poollife import MEMORY, SLOTS, Life, W, backend, but, down, pool


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


@given(
    known=st.dictionaries(st.integers(0, 40), st.floats(0, 9), max_size=20),
    moved=st.sets(st.integers(0, 40), max_size=20),
)
def test_pairs_that_move_are_watched_from_now_on_and_others_as_they_were(
    known: dict[int, float], moved: set[int]
) -> None:
    watched = np.array(sorted(known), np.uint32)
    state = replace(
        PoolState.new("web", Protocol.TCP, 4),
        watched=watched,
        watched_until=np.array([known[pair] for pair in watched.tolist()], float),
    )
    pairs, times = _watch(state, np.array(list(moved), np.uint32), 99.0)
    assert pairs.dtype == np.uint32
    assert dict(zip(pairs.tolist(), times.tolist(), strict=True)) == known | dict.fromkeys(moved, 99.0)
    assert pairs.tolist() == sorted(known.keys() | moved)
