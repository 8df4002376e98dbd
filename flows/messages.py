"""OpenFlow 1.3 messages of ours as bytes, and parsing of what a switch answers.

All builders return one complete message with ``xid`` 0 in bytes 4 to 8; the driver stamps the real one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from flows.entries import ANY, Bucket, Flow, FlowBody, FlowKey, Group, Meter
from flows.fields import Malformed
from flows.match import Match, unpack_match

VERSION = 4
FLOW_MOD, GROUP_MOD, PACKET_OUT, METER_MOD = 14, 15, 13, 29
BARRIER_REQUEST, BARRIER_REPLY, MULTIPART_REQUEST, MULTIPART_REPLY = 20, 21, 18, 19
ADD, MODIFY_STRICT, DELETE_STRICT = 0, 2, 4
STATS_FLOW, STATS_GROUP_DESC, STATS_METER, STATS_METER_CONFIG, STATS_PORT_DESC = 1, 7, 9, 10, 13
_PORT_SIZE, _PORT_LIVE = 64, 4
NO_BUFFER = 0xFFFFFFFF
_ALL = Match()
COOKIE_SHIFT = 48
OWN_COOKIES = 0xFFFF << COOKIE_SHIFT
ROLE_REQUEST, SET_ASYNC = 24, 28
_PRIMARY = 2
# Of a primary, and of another one: packets by table-miss and by action; ports that come, go and change; flows that end.
_USUAL_PACKETS, _USUAL_PORTS, _USUAL_FLOWS = (0b11, 0), (0b111, 0b111), (0b1111, 0)
_METER_FLAGS = 2 | 4 | 8  # packets per second, burst size, statistics
_BUCKET = struct.Struct("!HHII4x")
_STATS = struct.Struct("!HBxIIHHHH4xQQQ")
_HEADER = struct.Struct("!BBHI")
LEAST_STATS = _STATS.size + 8
"""Octets of the shortest entry of flow statistics: with an empty match, and no instructions."""
_LEAST_GROUP, _LEAST_METER, _LEAST_METER_STATS = 8, 8, 40


def message(kind: int, body: bytes) -> bytes:
    """A message with its header."""
    return _HEADER.pack(VERSION, kind, 8 + len(body), 0) + body


def flow_mod(flow: Flow, command: int = ADD) -> bytes:
    """Add, modify or delete (strictly: same table, priority and match; deletions only of our own cookies)."""
    key, body = flow.key, flow.body
    mask = 0 if command == ADD else OWN_COOKIES
    head = struct.pack(
        "!QQBBHHHIIIH2x", body.cookie, mask, key.table, command, body.idle, body.hard, key.priority,
        NO_BUFFER, ANY, ANY, int(body.notify),
    )  # fmt: skip
    tail = b"" if command == DELETE_STRICT else body.instructions
    return message(FLOW_MOD, head + key.match.pack() + tail)


def group_mod(group: Group, command: int) -> bytes:
    """Add (0), modify (1) or delete (2) a group."""
    body = b""
    if command != 2:
        for bucket in group.buckets:
            length = _BUCKET.size + len(bucket.actions)
            head = _BUCKET.pack(length, bucket.weight, bucket.watch_port, bucket.watch_group)
            body += head + bucket.actions
    return message(GROUP_MOD, struct.pack("!HBxI", command, group.type, group.id) + body)


def meter_mod(meter: Meter, command: int) -> bytes:
    """Add (0), modify (1) or delete (2) a drop meter."""
    band = b"" if command == 2 else struct.pack("!HHII4x", 1, 16, meter.rate, meter.burst)
    return message(METER_MOD, struct.pack("!HHI", command, _METER_FLAGS, meter.id) + band)


def barrier() -> bytes:
    """Ask the switch to finish what came before."""
    return message(BARRIER_REQUEST, b"")


def role_request(term: int) -> bytes:
    """Claim the primary role with a term (generation id)."""
    return message(ROLE_REQUEST, struct.pack("!I4xQ", _PRIMARY, term))


def hear_nothing() -> bytes:
    """Have a switch report nothing on this stream, in whatever role."""
    return message(SET_ASYNC, bytes(24))


def hear_usual() -> bytes:
    """Have a switch report on this stream what it does where nothing was said, to a primary and to others."""
    return message(SET_ASYNC, struct.pack("!6I", *_USUAL_PACKETS, *_USUAL_PORTS, *_USUAL_FLOWS))


def flow_stats_request(table: int, match: Match = _ALL) -> bytes:
    """The flows of one table, of all writers, that match this or less."""
    body = struct.pack("!B3xII4xQQ", table, ANY, ANY, 0, 0) + match.pack()
    return _multipart(STATS_FLOW, body)


def group_desc_request() -> bytes:
    """All groups."""
    return _multipart(STATS_GROUP_DESC, b"")


def meter_config_request() -> bytes:
    """All meters."""
    return _multipart(STATS_METER_CONFIG, struct.pack("!I4x", ANY))


def ports_request() -> bytes:
    """All ports with their states."""
    return _multipart(STATS_PORT_DESC, b"")


def entry_length(body: bytes, at: int, least: int, place: int = 0) -> int:
    """The length that an entry says it has, ``place`` octets behind its begin: it is there whole. Raises Malformed.

    A length of 0 would be read without end.
    """
    length = int.from_bytes(body[at + place : at + place + 2], "big")
    if length < least or at + length > len(body):
        raise Malformed(
            f"an entry says that it has {length} octets, of {len(body) - at}; the least is {least}"
        )
    return length


def _ports(body: bytes) -> range:
    """Where ports begin. Raises Malformed."""
    if len(body) % _PORT_SIZE:
        raise Malformed(f"ports take {len(body)} octets, which is no multiple of {_PORT_SIZE}")
    return range(0, len(body), _PORT_SIZE)


def parse_live_ports(body: bytes) -> set[int]:
    """Numbers of the ports that are live (on Open vSwitch: link up, and BFD up where it runs). Raises Malformed."""
    live = set()
    for at in _ports(body):
        (number,) = struct.unpack_from("!I", body, at)
        (state,) = struct.unpack_from("!I", body, at + 36)
        if state & _PORT_LIVE:
            live.add(number)
    return live


def parse_port_names(body: bytes) -> dict[int, str]:
    """Names of ports by number; they have at most 15 octets. Raises Malformed."""
    names = {}
    for at in _ports(body):
        number, name = struct.unpack_from("!I12x16s", body, at)
        names[number] = name.rstrip(b"\0").decode(errors="replace")
    return names


def meter_stats_request() -> bytes:
    """Counters of all meters."""
    return _multipart(STATS_METER, struct.pack("!I4x", ANY))


def packet_out(data: bytes, actions: bytes, in_port: int) -> bytes:
    """Let the switch apply ``actions`` to a packet of ours."""
    return message(PACKET_OUT, struct.pack("!IIH6x", NO_BUFFER, in_port, len(actions)) + actions + data)


def _multipart(kind: int, body: bytes) -> bytes:
    return message(MULTIPART_REQUEST, struct.pack("!HH4x", kind, 0) + body)


class FlowStat(NamedTuple):
    """One flow as the switch reports it."""

    flow: Flow
    packets: int
    bytes: int
    seconds: int


def parse_flow_stats(body: bytes) -> Iterator[FlowStat]:
    """The entries of a flow statistics reply (multipart header stripped).

    A flow that matches a field unknown to us is foreign by definition and is left out. Raises Malformed.
    """
    at = 0
    while at < len(body):
        length = entry_length(body, at, LEAST_STATS)
        _, table, seconds, _, priority, idle, hard, flags, cookie, packets, octets = _STATS.unpack_from(
            body, at
        )
        try:
            match, start = unpack_match(body, at + _STATS.size)
        except KeyError:
            at += length
            continue
        if start > at + length:
            raise Malformed("the match of a flow is longer than its entry")
        what = FlowBody(body[start : at + length], cookie, idle, hard, bool(flags & 1))
        yield FlowStat(Flow(FlowKey(table, priority, match), what), packets, octets, seconds)
        at += length


def parse_groups(body: bytes) -> Iterator[Group]:
    """The entries of a group description reply. Raises Malformed."""
    at = 0
    while at < len(body):
        length = entry_length(body, at, _LEAST_GROUP)
        _, kind, number = struct.unpack_from("!HBxI", body, at)
        yield Group(number, tuple(_buckets(body[at + 8 : at + length])), kind)
        at += length


def _buckets(body: bytes) -> Iterator[Bucket]:
    at = 0
    while at < len(body):
        length = entry_length(body, at, _BUCKET.size)
        _, weight, port, group = _BUCKET.unpack_from(body, at)
        yield Bucket(port, body[at + _BUCKET.size : at + length], weight, group)
        at += length


def parse_meters(body: bytes) -> Iterator[Meter]:
    """The entries of a meter configuration reply (first band only: ours have one). Raises Malformed."""
    at = 0
    while at < len(body):
        length = entry_length(body, at, _LEAST_METER)
        _, _, number = struct.unpack_from("!HHI", body, at)
        rate, burst = struct.unpack_from("!II", body, at + 12) if length >= 24 else (0, 0)
        yield Meter(number, rate, burst)
        at += length


def parse_meter_drops(body: bytes) -> Iterator[tuple[int, int]]:
    """(meter id, packets dropped) of a meter statistics reply. Raises Malformed."""
    at = 0
    while at < len(body):
        length = entry_length(body, at, _LEAST_METER_STATS, 4)
        (number,) = struct.unpack_from("!I", body, at)
        dropped = struct.unpack_from("!Q", body, at + 40)[0] if length >= 56 else 0
        yield number, dropped
        at += length


def flow_stat(flow: Flow) -> bytes:
    """The statistics entry a switch would send for a flow, counters zero (template for bulk parsing; fakes)."""
    tail = flow.key.match.pack() + flow.body.instructions
    body = flow.body
    head = _STATS.pack(
        _STATS.size + len(tail), flow.key.table, 0, 0, flow.key.priority, body.idle, body.hard, int(body.notify),
        body.cookie, 0, 0,
    )  # fmt: skip
    return head + tail
