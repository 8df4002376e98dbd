"""Ethernet frames for tests, built byte by byte: TCP and UDP over IPv4 and IPv6, whole or in two fragments.

The last four bytes of every frame are a number of the test's choice, by which it is known again on arrival.
"""

from __future__ import annotations

import struct

from controller.lbstate import Packet
from controller.spec.types import Protocol
from flows.fields import TCP_ACK, TCP_SYN
from tests.conformance.packets import one_sum

_ETHERNET = bytes.fromhex("024556000101 024556020011")
_FIRST = 1280
"""Octets of transport in a first fragment; Open vSwitch drops short ones (limits: 1,200, IPv6 1,280)."""
_FRAGMENT_HEADER = 44


def whole(packet: Packet, number: int) -> bytes:
    """One frame; TCP without SYN carries ACK."""
    segment = _transport(packet, struct.pack("!I", number))
    return _frame(packet, packet.protocol.number, segment)


def fragments(packet: Packet, number: int) -> tuple[bytes, bytes]:
    """One datagram as two frames; the first ends with ``number``, the second with ``number + 1``."""
    header = 8 if packet.protocol is Protocol.UDP else 20
    filling = bytes(_FIRST - header - 4)
    segment = _transport(packet, filling + struct.pack("!I4xI", number, number + 1))
    parts = ((0, segment[:_FIRST], True), (_FIRST, segment[_FIRST:], False))
    first, later = (_fragment(packet, number, *part) for part in parts)
    return first, later


def number_of(frame: bytes) -> int:
    """The number at the end of a frame."""
    return int(struct.unpack("!I", frame[-4:])[0])


def _fragment(packet: Packet, identity: int, offset: int, part: bytes, more: bool) -> bytes:
    kind = packet.protocol.number
    if packet.source.version == 4:
        return _frame(packet, kind, part, identity & 0xFFFF, offset >> 3 | more << 13)
    header = struct.pack("!BxHI", kind, offset | more, identity)
    return _frame(packet, _FRAGMENT_HEADER, header + part)


def _frame(packet: Packet, kind: int, payload: bytes, identity: int = 0, place: int = 0) -> bytes:
    ends = packet.source.packed + packet.destination.packed
    if packet.source.version == 6:
        return _ETHERNET + struct.pack("!HIHBB", 0x86DD, 6 << 28, len(payload), kind, 64) + ends + payload
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), identity, place, 64, kind)
    checksum = one_sum(head + bytes(2) + ends)
    return _ETHERNET + b"\x08\x00" + head + struct.pack("!H", checksum) + ends + payload


def _transport(packet: Packet, payload: bytes) -> bytes:
    ports = struct.pack("!HH", packet.source_port, packet.destination_port)
    if packet.protocol is Protocol.UDP:
        head, at = ports + struct.pack("!HH", 8 + len(payload), 0), 6
    else:
        flags = TCP_SYN if packet.syn else TCP_ACK
        head, at = ports + struct.pack("!IIBBHHH", 1000, 1000, 5 << 4, flags, 0xFFFF, 0, 0), 16
    segment = head + payload
    pseudo = packet.source.packed + packet.destination.packed
    pseudo += struct.pack("!II", len(segment), packet.protocol.number)
    # UDP sends a sum of zero as all ones, because zero says that there is none.
    checksum = one_sum(pseudo + segment) or 0xFFFF
    return segment[:at] + struct.pack("!H", checksum) + segment[at + 2 :]
