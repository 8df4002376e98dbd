"""Slots through time: when they are tracked, what base is, and when they have settled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.plan.slotrule import SlotEntry
from controller.plan.tracking import (
    UNHELD,
    Held,
    Tracking,
    advance,
    differing,
    joined,
    move,
    next_change,
    rerouted,
    slot_table,
    waits,
    watch,
)
from controller.spec.slots import Slots
from controller.spec.switch import CLASSES, MIGRATED
from tests.tracking.explore import INSTANCES, explore
from tests.tracking.mutations import MUTATIONS
from tests.tracking.parts import Rules, Size
from tests.tracking.walk import EVERYTHING, FAULTLESS, LARGE, PARTING, TURNING, TWO_SITES, Lost, walk

MEMORY = 100.0
ALL = Held(1 << 30)


def table(*owners: int) -> Slots:
    return np.array(owners, np.uint16)


def after(state: Tracking, now: float, held: Held = ALL) -> Tracking:
    """All that happens up to then, at its time."""
    while (later := advance(state, held, now, MEMORY)) is not state:
        state = later
    return state


def test_a_slot_that_moved_names_its_former_owner_for_a_memory_then_settles() -> None:
    state = after(move(Tracking.of(table(1, 2)), table(3, 2)), 10.0)
    assert state.entry(0) == SlotEntry(3, base=1, class_=1, owner=1)
    assert state.entry(1) == SlotEntry(2)
    assert next_change(state, ALL, MEMORY, 10.0) == 110.0
    assert after(state, 109.9).entry(0).base == 1
    assert after(state, 110.0).entry(0) == SlotEntry(3)
    assert next_change(after(state, 110.0), ALL, MEMORY, 110.0) is None


def test_base_stays_while_a_slot_moves_on_and_ends_by_its_own_time() -> None:
    state = after(move(Tracking.of(table(1)), table(2)), 0.0)
    state = after(move(after(state, 60.0), table(3)), 60.0)
    assert state.entry(0) == SlotEntry(3, base=1, class_=1, owner=1)
    state = after(state, 100.0)
    assert state.entry(0) == SlotEntry(3, class_=1), (
        "tracked until a memory after the last move, without base"
    )
    again = after(move(state, table(1)), 120.0)
    assert again.entry(0) == SlotEntry(1, base=3, class_=1, owner=3), "base is the owner until then"
    assert after(again, 220.0).entry(0) == SlotEntry(1)


def test_no_time_runs_before_every_switch_has_it() -> None:
    state = move(Tracking.of(table(1)), table(2))
    waiting = after(state, 1e6, Held(0))
    assert waiting.entry(0) == SlotEntry(2, base=1, class_=1, owner=1)
    assert next_change(waiting, Held(0), MEMORY, 1e6) is None
    ended = after(after(state, 1e6), 1e6 + MEMORY, Held(state.revision))
    assert ended.entry(0) == SlotEntry(2, class_=1, ages=True), (
        "what is old is reported until all have the end of base"
    )
    assert after(ended, 1e6 + MEMORY).entry(0) == SlotEntry(2)


@pytest.mark.parametrize("held", [Held(1 << 30, pinned=False), Held(1 << 30, lost=150.0)])
def test_a_slot_does_not_settle_on_what_may_be_unpinned(held: Held) -> None:
    state = after(move(Tracking.of(table(1)), table(2)), 0.0)
    assert after(state, 200.0, held).tracked[0]
    due = next_change(after(state, 200.0, held), held, MEMORY, 200.0)
    assert due == (250.0 if held.pinned else None)
    assert not after(state, 250.0, Held(1 << 30, lost=150.0)).tracked[0]


def test_a_slot_without_owner_had_no_connections_and_one_that_loses_its_owner_has() -> None:
    fresh = move(Tracking.of(table(0, 1)), table(4, 0))
    assert fresh.entry(0) == SlotEntry(4)
    assert fresh.entry(1) == SlotEntry(0, base=1, class_=1, owner=1)
    assert move(fresh, table(4, 0)).revision == fresh.revision


def test_a_base_that_gives_its_connections_away_is_not_named_and_not_forgotten() -> None:
    state = after(move(Tracking.of(table(1)), table(2)), 0.0)
    assert state.entry(0, gone={1}) == SlotEntry(2, base=0, class_=1, owner=1)


def test_other_ways_are_a_matter_of_tracked_slots() -> None:
    state = rerouted(after(move(Tracking.of(table(1, 2)), table(3, 2)), 0.0))
    assert [state.entry(n).ages for n in range(2)] == [True, False]
    settled = after(state, 100.0)
    assert not settled.ages.any()


def test_slots_that_two_sites_have_otherwise_are_watched_until_both_have_them_alike() -> None:
    one = Tracking.of(table(2, 5))
    other = after(move(Tracking.of(table(1, 5)), table(3, 5)), 0.0)
    differ = differing(one, other)
    assert differ.tolist() == [True, False]
    one = watch(one, differ)
    assert one.entry(0) == SlotEntry(2, base=2, class_=1, owner=2, ages=True)
    assert one.entry(1) == SlotEntry(5)
    elsewhere = Held(1 << 30, elsewhere=table(1, 0).astype(bool))
    waiting = after(after(one, 0.0, elsewhere), 10 * MEMORY, elsewhere)
    assert waiting.entry(0) == SlotEntry(2, class_=1, ages=True), "a switch there may still name a base"
    assert not after(waiting, 10 * MEMORY).tracked.any()
    assert watch(waiting, differ & False) is waiting


@given(st.lists(st.tuples(st.sampled_from((0.0, 10.0, 99.0, 101.0, 250.0)), st.integers(1, 4)), max_size=30))
def test_a_class_is_used_again_two_memories_after_it_ended_at_the_earliest(
    steps: list[tuple[float, int]],
) -> None:
    state, now = Tracking.of(table(1)), 0.0
    ended: dict[int, float] = {}
    for wait, owner in steps:
        now += wait
        before = state
        state = after(move(after(state, now), table(owner)), now)
        for one, other in ((before, state), (after(before, now), state)):
            if one.tracked[0] and not other.tracked[0]:
                ended[int(one.class_[0])] = now
        if state.tracked[0] and not after(before, now).tracked[0]:
            number = int(state.class_[0])
            assert 1 <= number <= CLASSES
            assert now - ended.get(number, -math.inf) >= 2 * MEMORY
        if before.tracked[0] and not after(before, now).tracked[0]:
            ended[int(before.class_[0])] = now


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from((1.0, 60.0, 150.0))), max_size=20
    )
)
def test_nothing_changes_before_the_time_that_is_told(steps: list[tuple[int, int, float]]) -> None:
    state, now = Tracking.of(table(1, 2, 3, 1)), 0.0
    for slot, owner, wait in steps:
        wanted = state.now.copy()
        wanted[slot] = owner
        state = after(move(state, wanted), now)
        due = next_change(state, ALL, MEMORY, now)
        end = now + wait
        if due is not None and due <= end:
            assert after(state, np.nextafter(due, 0.0)) is state
            assert after(state, due) is not state
        elif due is None:
            assert after(state, end) is state
            assert not (state.tracked & (state.base_until != UNHELD) & (state.base_until > now)).any()
        now, state = end, after(state, end)


# -- switches, clients and faults: what ``python -m tests.tracking`` explores in full


@pytest.mark.parametrize(
    "budget",
    [
        {"tick": 4, "move": 1, "open": 1},
        {"tick": 3, "move": 1, "open": 1, "die": 1},
        {"tick": 2, "move": 1, "open": 1, "stray": 1},
        {"tick": 2, "move": 1, "open": 1, "reroute": 1},
        pytest.param({"tick": 2, "move": 1, "open": 2, "reroute": 1}, marks=pytest.mark.long),
    ],
    ids=lambda budget: " ".join(f"{kind}-{count}" for kind, count in budget.items()),
)
def test_no_order_of_few_events_breaks_a_connection(budget: Mapping[str, int]) -> None:
    found = explore(Size(), budget)
    assert found.finished
    assert not found.sequence, found.sequence
    assert len(INSTANCES) > 4


@pytest.mark.parametrize(
    ("odds", "size", "walks", "settle"),
    [
        (EVERYTHING, LARGE, 1, 10),
        (PARTING, TWO_SITES, 1, 10),
        (FAULTLESS, LARGE, 1, 30),
        (TURNING, LARGE, 1, 10),
        pytest.param(EVERYTHING, LARGE, 3, 40, marks=pytest.mark.long),
        pytest.param(PARTING, TWO_SITES, 2, 50, marks=pytest.mark.long),
        pytest.param(FAULTLESS, LARGE, 2, 60, marks=pytest.mark.long),
        pytest.param(TURNING, LARGE, 2, 20, marks=pytest.mark.long),
    ],
)
def test_nor_do_random_walks_in_a_larger_fabric(
    odds: Mapping[str, float], size: Size, walks: int, settle: int
) -> None:
    made = [walk(seed, 3_000, odds, size) for seed in range(walks)]
    assert sum(each.settled for each in made) > settle
    assert sum(each.events["rehash"] for each in made) >= 2 * walks * (odds is TURNING)


@pytest.mark.parametrize(
    ("guard", "odds"),
    [
        ("no class in memory", FAULTLESS),
        ("a SYN that follows memory is not reported", FAULTLESS),
        ("no base", FAULTLESS),
        ("base is the last owner", FAULTLESS),
        ("base and tracking for a third of memory", FAULTLESS),
        ("nothing is reported by age", EVERYTHING),
        ("times run from planning", EVERYTHING),
        ("settles although reports were lost", EVERYTHING),
        ("a site ends base without the other", PARTING),
        ("slots turn before all has spoken", TURNING),
        ("slots turn into another class", TURNING),
    ],
)
def test_walks_find_a_guard_that_is_left_out(guard: str, odds: Mapping[str, float]) -> None:
    with pytest.raises(Lost):
        _walk_all(40, odds, MUTATIONS[guard])


def _walk_all(seeds: int, odds: Mapping[str, float], rules: Rules) -> None:
    size = TWO_SITES if odds is PARTING else LARGE
    for seed in range(seeds):
        walk(seed, 3_000, odds, size, rules)


@given(st.data())
def test_the_table_of_a_pool_says_of_each_slot_what_its_entry_says(data: st.DataObject) -> None:
    owners = st.lists(st.integers(0, 3), min_size=4, max_size=4).map(lambda row: table(*row))
    gone = data.draw(st.sets(st.integers(1, 3)))
    state, now = Tracking.of(data.draw(owners)), 0.0
    for _ in range(data.draw(st.integers(0, 6))):
        now += data.draw(st.sampled_from((0.0, 40.0, MEMORY)))
        held = ALL if data.draw(st.booleans()) else Held(0)
        state = advance(move(state, data.draw(owners)), held, now, MEMORY)
    made = slot_table(state, {1, 2, 3} - gone)
    for slot in range(4):
        entry = state.entry(slot, gone)
        ages = entry.class_ and (entry.ages or entry.owner not in (0, entry.now))
        unknown = entry.base or entry.now
        told = bool(entry.class_) and (ages or unknown != entry.now)
        assert (made.now[slot], made.class_[slot]) == (entry.now, entry.class_)
        assert made.base[slot] == (unknown if told else 0)
        assert made.home[slot] == (unknown if entry.class_ and not told else 0)
        assert (entry.now << 16 | slot in made.aged) == bool(ages and entry.now)
        assert all(backend != entry.now for backend in made.former[made.former & 0xFFFF == slot] >> 16)


def test_what_tracked_slots_wait_for_is_said() -> None:
    state = move(Tracking.of(table(1, 2)), table(3, 2))
    assert waits(Tracking.of(table(1)), ALL, 0.0, MEMORY) == (0.0, "")
    assert waits(state, ALL, 0.0, MEMORY).seconds is None
    known = advance(state, ALL, 0.0, MEMORY)
    assert waits(known, ALL, 30.0, MEMORY).seconds == 70.0
    assert waits(known, ALL._replace(pinned=False), 30.0, MEMORY).seconds is None
    lost = waits(known, ALL._replace(lost=20.0), 30.0, MEMORY)
    assert lost.seconds == 90.0
    assert "lost" in lost.why


@given(st.integers(0, MIGRATED), st.integers(0, MIGRATED))
def test_what_two_states_remembered_is_not_believed_when_they_are_one(one: int, other: int) -> None:
    states = [replace(Tracking.of(table(1)), class_=np.array([each], np.uint8)) for each in (one, other)]
    next_time = move(joined(*states), table(2)).entry(0).class_
    assert next_time not in (one, other)
    assert 1 <= next_time <= CLASSES
