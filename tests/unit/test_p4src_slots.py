"""Slots as numbers: they say what the planner's rule says of each slot, and what is read is what was written."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.plan.tracking import Held, Tracking, advance, move, rerouted, slot_table, watch
from controller.spec.slots import SlotTable
from p4src.slots import SETTLED, columns, table, words
from tests.fakes.p4slots import bodies, slot_tables

SLOTS = 256
MEMORY = 900.0


def _lives(random: Random) -> Tracking:
    """Slots that settled, move and end their base, at random."""
    state = Tracking.of(np.array([random.randrange(4) for _ in range(SLOTS)], np.uint16))
    now = 0.0
    for _ in range(6):
        draw = random.random()
        if draw < 0.5:
            moved = np.array([random.random() < 0.2 for _ in range(SLOTS)])
            owners = np.array([random.randrange(4) for _ in range(SLOTS)], np.uint16)
            state = move(state, np.where(moved, owners, state.now).astype(np.uint16))
        elif draw < 0.6:
            state = rerouted(state)
        elif draw < 0.7:
            state = watch(state, np.array([random.random() < 0.1 for _ in range(SLOTS)]))
        now += random.choice((10.0, 500.0, 901.0))
        state = advance(state, Held(state.revision), now, MEMORY)
    return state


@pytest.mark.parametrize("seed", range(30))
def test_every_entry_says_what_the_rule_says_of_its_slot(seed: int) -> None:
    random = Random(seed)
    state = _lives(random)
    gone = {number for number in (1, 2, 3) if random.random() < 0.3}
    made = words(slot_table(state, {1, 2, 3} - gone), SLOTS)
    said = columns(made)
    for slot in range(SLOTS):
        entry = state.entry(slot, gone)
        now, base, class_, ages = (int(column[slot]) for column in said)
        assert (now, class_) == (entry.now, entry.class_)
        assert (made[slot] >= SETTLED) == bool(entry.class_)
        if not entry.class_:
            continue
        assert base == (entry.base or entry.now)
        # Without a backend for what is new, nothing new can be elsewhere than here.
        assert bool(ages) == (entry.now != 0 and (entry.ages or entry.owner not in (0, entry.now)))


@given(slot_tables())
def test_what_is_read_is_what_was_written(made: SlotTable) -> None:
    assert np.array_equal(words(table(words(made, SLOTS)), SLOTS), words(made, SLOTS))


@given(slot_tables(), st.integers(1, SLOTS - 1))
def test_slots_beyond_a_table_have_no_entry(made: SlotTable, more: int) -> None:
    wide = words(made, SLOTS + more)
    assert np.array_equal(wide[:SLOTS], words(made, SLOTS))
    assert not wide[SLOTS:].any()
    assert not words(None, SLOTS).any()


@given(slot_tables(), st.integers(0, SLOTS - 1), st.integers(0, 33))
def test_a_slot_that_another_program_changed_is_seen(made: SlotTable, slot: int, bit: int) -> None:
    """Whatever it says then, even what no plan would: by the audit it differs."""
    held = words(made, SLOTS)
    held[slot] ^= np.uint64(1 << bit)
    assert words(table(held), SLOTS)[slot] != words(made, SLOTS)[slot]


def test_entries_are_settled_tracked_or_absent() -> None:
    made = SlotTable.empty(4)
    made.now[:3] = (7, 8, 9)
    class_, base = np.array([0, 2, 3, 1], np.uint16), np.array([0, 7, 0, 0], np.uint16)
    home = np.array([0, 0, 9, 0], np.uint16)
    aged = np.array([8 << 16 | 1], np.uint32)
    found = bodies(words(SlotTable(made.now, made.before, class_=class_, base=base, home=home, aged=aged), 4))
    assert [None if body is None else (body.action, body.params) for body in found] == [
        ("settled", (7,)),
        ("tracked", (8, 7, 2, 1)),
        ("tracked", (9, 9, 3, 0)),
        ("tracked", (0, 0, 1, 0)),
    ]
