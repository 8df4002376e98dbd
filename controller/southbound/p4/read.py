"""What a switch answers to a read, turned into values.

Slots are taken out of the answer's bytes by numpy, without an object for each: all entries are found by their table's
id, sorted into the layouts that canonical numbers allow, and every other byte is compared. What does not fit exactly
goes the long way, through protobuf, as all other entries do; an audit mostly reads what the last one read, so those are
remembered by their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import cast

import numpy as np
import numpy.typing as npt
from finsy.proto import p4r

from controller.southbound.p4.pipeline import Pipeline, Table
from controller.southbound.p4.wire import SECOND, Layout, entity_of, rate_of, slot_content, varint
from controller.spec.slots import Bytes, Slots, SlotTable
from p4src.pipeline import ENDED
from p4src.slots import Columns, joined
from p4src.slots import table as slot_table
from p4src.target import BLOCK, ORDER, Configuration, EntryBody, EntryKey, Found, Match, P4Target, Rate

_SMALLEST = 256
"""Slots of the smallest pool."""
_NUMBERS = 6
"""In a slot's entry: pool, slot, and the parameters of ``tracked``."""
_LONGEST_LENGTH = 5
"""Bytes."""
MOST_SLOTS = 1 << 24
"""Of all pools: one entry of a slot with a high number makes a whole table."""
_LONGEST_VALUE = 64
_WIDEST = 128
"""Bits of a parameter."""
_ENTITIES = 0x0A
"""Tag of ``ReadResponse.entities``."""

_COUNTED = ("backend", "session", "access", "guard_over")
"""Tables of which counters are read."""

_Entry = tuple[EntryKey, EntryBody]
_ENTRIES = frozenset(ORDER) - {"slot"}
"""Tables whose entries are read one by one."""


def requests(pipeline: Pipeline, device_id: int) -> tuple[bytes, bytes]:
    """What to ask: the slots, and everything else."""
    slots = p4r.ReadRequest(device_id=device_id)
    slots.entities.add().table_entry.table_id = pipeline.tables["slot"].id
    rest = p4r.ReadRequest(device_id=device_id)
    for table in pipeline.tables.values():
        if table.name == "slot":
            continue
        entry = rest.entities.add().table_entry
        entry.table_id = table.id
        if table.name == "self":
            entry.is_default_action = True
        if table.metered:
            entry.meter_config.SetInParent()
        if table.name in _COUNTED:
            entry.counter_data.SetInParent()
    for counter in ("drops", "lost"):
        rest.entities.add().counter_entry.counter_id = pipeline.numbers[counter]
    rest.entities.add().meter_entry.meter_id = pipeline.numbers["limits"]
    rest.entities.add().packet_replication_engine_entry.multicast_group_entry.SetInParent()
    return cast(bytes, slots.SerializeToString()), cast(bytes, rest.SerializeToString())


def request_of(pipeline: Pipeline, device_id: int, keys: Iterable[EntryKey]) -> bytes:
    """Asks for single entries."""
    request = p4r.ReadRequest(device_id=device_id)
    for key in keys:
        request.entities.append(p4r.Entity.FromString(entity_of(pipeline, key)))
    return cast(bytes, request.SerializeToString())


def entries_in(pipeline: Pipeline, answers: Iterable[bytes]) -> dict[EntryKey, EntryBody]:
    """What was answered to that."""
    found = {}
    for body in answers:
        for item in split(body):
            entry = p4r.Entity.FromString(item).table_entry
            key = entry_key(pipeline, entry)
            if key is not None:
                found[key] = _body(pipeline, entry)
    return found


def split(body: bytes) -> Iterator[bytes]:
    """The entities of a ``ReadResponse``. Raises ValueError for anything else in it, and where it is cut off."""
    at, end = 0, len(body)
    while at < end:
        if body[at] != _ENTITIES:
            raise ValueError(f"read response: tag {body[at]:#x} at byte {at}, expected an entity")
        length, at = _length(body, at + 1)
        if at + length > end:
            raise ValueError(f"read response: an entity of {length} bytes, of which {end - at} are there")
        yield body[at : at + length]
        at += length


def _length(body: bytes, at: int) -> tuple[int, int]:
    """The length at a place, and where it ends. Raises IndexError, ValueError."""
    length = shift = 0
    for octet in body[at : at + _LONGEST_LENGTH]:
        at += 1
        length |= (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            return length, at
    raise ValueError(f"read response: a length at byte {at} has no end")


@dataclass
class Reader:
    """Reads one switch again and again."""

    pipeline: Pipeline
    _known: dict[bytes, _Entry] = field(default_factory=dict)
    """What the last read found, by its bytes."""

    def found(self, slots: Iterable[bytes], rest: Iterable[bytes]) -> Found:
        """``slots`` and ``rest``: the answers to both requests."""
        collected = _Collected(self.pipeline, self._known)
        for body in rest:
            for item in split(body):
                collected.take(item)
        self._known = collected.seen
        pools = _Slots(self.pipeline)
        for body in slots:
            pools.take(body)
        target = P4Target(
            collected.entries,
            collected.configuration,
            collected.limits,
            pools.tables(),
            collected.multicast,
        )
        counted = (
            collected.packets,
            collected.sessions,
            collected.denied,
            collected.over,
            collected.drops,
            collected.lost,
        )
        return Found(target, *counted)


@dataclass
class _Collected:
    """Everything but slots."""

    pipeline: Pipeline
    known: dict[bytes, _Entry]
    seen: dict[bytes, _Entry] = field(default_factory=dict)
    entries: dict[EntryKey, EntryBody] = field(default_factory=dict)
    configuration: Configuration | None = None
    limits: dict[int, Rate] = field(default_factory=dict)
    multicast: dict[int, tuple[int, ...]] = field(default_factory=dict)
    packets: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    sessions: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    denied: dict[int, int] = field(default_factory=dict)
    over: dict[int, int] = field(default_factory=dict)
    drops: dict[int, int] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)

    def take(self, item: bytes) -> None:
        entry = self.known.get(item)
        if entry is not None:
            self.seen[item] = entry
            self.entries[entry[0]] = entry[1]
            return
        entity = p4r.Entity.FromString(item)
        match entity.WhichOneof("entity"):
            case "table_entry":
                self._table_entry(entity.table_entry, item)
            case "counter_entry":
                self._count(entity.counter_entry)
            case "meter_entry":
                if entity.meter_entry.HasField("config"):
                    self.limits[entity.meter_entry.index.index] = rate_of(entity.meter_entry.config)
            case "packet_replication_engine_entry":
                group = entity.packet_replication_engine_entry.multicast_group_entry
                if group.multicast_group_id:
                    self.multicast[group.multicast_group_id] = tuple(sorted(map(_port, group.replicas)))

    def _count(self, entry: p4r.CounterEntry) -> None:
        counts = self.drops if entry.counter_id == self.pipeline.numbers["drops"] else self.lost
        if entry.data.packet_count:
            counts[entry.index.index] = entry.data.packet_count

    def _table_entry(self, entry: p4r.TableEntry, item: bytes) -> None:
        table = self.pipeline.tables_by_id.get(entry.table_id)
        if table is None:
            return
        if entry.is_default_action:
            self.configuration = _configuration(self.pipeline, entry)
            return
        if table.name not in _ENTRIES:
            raise ValueError(f"an entry of table {table.name}, which was not asked for")
        key = EntryKey(table.name, _match(table, entry))
        body = _body(self.pipeline, entry)
        self.entries[key] = body
        if entry.HasField("counter_data"):
            self._count_of(key, body, entry.counter_data)
        else:
            self.seen[item] = (key, body)

    def _count_of(self, key: EntryKey, body: EntryBody, data: p4r.CounterData) -> None:
        number = cast(int, key.match[0])
        if key.table == "backend":
            self.packets[number, cast(int, key.match[1])] = (data.packet_count, data.byte_count)
        elif key.table == "session":
            pair, count = (number, cast(int, key.match[1])), data.packet_count
            opened, ended = self.sessions.get(pair, (0, 0))
            self.sessions[pair] = (opened, count) if key.match[2] == ENDED else (count, ended)
        elif key.table == "guard_over":
            self.over[number] = data.packet_count
        elif body.action == BLOCK:
            self.denied[number] = self.denied.get(number, 0) + data.packet_count


def _port(replica: p4r.Replica) -> int:
    if replica.WhichOneof("port_kind") == "port":
        return int.from_bytes(replica.port, "big")
    return replica.egress_port


def entry_key(pipeline: Pipeline, entry: p4r.TableEntry) -> EntryKey | None:
    """The key of an entry that the switch names; None: of a table that we do not know."""
    table = pipeline.tables_by_id.get(entry.table_id)
    return None if table is None else EntryKey(table.name, _match(table, entry))


def _match(table: Table, entry: p4r.TableEntry) -> tuple[Match, ...]:
    given = {match.field_id: match for match in entry.match}
    out: list[Match] = []
    for want in table.fields:
        match = given.get(want.id)
        if not want.lpm:
            out.append(_fitting(given[want.id].exact.value, want.width))
        elif match is None:
            out.append((0, 0))
        elif not 0 <= match.lpm.prefix_len <= want.width:
            raise ValueError(f"a prefix of {match.lpm.prefix_len} bits, of {want.width}")
        else:
            out.append((_fitting(match.lpm.value, want.width), match.lpm.prefix_len))
    return tuple(out)


def _fitting(value: bytes, width: int) -> int:
    """A number. Raises ValueError for one of more bits than there is room for."""
    number = int.from_bytes(value[:_LONGEST_VALUE], "big")
    if len(value) >= _LONGEST_VALUE or number >> width:
        raise ValueError(f"a number of {len(value)} bytes, where there is room for {width} bits")
    return number


def _body(pipeline: Pipeline, entry: p4r.TableEntry) -> EntryBody:
    action = entry.action.action
    known = pipeline.actions_by_id.get(action.action_id)
    name = str(action.action_id) if known is None else known.name
    values = {param.param_id: _fitting(param.value, _WIDEST) for param in action.params}
    params = tuple(values[number] for number in sorted(values))
    if known is not None and len(params) != len(known.params):
        raise ValueError(f"action {name} has {len(params)} parameters, expected {len(known.params)}")
    meter = rate_of(entry.meter_config) if entry.HasField("meter_config") else None
    return EntryBody(name, params, round(entry.idle_timeout_ns / SECOND), meter)


def _configuration(pipeline: Pipeline, entry: p4r.TableEntry) -> Configuration | None:
    body = _body(pipeline, entry)
    return Configuration(*body.params) if body.action == "configure" else None


@dataclass(frozen=True)
class _Shape:
    """One layout of a slot entry."""

    layout: Layout
    fixed: npt.NDArray[np.bool_]


class _Slots:
    """Collects the slots of all pools."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        number = varint(pipeline.tables["slot"].id)
        self._marker = np.frombuffer(b"\x08" + number, np.uint8)
        self._found: list[tuple[Slots, ...]] = []
        self._shapes: dict[int, list[_Shape]] = {}
        for shape in _shapes(pipeline):
            self._shapes.setdefault(len(shape.layout.data), []).append(shape)

    def take(self, body: bytes) -> None:
        """Take in one answer."""
        starts = self._starts(body)
        if starts is None:
            for item in split(body):
                self._single(item)
            return
        octets = np.frombuffer(body, np.uint8)
        lengths = octets[starts + 1].astype(np.int64) + 2
        for length in map(int, np.unique(lengths)):
            group = starts[lengths == length]
            rows = np.lib.stride_tricks.sliding_window_view(octets, length)[group]
            for row in self._sort(rows):
                self._single(row.tobytes()[2:])

    def tables(self) -> dict[int, SlotTable]:
        """Everything taken in, by pool."""
        if not self._found:
            return {}
        pools, slots, *said = (np.concatenate(column) for column in zip(*self._found, strict=True))
        entries = joined(Columns(*said))
        out, room = {}, MOST_SLOTS
        for pool in map(int, np.unique(pools)):
            own = pools == pool
            highest = int(slots[own].max()) + 1
            size = max(_SMALLEST, 1 << (highest - 1).bit_length())
            room -= size
            if room < 0:
                raise ValueError(f"slots of pools with more than {MOST_SLOTS:,} slots")
            found = np.zeros(size, np.uint64)
            found[slots[own]] = entries[own]
            out[pool] = slot_table(found)
        return out

    def _starts(self, body: bytes) -> npt.NDArray[np.int64] | None:
        """Where entities begin; None when the answer does not consist of slot entries of less than 128 bytes alone."""
        octets = np.frombuffer(body, np.uint8)
        if len(octets) < len(self._marker) + 4:
            return None
        windows = len(octets) - len(self._marker) + 1
        # The byte that is rarest first: only its places are looked at further.
        rare = len(self._marker) - 1
        found = np.flatnonzero(octets[rare : rare + windows] == self._marker[rare])
        for n in range(rare):
            found = found[octets[found + n] == self._marker[n]]
        starts = found - 4
        if not starts.size or starts[0] != 0:
            return None
        lengths = octets[starts + 1].astype(np.int64) + 2
        ends = starts + lengths
        follow = bool(np.array_equal(ends[:-1], starts[1:])) and int(ends[-1]) == len(octets)
        return starts if follow and int(lengths.max()) < 0x82 else None

    def _sort(self, rows: Bytes) -> Bytes:
        """Take in the rows that have a known layout; the others."""
        for shape in self._shapes.get(rows.shape[1], []):
            model = np.frombuffer(shape.layout.data, np.uint8)
            fits = (rows[:, shape.fixed] == model[shape.fixed]).all(axis=1)
            own, rows = rows[fits], rows[~fits]
            columns = [shape.layout.column(own, n) for n in range(len(shape.layout.places))]
            nothing = np.zeros(len(own), np.uint16)
            self._found.append((*columns, *([nothing] * (_NUMBERS - len(columns)))))
        return rows

    def _single(self, item: bytes) -> None:
        entry = p4r.Entity.FromString(item).table_entry
        key, body = entry_key(self._pipeline, entry), _body(self._pipeline, entry)
        if key is None or key.table != "slot":
            return
        values = (*key.match, *body.params, *[0] * _NUMBERS)[:_NUMBERS]
        if max(value for value in values if isinstance(value, int)) >> 16:
            raise ValueError(f"a slot says {values}")
        self._found.append(tuple(np.array([value], np.uint16) for value in values))


def _shapes(pipeline: Pipeline) -> Iterator[_Shape]:
    for action, count, short in (("settled", 3, ()), ("tracked", 4, (1, 1))):
        for first in product((1, 2), repeat=count):
            lengths = (*first, *short)

            def build(values: Iterable[bytes], action: str = action) -> bytes:
                content = slot_content(pipeline, action, list(values))
                return bytes([_ENTITIES]) + varint(len(content)) + content

            layout = Layout.of(build, lengths)
            yield _Shape(layout, layout.fixed())
