"""Entries of table ``slot`` one by one, as tests compare what the planner writes in bulk."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from controller.spec.slots import SlotTable
from controller.spec.switch import CLASSES
from p4src.slots import SETTLED, Words, columns
from p4src.target import EntryBody


def slot_body(word: int) -> EntryBody | None:
    """What the entry of a slot does; None: there is none."""
    said = tuple(int(part[0]) for part in columns(np.array([word], np.uint64)))
    if not word:
        return None
    return EntryBody("tracked", said) if word >= SETTLED else EntryBody("settled", said[:1])


def bodies(of: Words) -> list[EntryBody | None]:
    """The same of all slots."""
    return [slot_body(int(word)) for word in of]


@st.composite
def slot_tables(draw: st.DrawFn, size: int = 256, most: int = 3) -> SlotTable:
    """Tables with absent, settled, moving and tracked slots, as the planner makes them."""
    table = SlotTable.empty(size)
    class_, base, home, aged = (np.zeros(size, np.uint16) for _ in range(4))
    number = st.integers(0, most)
    for slot in draw(st.sets(st.integers(0, size - 1), max_size=8)):
        now, unknown = draw(number), draw(number)
        table.now[slot] = now
        class_[slot] = draw(st.integers(0, CLASSES))
        if not class_[slot]:
            table.before[slot] = unknown
            continue
        unknown = unknown or now
        aged[slot] = now != 0 and (unknown != now or draw(st.booleans()))
        (base if unknown != now or aged[slot] else home)[slot] = unknown
    pairs = np.flatnonzero(aged)
    told = np.sort(table.now[pairs].astype(np.uint32) << 16 | pairs.astype(np.uint32))
    return SlotTable(table.now, table.before, class_=class_, base=base, home=home, young=told, aged=told)
