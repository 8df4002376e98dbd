"""What rows expect besides deliveries: answers for a VIP, resets, packet too big, ICMP errors at their server."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from controller.spec.types import Mode
from tests.conformance.delivery import Got, Wrong, at_segment
from tests.conformance.packets import (
    ACK,
    ARP,
    ICMP,
    ICMP6,
    RST,
    Read,
    Tag,
    cover,
    ether_type,
    header_is_right,
    mac,
    one_sum,
    read,
    read_frame,
)
from tests.conformance.says import Connection, Delivered, FromClient, Log, Ping, Question, TooBigError
from tests.conformance.scenario import CLIENTS, SERVER_ADDRESSES, SERVERS, TUNNEL_MTU, VIRTUAL_MAC
from tests.conformance.target import Wire

_TUNNEL_MTUS = range(TUNNEL_MTU, 1481)
_TTL = 64
"""Of an answer to a ping: the asker's own may be used up."""


def _only(got: Got) -> bytes:
    """The one frame, which went back to the segment."""
    frames = at_segment(got.frames)
    if len(frames) != 1 or len(got.frames) != 1:
        raise Wrong(f"{len(got.frames)} frames at {sorted({w.port for w in got.frames})}, wanted one answer")
    return frames[0].frame


def _wanted(what: str, is_: object, should: object) -> None:
    if is_ != should:
        raise Wrong(f"{what}: {is_}, wanted {should}")


@dataclass(frozen=True)
class Answered:
    """ARP request, neighbour solicitation or ping is answered with the VIP's virtual MAC, or another one."""

    mac: str = VIRTUAL_MAC

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            frame = _only(got)
            if isinstance(got.say, Ping):
                _ping_answer(got, got.say, frame, self.mac)
            elif isinstance(got.say, Question) and got.say.address.version == 4:
                _arp_answer(got.say, frame, self.mac)
            elif isinstance(got.say, Question):
                _advertisement(got.say, frame, self.mac)
        return {}


def _arp_answer(asked: Question, frame: bytes, named: str) -> None:
    client = mac(CLIENTS[asked.client].mac)
    _wanted("destination MAC", frame[:6], client)
    _wanted("source MAC", frame[6:12], mac(named))
    _wanted("EtherType", ether_type(frame), ARP)
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
    body = head + mac(named) + asked.address.packed + client + asked.asker.packed
    _wanted("ARP", frame[14:42].hex(), body.hex())


def _advertisement(asked: Question, frame: bytes, named: str) -> None:
    found = _message(frame)
    probe = asked.unspecified
    # A host that only tries an address is answered at the group of all nodes, unsolicited (RFC 4861, 7.2.4).
    _wanted("destination", found.destination, ip_address("ff02::1") if probe else asked.asker)
    if probe:
        _wanted("destination MAC", frame[:6], mac("33:33:00:00:00:01"))
    else:
        _wanted("destination MAC", frame[:6], mac(CLIENTS[asked.client].mac))
    _wanted("source MAC", frame[6:12], mac(named))
    _wanted("source", found.source, asked.address)
    _wanted("hop limit", found.ttl, 255)
    _wanted("type and code", found.payload[:2], bytes((136, 0)))
    _wanted("solicited", bool(found.payload[4] & 0x40), not probe)
    _wanted("router", bool(found.payload[4] & 0x80), False)
    _wanted("target", found.payload[8:24], asked.address.packed)
    # Open vSwitch can change an option but not add one, and a host that probes has sent none.
    if (asked.odd.options != b"" and not probe) or found.payload[24:]:
        _wanted("option", found.payload[24:32], b"\x02\x01" + mac(named))


def _ping_answer(got: Got, asked: Ping, frame: bytes, named: str) -> None:
    client = CLIENTS[asked.client]
    found = _message(frame)
    _wanted("destination MAC", frame[:6], mac(client.mac))
    _wanted("source MAC", frame[6:12], mac(named))
    _wanted("source", found.source, asked.address)
    _wanted("destination", found.destination, client.addresses[found.version])
    _wanted("TTL", found.ttl, _TTL)
    _wanted("type and code", found.payload[:2], bytes((0 if found.version == 4 else 129, 0)))
    _wanted("data", found.payload[4:].hex(), asked.message(got.mark).hex())


def _message(frame: bytes) -> Read:
    """An ICMP message with right checksums."""
    found = read_frame(frame)
    if found is None or found.protocol not in (ICMP, ICMP6):
        raise Wrong(f"no ICMP message: {frame.hex()}")
    covered = found.payload
    if found.protocol == ICMP6:
        covered = cover(found.source, found.destination, ICMP6, covered)
    _wanted("the checksums' remainder", one_sum(covered), 0)
    _wanted("header checksum is right", header_is_right(found.whole), True)
    return found


@dataclass(frozen=True)
class Unanswered:
    """No switch answers for the VIP. (One that forwards for others may flood the question.)"""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            if at_segment(got.frames):
                raise Wrong(f"answered: {at_segment(got.frames)[0].frame.hex()}")
        return {}


@dataclass(frozen=True)
class NotOurs:
    """The balancer has nothing to do with it: what comes out comes out as it was sent, and at no server."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            sent = [wire.frame for wire in got.sent]
            for wire in got.frames:
                if wire.port in SERVERS or not any(_left_alone(wire.frame, each) for each in sent):
                    raise Wrong(f"it came out at {wire.port} as {wire.frame.hex()}, wanted it left alone")
        return {}


def _left_alone(frame: bytes, sent: bytes) -> bool:
    """Whether it is what was sent, as it was or (its addresses, ports and tag as they were) routed."""
    if frame[: len(sent)] == sent:
        return True
    ends = len(Tag().put(bytes(14)))
    found, was = read(frame[ends:]), read(sent[ends:])
    if found is None or was is None or frame[12:ends] != sent[12:ends]:
        return False
    return (found.source, found.destination, found.payload) == (was.source, was.destination, was.payload)


@dataclass(frozen=True)
class Crosses:
    """It comes out as it was sent, once at each of these ports, and nowhere else."""

    ports: tuple[str, ...]

    def __init__(self, *ports: str) -> None:
        object.__setattr__(self, "ports", ports)

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            (sent,) = got.sent
            where = sorted(wire.port for wire in got.frames)
            if where != sorted(self.ports):
                raise Wrong(f"it came out at {where}, wanted {sorted(self.ports)}")
            # A cable's shortest frame is longer than a question.
            changed = [w.frame.hex() for w in got.frames if w.frame[: len(sent.frame)] != sent.frame]
            if changed:
                raise Wrong(f"it came out as {changed[0]}, wanted {sent.frame.hex()}")
        return {}


@dataclass(frozen=True)
class WasReset:
    """The client is sent a reset in the VIP's name, and the server nothing."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            assert isinstance(got.say, FromClient)
            sent = got.say.packet(got.mark)
            found = read_frame(_only(got))
            if found is None:
                raise Wrong("no IP packet came back")
            _wanted("source", (found.source, found.port(0)), (sent.destination, sent.destination_port))
            _wanted("destination", (found.destination, found.port(1)), (sent.source, sent.source_port))
            _wanted("flags", found.payload[13] & ~ACK, RST)
            _wanted("sequence number", int.from_bytes(found.payload[4:8], "big"), 77777)
            covered = cover(found.source, found.destination, found.protocol, found.payload)
            _wanted("the checksum's remainder", one_sum(covered), 0)
        return {}


@dataclass(frozen=True)
class ToldTooBig:
    """The client is told that the tunnel is too narrow, and the server gets nothing."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            assert isinstance(got.say, FromClient)
            found = _message(_only(got))
            sent = got.say.packet(got.mark)
            kind = (3, 4) if found.version == 4 else (2, 0)
            _wanted("type and code", found.payload[:2], bytes(kind))
            _wanted("source", found.source, sent.destination)
            _wanted("destination", found.destination, sent.source)
            mtu = int.from_bytes(found.payload[4:8], "big")
            if mtu not in _TUNNEL_MTUS:
                raise Wrong(f"told an MTU of {mtu}, wanted {_TUNNEL_MTUS[0]} to {_TUNNEL_MTUS[-1]}")
            quote = found.payload[8:]
            _wanted("quoted packet", quote.hex(), sent.build()[: len(quote)].hex())
        return {}


@dataclass(frozen=True)
class ErrorAt:
    """An ICMP error reaches the server of its connection, as one about what that server itself has sent."""

    server: str

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            assert isinstance(got.say, TooBigError)
            _error_at(got, got.say, self.server, log)
        return {}


def _error_at(got: Got, say: TooBigError, server: str, log: Log) -> None:
    if [wire.port for wire in got.frames] != [server]:
        raise Wrong(f"came out at {[wire.port for wire in got.frames]}, wanted {server} once")
    service = say.connection.service
    found = _unwrapped(got.frames[0]) if service.mode is Mode.TUN else _message(got.frames[0].frame)
    direct = service.mode in (Mode.DR, Mode.TUN)
    address = service.vip if direct else SERVER_ADDRESSES[server][service.version]
    _wanted("destination", found.destination, address)
    _wanted("MTU", int.from_bytes(found.payload[4:8], "big"), say.mtu)
    known = log.last.get(say.connection)
    quoted = say.about(got.mark)
    if not direct:
        quoted = replace(quoted, source=address, source_port=service.backend_port)
    if service.mode is Mode.FULLNAT and known is not None:
        quoted = replace(quoted, destination=known.packet.source, destination_port=known.packet.source_port)
    inner = read(found.payload[8:])
    if inner is None:
        raise Wrong("no packet is quoted")
    _wanted("quoted source", (inner.source, inner.port(0)), (quoted.source, quoted.source_port))
    if service.mode is not Mode.FULLNAT or known is not None:
        there = (quoted.destination, quoted.destination_port)
        _wanted("quoted destination", (inner.destination, inner.port(1)), there)


def _unwrapped(wire: Wire) -> Read:
    """The message in the tunnel, whose frame is made up again."""
    outer = read_frame(wire.frame)
    if outer is None:
        raise Wrong("no IP packet")
    tunnelled = outer.payload[16:] if outer.protocol == 17 else wire.frame[:12] + _kind(outer) + outer.payload
    return _message(tunnelled)


def _kind(outer: Read) -> bytes:
    return b"\x08\x00" if outer.payload[0] >> 4 == 4 else b"\x86\xdd"
