"""Indexes that find the entry for a packet's key: exact by dict, lpm by prefix length, ternary by mask.

Except for exact, keys are one integer: the fields side by side, the first one most significant.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from topo.p4switch.entries import Entry, MatchKey
from topo.p4switch.program.model import KeyField, TableDef

_SEQUENCE_BITS = 40


class Index(Protocol):
    """What a table needs of an index; the data plane calls `get` alone."""

    def add(self, entry: Entry) -> None:
        """Make the entry findable."""

    def remove(self, entry: Entry) -> None:
        """Take the entry out again."""

    def clear(self) -> None:
        """Take all entries out."""


def shifts_of(keys: tuple[KeyField, ...]) -> tuple[int, ...]:
    """Left shift of each key field in the side-by-side integer."""
    total = sum(k.width for k in keys)
    out = []
    for key in keys:
        total -= key.width
        out.append(total)
    return tuple(out)


class ExactIndex:
    """Exact match: a dict from the value (one key field) or tuple of values to the entry."""

    def __init__(self, keys: tuple[KeyField, ...]) -> None:
        """An empty index; `cells` lives as long as the index, so `get` can be kept."""
        self.cells: dict[Hashable, Entry] = {}
        self.get = self.cells.get
        self._single = len(keys) == 1

    def add(self, entry: Entry) -> None:
        """Make the entry findable."""
        self.cells[entry.key[0] if self._single else entry.key] = entry

    def remove(self, entry: Entry) -> None:
        """Take the entry out again."""
        del self.cells[entry.key[0] if self._single else entry.key]

    def clear(self) -> None:
        """Take all entries out."""
        self.cells.clear()


class LpmIndex:
    """Longest prefix match beside exact fields: one dict for each prefix length, longest first."""

    def __init__(self, keys: tuple[KeyField, ...]) -> None:
        """An empty index."""
        self._keys = keys
        self._shifts = shifts_of(keys)
        self._levels: dict[int, tuple[int, dict[int, Entry]]] = {}
        self._order: list[tuple[int, dict[int, Entry]]] = []

    def get(self, key: int) -> Entry | None:
        """The entry with the longest matching prefix."""
        for mask, cells in self._order:
            entry = cells.get(key & mask)
            if entry is not None:
                return entry
        return None

    def add(self, entry: Entry) -> None:
        """Make the entry findable."""
        length, mask, value = self._place(entry.key)
        level = self._levels.get(length)
        if level is None:
            level = self._levels[length] = (mask, {})
            self._order = [self._levels[n] for n in sorted(self._levels, reverse=True)]
        level[1][value] = entry

    def remove(self, entry: Entry) -> None:
        """Take the entry out again."""
        length, _, value = self._place(entry.key)
        cells = self._levels[length][1]
        del cells[value]
        if not cells:
            del self._levels[length]
            self._order = [self._levels[n] for n in sorted(self._levels, reverse=True)]

    def clear(self) -> None:
        """Take all entries out."""
        self._levels.clear()
        self._order = []

    def _place(self, key: MatchKey) -> tuple[int, int, int]:
        """Prefix length, mask and masked value of an entry's key."""
        length = mask = value = 0
        for field, shift, part in zip(self._keys, self._shifts, key, strict=True):
            ones = (1 << field.width) - 1
            if isinstance(part, tuple):
                number, length = part
                ones ^= (1 << (field.width - length)) - 1
                value |= number << shift
            elif part is not None:
                value |= part << shift
            mask |= ones << shift
        return length, mask, value


class TernaryIndex:
    """Masked match with priorities: a dict for each set of masks, searched from the highest priority on.

    Of equal priorities the entry that was there first wins.
    """

    def __init__(self, keys: tuple[KeyField, ...]) -> None:
        """An empty index."""
        self._keys = keys
        self._shifts = shifts_of(keys)
        self._sequence = 0
        self._groups: dict[int, dict[int, list[Entry]]] = {}
        self._tops: dict[int, int] = {}
        self._order: list[tuple[int, int, dict[int, list[Entry]]]] = []

    def get(self, key: int) -> Entry | None:
        """The matching entry of the highest priority."""
        best = None
        rank = -1
        for top, mask, cells in self._order:
            if top <= rank:
                break
            cell = cells.get(key & mask)
            if cell is not None:
                entry = cell[0]
                if entry.rank > rank:
                    best = entry
                    rank = entry.rank
        return best

    def add(self, entry: Entry) -> None:
        """Make the entry findable."""
        mask, value, entry.ranges = self._place(entry.key)
        self._sequence += 1
        entry.rank = (entry.priority << _SEQUENCE_BITS) - self._sequence + (1 << _SEQUENCE_BITS)
        cell = self._groups.setdefault(mask, {}).setdefault(value, [])
        cell.append(entry)
        if len(cell) > 1:
            cell.sort(key=lambda e: -e.rank)
        if entry.rank > self._tops.get(mask, -1):
            self._tops[mask] = entry.rank
            self._sort()

    def remove(self, entry: Entry) -> None:
        """Take the entry out again."""
        mask, value, _ = self._place(entry.key)
        cells = self._groups[mask]
        cells[value].remove(entry)
        if not cells[value]:
            del cells[value]
        if not cells:
            del self._groups[mask], self._tops[mask]
            self._sort()

    def clear(self) -> None:
        """Take all entries out."""
        self._groups.clear()
        self._tops.clear()
        self._order = []

    def _sort(self) -> None:
        # A top may be stale after a removal: it stays an upper bound, so the search is only longer.
        self._order = sorted(((self._tops[m], m, cells) for m, cells in self._groups.items()), reverse=True)

    def _place(self, key: MatchKey) -> tuple[int, int, tuple[tuple[int, int, int, int], ...]]:
        """Mask, masked value and ranges (shift, ones, low, high) of an entry's key."""
        mask = value = 0
        ranges = []
        for field, shift, part in zip(self._keys, self._shifts, key, strict=True):
            ones = (1 << field.width) - 1
            if field.kind == "range" and isinstance(part, tuple):
                if part != (0, ones):
                    ranges.append((shift, ones, *part))
                continue
            number, own = _masked(field, part, ones)
            mask |= own << shift
            value |= number << shift
        return mask, value, tuple(ranges)


class RangeIndex(TernaryIndex):
    """A ternary index whose range fields are compared within the dict cell the other fields select."""

    def get(self, key: int) -> Entry | None:
        """The matching entry of the highest priority."""
        best = None
        rank = -1
        for top, mask, cells in self._order:
            if top <= rank:
                break
            for entry in cells.get(key & mask, ()):
                if entry.rank <= rank:
                    break
                if _in_ranges(entry, key):
                    best = entry
                    rank = entry.rank
                    break
        return best


def _masked(field: KeyField, part: int | tuple[int, int] | None, ones: int) -> tuple[int, int]:
    """Value and mask of a key part that is not a range."""
    if part is None:
        return 0, 0
    if isinstance(part, int):
        return part, ones
    if field.kind == "lpm":
        return part[0], ones ^ ((1 << (field.width - part[1])) - 1)
    return part


def _in_ranges(entry: Entry, key: int) -> bool:
    """Whether every range field of the key is in the entry's range."""
    return all(low <= (key >> shift) & ones <= high for shift, ones, low, high in entry.ranges)


def make_index(definition: TableDef) -> ExactIndex | LpmIndex | TernaryIndex:
    """The index that fits a table: by the kinds of its key fields, not by the table's declared kind alone."""
    kinds = [k.kind for k in definition.keys]
    if all(kind == "exact" for kind in kinds) and definition.match_kind == "exact":
        return ExactIndex(definition.keys)
    if definition.match_kind == "lpm" and kinds.count("lpm") == 1 and set(kinds) <= {"exact", "lpm"}:
        return LpmIndex(definition.keys)
    return RangeIndex(definition.keys) if "range" in kinds else TernaryIndex(definition.keys)
