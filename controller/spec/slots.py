"""Slot tables: which backend each slot of a pool names, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Slots = npt.NDArray[np.uint16]
"""Backend number per slot; 0: none."""

Pairs = npt.NDArray[np.uint32]
"""(backend id << 16 | slot) sorted: remembered connections to look out for."""

Bytes = npt.NDArray[np.uint8]
"""Octets on the wire, one row for each slot."""


_NO_SLOTS, _NO_PAIRS = np.empty(0, np.uint16), np.empty(0, np.uint32)


@dataclass(frozen=True, eq=False)
class SlotTable:
    """One pool's slots as a switch should hold them."""

    now: Slots
    """Backend per slot for SYNs and in general; 0: no entry."""
    before: Slots
    """During a transition: backend for packets that are no SYN; 0: the slot is settled."""
    watched: Pairs = field(default_factory=lambda: _NO_PAIRS)
    """Remembered (backend, slot) pairs that are exceptions and have to be reported."""
    young: Pairs = field(default_factory=lambda: _NO_PAIRS)
    """Pairs of ``now`` and a slot that moves: reported too, since without memory they would go to ``before``."""
    class_: Slots = field(default_factory=lambda: _NO_SLOTS)
    """Where slots are tracked: the tracked time that each is in; 0: settled. Empty: none is tracked."""
    base: Slots = field(default_factory=lambda: _NO_SLOTS)
    """Of tracked slots: backend for packets that nothing is remembered of and that are no SYN. They are reported."""
    home: Slots = field(default_factory=lambda: _NO_SLOTS)
    """The same where that is ``now`` and no switch would send them elsewhere: they are not reported."""
    former: Pairs = field(default_factory=lambda: _NO_PAIRS)
    """Pairs of a former owner and a tracked slot: reported, whatever comes of them."""
    aged: Pairs = field(default_factory=lambda: _NO_PAIRS)
    """Pairs of ``now`` and a tracked slot that are reported once they are old."""

    NOTHING: ClassVar[SlotTable]
    """No slots at all: stands in where only the rest of a pool matters."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SlotTable) and (self is other or self.equals(other))

    def __hash__(self) -> int:
        return len(self.now)

    @staticmethod
    def empty(slots: int) -> SlotTable:
        """No backend anywhere."""
        return SlotTable(np.zeros(slots, np.uint16), np.zeros(slots, np.uint16))

    def equals(self, other: SlotTable) -> bool:
        """Whether the same entries result."""
        return (
            np.array_equal(self.now, other.now)
            and np.array_equal(self.before, other.before)
            and np.array_equal(self.watched, other.watched)
            and np.array_equal(self.young, other.young)
            and _equal(self.class_, other.class_)
            and _equal(self.base, other.base)
            and _equal(self.home, other.home)
            and np.array_equal(self.former, other.former)
            and np.array_equal(self.aged, other.aged)
        )


def _equal(one: Slots, other: Slots) -> bool:
    """Whether two columns say the same; one that is shorter ends with zeros."""
    size = min(len(one), len(other))
    return np.array_equal(one[:size], other[:size]) and not one[size:].any() and not other[size:].any()


SlotTable.NOTHING = SlotTable(np.empty(0, np.uint16), np.empty(0, np.uint16))
