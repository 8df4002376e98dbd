"""Slots as table ``slot`` has them: each as one number, which is fast to compare and to take apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from controller.spec.slots import Slots, SlotTable
from controller.spec.switch import CLASSES

Words = npt.NDArray[np.uint64]
"""One a slot: class << 33 | ages << 32 | base << 16 | now. 0: no entry; below 2^16: settled, else tracked."""

SETTLED = 1 << 16
"""Words below are of settled slots."""
_BASE, _AGES, _CLASS = np.uint64(16), np.uint64(32), np.uint64(33)
_LOW = np.uint64(0xFFFF)
_ILLEGAL = 0xFFFF
"""Class of a slot that was read from a switch and is none that a plan would have."""


class Columns(NamedTuple):
    """The parameters of action ``tracked``; ``settled`` has the first alone."""

    now: Slots
    base: Slots
    class_: Slots
    ages: Slots


def words(table: SlotTable | None, size: int) -> Words:
    """The slots of a table, ``size`` of them; those beyond its end have no entry.

    Where a slot is in transition instead (of a pool all of whose connections are remembered), that is a base without a
    class.
    """
    out = np.zeros(size, np.uint64)
    if table is None:
        return out
    length = len(table.now)
    now = table.now.astype(np.uint64)
    base, ages = table.before.astype(np.uint64), (table.before != 0) & (table.before != table.now)
    # A new program begins with empty cells: there is nothing from before classes that could be believed.
    class_ = np.minimum(_padded(table.class_, length), np.uint64(CLASSES))
    tracked = class_ != 0
    if tracked.any():
        aged = np.zeros(length, np.bool_)
        aged[table.aged & 0xFFFF] = True
        unknown = np.maximum(_padded(table.base, length), _padded(table.home, length))
        base, ages = np.where(tracked, unknown, base), np.where(tracked, aged, ages)
    out[:length] = now | base << _BASE | ages.astype(np.uint64) << _AGES | class_ << _CLASS
    return out


def columns(of: Words) -> Columns:
    """What the entries of slots say."""
    parts = (of & _LOW, of >> _BASE & _LOW, of >> _CLASS, of >> _AGES & np.uint64(1))
    return Columns(*(part.astype(np.uint16) for part in parts))


def joined(parts: Columns) -> Words:
    """The words of entries that say this."""
    now, base, class_, ages = (part.astype(np.uint64) for part in parts)
    made: Words = now | base << _BASE | ages << _AGES | class_ << _CLASS
    return made


def table(of: Words) -> SlotTable:
    """The table whose ``words`` these are. What no table makes has a class that none has."""
    now, base, class_, ages = columns(of)
    tracked = class_ != 0
    before = np.where(tracked, 0, base).astype(np.uint16)
    wrong = ~tracked & (ages != ((base != 0) & (base != now)))
    if not tracked.any() and not wrong.any():
        return SlotTable(now, before)
    told = tracked & ((base != now) | (ages != 0))
    aged = np.flatnonzero(tracked & (ages != 0))
    return SlotTable(
        now,
        before,
        class_=np.where(wrong, _ILLEGAL, class_).astype(np.uint16),
        base=np.where(told, base, 0).astype(np.uint16),
        home=np.where(tracked & ~told, base, 0).astype(np.uint16),
        aged=np.sort(now[aged].astype(np.uint32) << 16 | aged.astype(np.uint32)),
    )


def _padded(column: Slots, length: int) -> Words:
    """A column of a table, which may be shorter than the table."""
    out = np.zeros(length, np.uint64)
    out[: len(column)] = column
    return out
