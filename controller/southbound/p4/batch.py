"""The order in which changes are written, in batches: the only place that decides it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from controller.southbound.p4.pipeline import Pipeline
from controller.southbound.p4.wire import Encoder, SlotRows, slot_deletes, slot_puts
from p4src.diff import describe, group_name
from p4src.target import ORDER, Changes, EntryKey

BATCH = 4096
"""Updates in one write."""
_SLOTS_BEFORE = ORDER.index("listener")

About = SlotRows | EntryKey | str
"""Whom an update is about; a string says it itself."""


@dataclass(frozen=True)
class Batch:
    """Updates that go out in one ``WriteRequest``."""

    body: bytes
    """``WriteRequest.updates``, encoded."""
    count: int
    _names: tuple[tuple[int, About], ...]
    """Number of the first update of each piece, and whom it is about."""

    def name(self, index: int) -> str:
        """What an update of this batch is about, as people read it."""
        if not 0 <= index < self.count:
            return f"update {index}, which was not sent"
        start, piece = self._names[bisect_right(self._names, index, key=lambda item: item[0]) - 1]
        if isinstance(piece, SlotRows):
            return describe(EntryKey("slot", (piece.pool, int(piece.slots[index - start]))))
        return piece if isinstance(piece, str) else describe(piece)


Wave = Iterator[Batch]
"""Batches that do not depend on each other: they may be under way together. A wave waits for the one before it."""


def waves(pipeline: Pipeline, encoder: Encoder, changes: Changes) -> Iterator[Wave]:
    """Everything in ``changes``, in the order in which it must be written.

    Configuration, limits and multicast groups; then, table by table in ORDER, what is new or different, slots before
    ``listener``; then deletions the other way round, multicast groups last. A switch may carry out the updates of one
    write in any order, so tables do not share one, nor do entries that block and those that allow.
    """
    yield _singles(_settings(encoder, changes))
    yield _singles(_groups(encoder, changes))
    yield from _tables(changes, _puts(encoder, changes, late=False))
    yield _slots(rows for change in changes.slots for rows in slot_puts(pipeline, *change))
    yield from _tables(changes, _puts(encoder, changes, late=True))
    yield from _tables(changes, _deletes(encoder, changes, late=True))
    yield _slots(rows for change in changes.slots for rows in slot_deletes(pipeline, *change))
    yield from _tables(changes, _deletes(encoder, changes, late=False))
    yield _singles((encoder.multicast_gone(group), group_name(group)) for group in changes.multicast_gone)


def _settings(encoder: Encoder, changes: Changes) -> Iterator[tuple[bytes, About]]:
    if changes.configuration is not None:
        yield encoder.configure(changes.configuration), "configuration"
    for index, rate in changes.limits.items():
        yield encoder.limit(index, rate), f"meter {index}"


def _groups(encoder: Encoder, changes: Changes) -> Iterator[tuple[bytes, About]]:
    for group, ports, new in changes.multicast:
        yield encoder.multicast(group, ports, new), group_name(group)


def _puts(encoder: Encoder, changes: Changes, late: bool) -> Iterator[tuple[bytes, EntryKey]]:
    for key, body, new in changes.put:
        if (ORDER.index(key.table) >= _SLOTS_BEFORE) == late:
            yield encoder.put(key, body, new), key


def _deletes(encoder: Encoder, changes: Changes, late: bool) -> Iterator[tuple[bytes, EntryKey]]:
    for key in changes.gone:
        if (ORDER.index(key.table) >= _SLOTS_BEFORE) == late:
            yield encoder.delete(key), key


def _tables(changes: Changes, updates: Iterable[tuple[bytes, EntryKey]]) -> Iterator[Wave]:
    for _, group in groupby(updates, key=lambda item: (item[1].table, item[1] in changes.blocks)):
        yield _singles(group)


def _singles(updates: Iterable[tuple[bytes, About]]) -> Wave:
    pieces: list[bytes] = []
    names: list[tuple[int, About]] = []
    for update, about in updates:
        names.append((len(pieces), about))
        pieces.append(update)
        if len(pieces) == BATCH:
            yield Batch(b"".join(pieces), BATCH, tuple(names))
            pieces, names = [], []
    if pieces:
        yield Batch(b"".join(pieces), len(pieces), tuple(names))


def _slots(groups: Iterable[SlotRows]) -> Wave:
    pieces: list[bytes] = []
    names: list[tuple[int, About]] = []
    count = 0
    for group in groups:
        at = 0
        while at < len(group.slots):
            taken = min(BATCH - count, len(group.slots) - at)
            part = SlotRows(group.pool, group.slots[at : at + taken], group.rows[at : at + taken])
            names.append((count, part))
            pieces.append(part.rows.tobytes())
            count += taken
            at += taken
            if count == BATCH:
                yield Batch(b"".join(pieces), count, tuple(names))
                pieces, names, count = [], [], 0
    if pieces:
        yield Batch(b"".join(pieces), count, tuple(names))
