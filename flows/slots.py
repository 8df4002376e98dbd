"""Slot tables in bulk: numpy in, wire messages out, and statistics back into numpy.

A pool of 65,536 slots is 65,536 flows that differ in two numbers, so they are stamped from one byte template
instead of being built one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from controller.spec.slots import Bytes, SlotTable
from flows import messages
from flows.actions import Action, Bits, Load, Report
from flows.entries import Flow, flow
from flows.match import Match
from flows.tables import (
    BACKEND,
    CLASS,
    FLAG_AHEAD,
    FLAG_OLD,
    FLAG_RELEASED,
    FLAG_SYN,
    FLAGS,
    FOUND,
    POOL,
    SLOT,
    SLOT_IN_MARK,
    TRACK,
    Kind,
    Meters,
    Placed,
    Stage,
)

PRIORITY = {
    Kind.SLOT: 10,
    Kind.TRANSITION: 20,
    Kind.BASE: 21,
    Kind.HOME: 22,
    Kind.TRACKED: 30,
    Kind.EXCEPTION: 20,
    Kind.YOUNG: 21,
    Kind.FORMER: 20,
    Kind.AGED: 22,
}
_METERS = {
    Kind.EXCEPTION: Meters.REPORTS,
    Kind.YOUNG: Meters.YOUNG,
    Kind.FORMER: Meters.REPORTS,
    Kind.AGED: Meters.REPORTS,
}
_OLD, _ESTABLISHED = (FLAG_OLD, FLAG_OLD), (0, FLAG_SYN)
"""FLAGS of connections to be reported: a client that opens one may open many."""
_OPENS_NOTHING = (0, FLAG_SYN | FLAG_RELEASED)
"""FLAGS of what a slot's former backend still has: what a backend gave away was none of it either."""


def _model(placed: Placed, kind: Kind, pool: int, slot: int, backend: int) -> Flow:
    cookie = placed.cookie(kind, pool)
    if kind in _METERS:
        report = (Report(placed.meter(_METERS[kind])),)
        match = Match.of(**{POOL: pool, SLOT: SLOT_IN_MARK}).plus(ct_mark=backend << 16 | slot)
        if kind is not Kind.FORMER:
            match = match.plus(**{FLAGS: _OLD if kind is Kind.AGED else _ESTABLISHED})
        return flow(
            placed.table(Stage.FATE),
            PRIORITY[kind],
            match,
            report,
            cookie=cookie,
            goto=placed.table(Stage.BACKEND),
        )
    place = Match.of(**{POOL: pool, SLOT: slot})
    if kind is Kind.TRACKED:
        return _tracked(placed, place, pool, class_=backend)
    match = place if kind is Kind.SLOT else place.plus(**{FLAGS: _OPENS_NOTHING})
    chosen: tuple[Action, ...] = (Load(backend, Bits(BACKEND)),)
    if kind in (Kind.BASE, Kind.HOME):
        chosen = (*chosen, Load(1, Bits(TRACK, *FOUND)))
    if kind is Kind.BASE:
        chosen = (*chosen, Report(placed.meter(Meters.REPORTS)))
    return flow(
        placed.table(Stage.SLOT),
        PRIORITY[kind],
        match,
        chosen,
        cookie=cookie,
        goto=placed.table(Stage.COMMIT),
    )


def _tracked(placed: Placed, place: Match, pool: int, class_: int) -> Flow:
    """What is looked up ahead of memory: only that the slot is tracked."""
    ahead = place.plus(**{FLAGS: (FLAG_AHEAD, FLAG_AHEAD)})
    into = Bits(TRACK, CLASS[0], 16)
    cookie = placed.cookie(Kind.TRACKED, pool)
    return flow(placed.table(Stage.SLOT), PRIORITY[Kind.TRACKED], ahead, (Load(class_, into),), cookie=cookie)


@dataclass(frozen=True)
class _Template:
    """A message and where slot and backend stand in it (offsets of 16-bit big-endian numbers)."""

    data: bytes
    slot: int
    backend: int

    def stamp(self, slots: npt.NDArray[np.integer], backends: npt.NDArray[np.integer]) -> Bytes:
        """One row per (slot, backend)."""
        rows = np.tile(np.frombuffer(self.data, np.uint8), (len(slots), 1))
        rows[:, self.slot : self.slot + 2] = slots.astype(">u2").view(np.uint8).reshape(-1, 2)
        if self.backend >= 0:
            rows[:, self.backend : self.backend + 2] = backends.astype(">u2").view(np.uint8).reshape(-1, 2)
        return rows


def _locate(low: bytes, high: bytes) -> int:
    """Offset of the only 16-bit number in which two messages differ; -1 if they do not."""
    places = [n for n, (a, b) in enumerate(zip(low, high, strict=True)) if a != b]
    return places[0] if places else -1


@cache
def _template(placed: Placed, kind: Kind, pool: int, command: int) -> _Template:
    def build(slot: int, backend: int) -> bytes:
        return messages.flow_mod(_model(placed, kind, pool, slot, backend), command)

    zero = build(0, 0)
    return _Template(zero, _locate(zero, build(0xFFFF, 0)), _locate(zero, build(0, 0xFFFF)))


def write(
    placed: Placed, kind: Kind, pool: int, slots: npt.NDArray[np.integer], backends: npt.NDArray[np.integer]
) -> Bytes:
    """Messages that add (or overwrite) the flows, one row each."""
    return _template(placed, kind, pool, messages.ADD).stamp(slots, backends)


def remove(
    placed: Placed, kind: Kind, pool: int, slots: npt.NDArray[np.integer], backends: npt.NDArray[np.integer]
) -> Bytes:
    """Messages that delete the flows, one row each."""
    return _template(placed, kind, pool, messages.DELETE_STRICT).stamp(slots, backends)


def flows_of(placed: Placed, pool: int, table: SlotTable) -> list[Flow]:
    """The same table as single flows (small tables, dumps and tests)."""
    rows = [(Kind.SLOT, s, int(b)) for s, b in enumerate(table.now) if b]
    rows += [(Kind.TRANSITION, s, int(b)) for s, b in enumerate(table.before) if b]
    rows += [(Kind.EXCEPTION, int(w) & 0xFFFF, int(w) >> 16) for w in table.watched]
    rows += [(Kind.YOUNG, int(y) & 0xFFFF, int(y) >> 16) for y in table.young]
    rows += [(Kind.TRACKED, s, int(c)) for s, c in enumerate(table.class_) if c]
    rows += [(Kind.BASE, s, int(b)) for s, b in enumerate(table.base) if b]
    rows += [(Kind.HOME, s, int(b)) for s, b in enumerate(table.home) if b]
    rows += [(Kind.FORMER, int(w) & 0xFFFF, int(w) >> 16) for w in table.former]
    rows += [(Kind.AGED, int(y) & 0xFFFF, int(y) >> 16) for y in table.aged]
    return [_model(placed, kind, pool, slot, backend) for kind, slot, backend in rows]


def flows_at(placed: Placed, pool: int, slot: int, table: SlotTable) -> list[Flow]:
    """The flows of one slot in the table of slots."""
    columns = (
        (Kind.SLOT, table.now),
        (Kind.TRANSITION, table.before),
        (Kind.TRACKED, table.class_),
        (Kind.BASE, table.base),
        (Kind.HOME, table.home),
    )
    found = ((kind, int(column[slot]) if slot < len(column) else 0) for kind, column in columns)
    return [_model(placed, kind, pool, slot, value) for kind, value in found if value]


def absorb(
    placed: Placed, kind: Kind, pool: int, entries: Sequence[bytes] | Bytes
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16], npt.NDArray[np.bool_]]:
    """Read (slots, backends, regular) out of equally long flow statistics entries.

    ``regular`` is False for a row that is not what we would have written for its slot and backend.
    """
    raw = entries if isinstance(entries, np.ndarray) else np.frombuffer(b"".join(entries), np.uint8)
    model = _stats_model(placed, kind, pool)
    rows = raw.reshape(-1, len(model.data))
    slots, backends = _numbers(rows, model.slot), _numbers(rows, model.backend)
    same = rows == np.frombuffer(model.data, np.uint8)
    same[:, 4:12] = True  # duration
    same[:, 32:48] = True  # packets, bytes
    for place in (model.slot, model.backend):
        same[:, place : place + 2] = True
    return slots, backends, same.all(axis=1)


def _numbers(rows: Bytes, at: int) -> npt.NDArray[np.uint16]:
    """The 16-bit big-endian number at one place of every row."""
    return np.ascontiguousarray(rows[:, at : at + 2]).view(">u2").reshape(-1).astype(np.uint16)


@cache
def _stats_model(placed: Placed, kind: Kind, pool: int) -> _Template:
    def build(slot: int, backend: int) -> bytes:
        return messages.flow_stat(_model(placed, kind, pool, slot, backend))

    zero = build(0, 0)
    return _Template(zero, _locate(zero, build(0xFFFF, 0)), _locate(zero, build(0, 0xFFFF)))


def stats_length(placed: Placed, kind: Kind, pool: int) -> int:
    """Length in bytes of one statistics entry of this kind."""
    return len(_stats_model(placed, kind, pool).data)
