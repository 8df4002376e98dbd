"""What a fake OpenFlow switch holds: flow tables, groups, meters, and the rules by which they change."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

FLOW_MOD, GROUP_MOD, METER_MOD = 14, 15, 29
ADD, MODIFY_STRICT, DELETE, DELETE_STRICT = 0, 2, 3, 4
ALL_TABLES = 0xFF
SEND_REMOVED = 1
REASON_IDLE, REASON_HARD, REASON_DELETE, REASON_GROUP_DELETE = 0, 1, 2, 3

_FLOW_MOD = struct.Struct("!QQBBHHHIIIH2x")
_STATS = struct.Struct("!HBxIIHHHH4xQQQ")


class Refusal(NamedTuple):
    """An OpenFlow error: type and code."""

    kind: int
    code: int


TABLE_FULL = Refusal(5, 1)
BAD_COMMAND = Refusal(5, 6)
BAD_OUT_GROUP = Refusal(2, 9)
GROUP_EXISTS = Refusal(6, 0)
UNKNOWN_GROUP = Refusal(6, 8)
METER_EXISTS = Refusal(12, 1)
INVALID_METER = Refusal(12, 2)
UNKNOWN_METER = Refusal(12, 3)


class Key(NamedTuple):
    """What makes a flow the same flow; ``match`` are canonical TLVs."""

    table: int
    priority: int
    match: bytes


@dataclass
class Entry:
    """One flow."""

    instructions: bytes
    cookie: int
    idle: int = 0
    hard: int = 0
    flags: int = 0
    packets: int = 0
    octets: int = 0


def canonical(body: bytes) -> bytes:
    """The TLVs of a match in one order, masks in one form: a zero mask is no field, a full one is no mask."""
    return b"".join(sorted(filter(None, (_normal(tlv) for tlv in _tlvs(body)))))


def _tlvs(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        end = at + 4 + body[at + 3]
        yield body[at:end]
        at = end


def _normal(tlv: bytes) -> bytes:
    if not tlv[2] & 1:
        return tlv
    start = 8 if tlv[:2] == b"\xff\xff" else 4
    size = (len(tlv) - start) // 2
    value, mask = tlv[start : start + size], tlv[start + size :]
    if not any(mask):
        return b""
    if mask == b"\xff" * size:
        return tlv[:2] + bytes((tlv[2] & 0xFE, tlv[3] - size)) + tlv[4:start] + value
    low = bytes(v & m for v, m in zip(value, mask, strict=True))
    return tlv[:start] + low + mask


def match_struct(match: bytes) -> bytes:
    """An ``ofp_match`` around canonical TLVs."""
    return struct.pack("!HH", 1, 4 + len(match)) + match + bytes(-(4 + len(match)) % 8)


def parse_flow_mod(message: bytes) -> tuple[int, int, Key, Entry]:
    """(command, cookie mask, key, entry) of a FLOW_MOD."""
    cookie, mask, table, command, idle, hard, priority, _, _, _, flags = _FLOW_MOD.unpack_from(message, 8)
    start = 8 + _FLOW_MOD.size
    (length,) = struct.unpack_from("!H", message, start + 2)
    key = Key(table, priority, canonical(message[start + 4 : start + length]))
    rest = message[start + length + (-length % 8) :]
    return command, mask, key, Entry(rest, cookie, idle, hard, flags)


@dataclass
class Tables:
    """Applies messages one by one, as a switch does between two barriers."""

    flows: dict[Key, Entry] = field(default_factory=dict)
    groups: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Group id -> (type, buckets)."""
    meters: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Meter id -> (flags, bands)."""
    limits: dict[int, int] = field(default_factory=dict)
    """Table -> how many flows fit."""
    ended: Callable[[Key, Entry, int], None] = lambda key, entry, reason: None
    """Called for every flow that ends and asked for that, with the reason."""

    def apply(self, message: bytes) -> Refusal | None:
        """Carry out a FLOW_MOD, GROUP_MOD or METER_MOD, or say why not (then nothing changed)."""
        return {FLOW_MOD: self._flow, GROUP_MOD: self._group, METER_MOD: self._meter}[message[1]](message)

    def forget(self) -> None:
        """Lose everything, as a switch does that restarts."""
        self.flows.clear()
        self.groups.clear()
        self.meters.clear()

    def flow_stats(self, table: int, cookie: int = 0, mask: int = 0) -> Iterator[bytes]:
        """Statistics entries of a table (255: of all)."""
        for key, entry in self.flows.items():
            if table in (key.table, ALL_TABLES) and (entry.cookie ^ cookie) & mask == 0:
                tail = match_struct(key.match) + entry.instructions
                yield _STATS.pack(
                    _STATS.size + len(tail), key.table, 7, 9, key.priority, entry.idle, entry.hard,
                    entry.flags, entry.cookie, entry.packets, entry.octets,
                ) + tail  # fmt: skip

    def group_desc(self) -> Iterator[bytes]:
        """Group description entries."""
        for number, (kind, buckets) in self.groups.items():
            yield struct.pack("!HBxI", 8 + len(buckets), kind, number) + buckets

    def meter_config(self) -> Iterator[bytes]:
        """Meter configuration entries."""
        for number, (flags, bands) in self.meters.items():
            yield struct.pack("!HHI", 8 + len(bands), flags, number) + bands

    def end(self, key: Key, reason: int) -> None:
        """A flow ends."""
        entry = self.flows.pop(key)
        if entry.flags & SEND_REMOVED:
            self.ended(key, entry, reason)

    def _flow(self, message: bytes) -> Refusal | None:
        command, mask, key, new = parse_flow_mod(message)
        if command == ADD:
            return self._add(key, new)
        if command == MODIFY_STRICT:
            return self._modify(key, new, mask)
        if command in (DELETE, DELETE_STRICT):
            strict = command == DELETE_STRICT
            for each in [key] if strict else [k for k in self.flows if key.table in (k.table, ALL_TABLES)]:
                old = self.flows.get(each)
                if old is not None and (old.cookie ^ new.cookie) & mask == 0:
                    self.end(each, REASON_DELETE)
            return None
        return BAD_COMMAND

    def _add(self, key: Key, new: Entry) -> Refusal | None:
        refusal = self._dangling(new.instructions)
        if refusal is not None:
            return refusal
        old = self.flows.get(key)
        if old is not None:
            new.packets, new.octets = old.packets, old.octets
        elif self._is_full(key.table):
            return TABLE_FULL
        self.flows[key] = new
        return None

    def _is_full(self, table: int) -> bool:
        limit = self.limits.get(table)
        return limit is not None and sum(key.table == table for key in self.flows) >= limit

    def _modify(self, key: Key, new: Entry, mask: int) -> Refusal | None:
        old = self.flows.get(key)
        if old is None or (old.cookie ^ new.cookie) & mask:
            return None
        refusal = self._dangling(new.instructions)
        if refusal is None:
            old.instructions = new.instructions
        return refusal

    def _dangling(self, instructions: bytes) -> Refusal | None:
        """Why a flow cannot refer to what it refers to."""
        for number in meters_of(instructions):
            if number not in self.meters:
                return INVALID_METER
        for number in groups_of(instructions):
            if number not in self.groups:
                return BAD_OUT_GROUP
        return None

    def _group(self, message: bytes) -> Refusal | None:
        command, kind, number = struct.unpack_from("!HBxI", message, 8)
        if command == 0 and number in self.groups:
            return GROUP_EXISTS
        if command == 1 and number not in self.groups:
            return UNKNOWN_GROUP
        if command == 2:
            self.groups.pop(number, None)
            for key in [k for k, e in self.flows.items() if number in groups_of(e.instructions)]:
                self.end(key, REASON_GROUP_DELETE)
        else:
            self.groups[number] = (kind, message[16:])
        return None

    def _meter(self, message: bytes) -> Refusal | None:
        command, flags, number = struct.unpack_from("!HHI", message, 8)
        if command == 0 and number in self.meters:
            return METER_EXISTS
        if command == 1 and number not in self.meters:
            return UNKNOWN_METER
        if command == 2:
            self.meters.pop(number, None)
            for key in [k for k, e in self.flows.items() if number in meters_of(e.instructions)]:
                self.end(key, REASON_DELETE)
        else:
            self.meters[number] = (flags, message[16:])
        return None


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        yield kind, data[at : at + length]
        at += length


def meters_of(instructions: bytes) -> list[int]:
    """Meters that a flow's instructions name."""
    return [int.from_bytes(part[4:8], "big") for kind, part in _parts(instructions) if kind == 6]


def groups_of(instructions: bytes) -> list[int]:
    """Groups that a flow's actions name."""
    return [
        int.from_bytes(action[4:8], "big")
        for kind, part in _parts(instructions)
        if kind in (3, 4)
        for what, action in _parts(part[8:])
        if what == 22
    ]
