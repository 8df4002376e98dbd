"""Table entries, meters and slots as P4Runtime bytes.

The bytes are those that protobuf would make, without its objects: a pool of 65,536 slots is as many updates that differ
in a few numbers, so they are stamped from one template for each length that those numbers can have (values are
canonical: no leading zero bytes). Single entries are put together from pieces made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from finsy.proto import p4r

from controller.southbound.p4.pipeline import Action, Pipeline, Table
from controller.spec.slots import Bytes, SlotTable
from p4src.slots import SETTLED, Words, columns, words
from p4src.target import Configuration, EntryBody, EntryKey, Match, Rate

INSERT, MODIFY, DELETE = p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.DELETE
INSTANCE = 1
"""Of every replica: the program does not tell copies apart."""
SECOND = 1_000_000_000
"""Idle timeouts are in nanoseconds."""

Numbers = npt.NDArray[np.integer]

# Tags: field number << 3 | wire type, by message and field.
_UPDATE_TYPE, _UPDATE_ENTITY = b"\x08", b"\x12"
_ENTITY_TABLE, _ENTITY_METER = b"\x12", b"\x2a"
_TABLE_ID, _TABLE_MATCH, _TABLE_ACTION, _TABLE_METER = b"\x08", b"\x12", b"\x1a", b"\x32"
_TABLE_DEFAULT, _TABLE_IDLE = b"\x40\x01", b"\x48"
_MATCH_ID, _MATCH_EXACT, _MATCH_LPM = b"\x08", b"\x12", b"\x22"
_VALUE, _PREFIX = b"\x0a", b"\x10"
_ACTION, _ACTION_ID, _ACTION_PARAM = b"\x0a", b"\x08", b"\x22"
_PARAM_ID, _PARAM_VALUE = b"\x10", b"\x1a"
_METER_ID, _METER_INDEX, _METER_CONFIG, _INDEX = b"\x08", b"\x12", b"\x1a", b"\x08"
_REQUEST_UPDATES = b"\x22"


_SHORT = [bytes([n]) for n in range(128)]


def varint(value: int) -> bytes:
    """A non-negative number, seven bits a byte, lowest first."""
    if value < 128:
        return _SHORT[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def canonical(value: int) -> bytes:
    """A P4 number: big-endian, no leading zero bytes, at least one byte."""
    return value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")


def _part(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    return tag + (_SHORT[size] if size < 128 else varint(size)) + content


def meter_config(rate: Rate) -> bytes:
    """A ``MeterConfig`` of which only red counts: the peak rate and burst.

    BMv2 keeps rates as fractions and may answer a read with one packet per second too little. The committed rate, which
    decides nothing here, carries the last bit of the rate, so that ``rate_of`` knows.
    """
    numbers = (rate.rate & 1, rate.burst, rate.rate, rate.burst)
    return b"".join(bytes([n << 3]) + varint(v) for n, v in enumerate(numbers, 1) if v)


def rate_of(config: p4r.MeterConfig) -> Rate:
    """The rate in a ``MeterConfig`` that a switch was given by ``meter_config``."""
    return Rate(config.pir + ((config.pir ^ config.cir) & 1 if config.cir <= 1 else 0), config.pburst)


class Encoder:
    """Makes ``Update`` messages, with their tag in a ``WriteRequest``, from entries."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def put(self, key: EntryKey, body: EntryBody, new: bool) -> bytes:
        """Insert or modify an entry. Raises KeyError or ValueError for an entry that the program does not have."""
        table = self._pipeline.tables[key.table]
        content = _matches(table, key.match) + self._action(body.action, body.params)
        if body.meter is not None:
            content += _part(_TABLE_METER, meter_config(body.meter))
        if body.idle:
            content += _TABLE_IDLE + varint(body.idle * SECOND)
        return _update(INSERT if new else MODIFY, table_entity(table, content))

    def delete(self, key: EntryKey) -> bytes:
        """Take an entry away. Raises as ``put`` does."""
        table = self._pipeline.tables[key.table]
        return _update(DELETE, table_entity(table, _matches(table, key.match)))

    def configure(self, configuration: Configuration) -> bytes:
        """The default action of table ``self``."""
        content = self._action("configure", configuration) + _TABLE_DEFAULT
        return _update(MODIFY, table_entity(self._pipeline.tables["self"], content))

    def limit(self, index: int, rate: Rate) -> bytes:
        """One meter of the array ``limits``."""
        content = _METER_ID + varint(self._pipeline.numbers["limits"])
        content += _part(_METER_INDEX, _INDEX + varint(index) if index else b"")
        content += _part(_METER_CONFIG, meter_config(rate))
        return _update(MODIFY, _part(_ENTITY_METER, content))

    def multicast(self, group: int, ports: Sequence[int], new: bool) -> bytes:
        """Insert or modify a multicast group."""
        return _group_update(INSERT if new else MODIFY, group, ports)

    def multicast_gone(self, group: int) -> bytes:
        """Take a multicast group away."""
        return _group_update(DELETE, group, ())

    def _action(self, name: str, params: Sequence[int]) -> bytes:
        return action_part(self._pipeline.actions[name], [canonical(value) for value in params])


def action_part(action: Action, values: Sequence[bytes]) -> bytes:
    """``TableEntry.action``. Raises ValueError when the number of parameters is wrong."""
    if len(values) != len(action.params):
        raise ValueError(f"action {action.name}: {len(values)} parameters, expected {len(action.params)}")
    content = _ACTION_ID + varint(action.id)
    for number, value in zip(action.params, values, strict=True):
        content += _part(_ACTION_PARAM, _PARAM_ID + varint(number) + _part(_PARAM_VALUE, value))
    return _part(_TABLE_ACTION, _part(_ACTION, content))


def exact_part(number: int, value: bytes) -> bytes:
    """One exact ``TableEntry.match``."""
    return _part(_TABLE_MATCH, _MATCH_ID + varint(number) + _part(_MATCH_EXACT, _part(_VALUE, value)))


def table_entity(table: Table, content: bytes) -> bytes:
    """The content of an ``Entity`` that is an entry of ``table``."""
    return _part(_ENTITY_TABLE, _TABLE_ID + varint(table.id) + content)


def entity_of(pipeline: Pipeline, key: EntryKey) -> bytes:
    """An ``Entity`` that names one entry."""
    table = pipeline.tables[key.table]
    return table_entity(table, _matches(table, key.match))


def _group_update(kind: int, group: int, ports: Sequence[int]) -> bytes:
    entity = p4r.Entity()
    entry = entity.packet_replication_engine_entry.multicast_group_entry
    entry.multicast_group_id = group
    for port in ports:
        # The field that servers of P4Runtime before 1.4 know as well.
        entry.replicas.add(egress_port=port, instance=INSTANCE)
    return _update(kind, entity.SerializeToString())


def _update(kind: int, what: bytes) -> bytes:
    return _part(_REQUEST_UPDATES, _UPDATE_TYPE + varint(kind) + _part(_UPDATE_ENTITY, what))


def _matches(table: Table, match: Sequence[Match]) -> bytes:
    if len(match) != len(table.fields):
        raise ValueError(f"table {table.name}: {len(match)} fields, expected {len(table.fields)}")
    parts = b""
    for field, value in zip(table.fields, match, strict=True):
        if isinstance(value, tuple):
            if value[1]:
                prefix = _part(_VALUE, canonical(value[0])) + _PREFIX + varint(value[1])
                parts += _part(_TABLE_MATCH, _MATCH_ID + varint(field.id) + _part(_MATCH_LPM, prefix))
        else:
            parts += exact_part(field.id, canonical(value))
    return parts


# -- slots in bulk ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Messages that differ only in some numbers of fixed lengths."""

    data: bytes
    places: tuple[tuple[int, int], ...]
    """Offset and length of each number."""

    @staticmethod
    def of(build: Callable[[Sequence[bytes]], bytes], lengths: Sequence[int]) -> Layout:
        """``build`` makes the message from the numbers' bytes."""
        blank = [bytes(length) for length in lengths]
        data = build(blank)
        places = []
        for n, length in enumerate(lengths):
            other = build([*blank[:n], b"\xff" * length, *blank[n + 1 :]])
            places.append(
                (next(i for i, (a, b) in enumerate(zip(data, other, strict=True)) if a != b), length)
            )
        return Layout(data, tuple(places))

    def stamp(self, *columns: Numbers) -> Bytes:
        """One row for each set of numbers; all below 2^16."""
        rows = np.tile(np.frombuffer(self.data, np.uint8), (len(columns[0]), 1))
        for (offset, length), column in zip(self.places, columns, strict=True):
            octets = column.astype(">u2").view(np.uint8).reshape(-1, 2)
            rows[:, offset : offset + length] = octets[:, 2 - length :]
        return rows

    def fixed(self) -> npt.NDArray[np.bool_]:
        """Which bytes are the same in all of them."""
        out = np.ones(len(self.data), np.bool_)
        for offset, length in self.places:
            out[offset : offset + length] = False
        return out

    def column(self, rows: Bytes, which: int) -> npt.NDArray[np.uint16]:
        """A number out of every row."""
        offset, length = self.places[which]
        out = rows[:, offset + length - 1].astype(np.uint16)
        if length == 2:
            out |= rows[:, offset].astype(np.uint16) << 8
        return out


@dataclass(frozen=True)
class SlotRows:
    """Updates of one pool's slots that have the same length."""

    pool: int
    slots: npt.NDArray[np.integer]
    rows: Bytes


def slot_content(pipeline: Pipeline, action: str, values: Sequence[bytes]) -> bytes:
    """Entry of table ``slot`` from the bytes of pool, slot and the action's parameters."""
    table = pipeline.tables["slot"]
    pool, slot = (exact_part(f.id, v) for f, v in zip(table.fields, values[:2], strict=True))
    return table_entity(table, pool + slot + action_part(pipeline.actions[action], values[2:]))


def slot_puts(
    pipeline: Pipeline, pool: int, have: SlotTable | None, want: SlotTable | None
) -> Iterator[SlotRows]:
    """Updates that insert and modify slots of a pool."""
    had, new = _words(have, want)
    changed = (new != 0) & (had != new)
    number = canonical(pool)
    for fresh, tracked in product((True, False), repeat=2):
        which = np.flatnonzero(changed & ((had == 0) == fresh) & ((new >= SETTLED) == tracked))
        action, kind = "tracked" if tracked else "settled", INSERT if fresh else MODIFY
        said = columns(new[which])
        numbers = [which, *(said if tracked else said[:1])]

        def build(values: Sequence[bytes], action: str = action, kind: int = kind) -> bytes:
            return _update(kind, slot_content(pipeline, action, [number, *values]))

        for own, lengths in _by_length(numbers):
            rows = Layout.of(build, lengths).stamp(*(column[own] for column in numbers))
            yield SlotRows(pool, which[own], rows)


def _by_length(numbers: Sequence[Numbers]) -> Iterator[tuple[npt.NDArray[np.bool_], tuple[int, ...]]]:
    """Rows whose numbers have the same lengths in bytes, and those lengths."""
    code = np.zeros(len(numbers[0]), np.uint8)
    for place, column in enumerate(numbers):
        code |= (column > 0xFF).astype(np.uint8) << place
    for found in map(int, np.unique(code)):
        yield code == found, tuple(1 + (found >> place & 1) for place in range(len(numbers)))


def slot_deletes(
    pipeline: Pipeline, pool: int, have: SlotTable | None, want: SlotTable | None
) -> Iterator[SlotRows]:
    """Updates that delete slots of a pool."""
    had, new = _words(have, want)
    gone = np.flatnonzero((had != 0) & (new == 0))
    table = pipeline.tables["slot"]
    first, second = table.fields
    number = exact_part(first.id, canonical(pool))

    def build(values: Sequence[bytes]) -> bytes:
        return _update(DELETE, table_entity(table, number + exact_part(second.id, values[0])))

    for length, which in ((1, gone[gone <= 0xFF]), (2, gone[gone > 0xFF])):
        if which.size:
            yield SlotRows(pool, which, Layout.of(build, (length,)).stamp(which))


def _words(have: SlotTable | None, want: SlotTable | None) -> tuple[Words, Words]:
    """Slots as they are, and as they should be."""
    size = max(len(table.now) for table in (have, want) if table is not None)
    return words(have, size), words(want, size)
