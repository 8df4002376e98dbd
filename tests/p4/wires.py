"""Reading frames that came out: ends, and whether every checksum in them is right."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from controller.spec.types import Address
from tests.conformance import packets
from tests.conformance.packets import ICMP, ICMP6, IPIP, IPV6_IN_IP, TCP, UDP, Read, cover, one_sum

End = tuple[Address, int]
_QUOTED = {ICMP: (3, 11, 12), ICMP6: (1, 2, 3, 4)}


def source(frame: bytes) -> End:
    """(address, port)."""
    return _end(frame, 0)


def destination(frame: bytes) -> End:
    """(address, port)."""
    return _end(frame, 1)


def _end(frame: bytes, which: int) -> End:
    if frame[14] >> 4 == 4:
        at, ports = 26 + 4 * which, 14 + 4 * (frame[14] & 15) + 2 * which
        return IPv4Address(frame[at : at + 4]), int.from_bytes(frame[ports : ports + 2], "big")
    at, ports = 22 + 16 * which, 54 + 2 * which
    return IPv6Address(frame[at : at + 16]), int.from_bytes(frame[ports : ports + 2], "big")


def faults(frame: bytes) -> list[str]:
    """What is wrong with a frame's IP packet, and with what it carries or quotes: lengths and checksums."""
    read = packets.read_frame(frame)
    return ["no IP packet"] if read is None else _faults(read, len(frame) - 14)


def _faults(read: Read, room: int) -> list[str]:
    found = []
    if not packets.header_is_right(read.whole):
        found.append(f"IPv{read.version} header checksum")
    if len(read.whole) > room or (len(read.whole) < room and room > 46):
        found.append(f"IPv{read.version} length {len(read.whole)} in {room} bytes")
    if read.fragment:
        return found
    if read.protocol in (IPIP, IPV6_IN_IP):
        inner = packets.read(read.payload)
        return [*found, "inner packet"] if inner is None else found + _faults(inner, len(read.payload))
    return found + _transport(read)


def _transport(read: Read) -> list[str]:
    number, payload = read.protocol, read.payload
    if number == UDP and payload[6:8] == bytes(2):
        return [] if read.version == 4 else ["UDP over IPv6 without checksum"]
    if number in (TCP, UDP, ICMP6):
        found = (
            [] if one_sum(cover(read.source, read.destination, number, payload)) == 0 else ["transport sum"]
        )
    elif number == ICMP:
        found = [] if one_sum(payload) == 0 else ["ICMP sum"]
    else:
        return []
    if number in _QUOTED and payload[0] in _QUOTED[number]:
        quoted = packets.read(payload[8:])
        if quoted is None or not packets.header_is_right(payload[8:]):
            found.append("quoted header")
    return found
