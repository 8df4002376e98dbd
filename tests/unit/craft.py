"""Packets for tests, built and checked without the code under test: checksums are added word by word."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

from controller.spec.types import Address

CLIENT_MAC, VIRTUAL_MAC, SERVER_MAC = "02:45:56:02:00:01", "02:45:56:00:01:01", "02:45:56:02:00:07"
CLIENT: dict[int, Address] = {4: IPv4Address("10.0.0.1"), 6: IPv6Address("fd00::1")}
VIP: dict[int, Address] = {4: IPv4Address("10.0.0.100"), 6: IPv6Address("fd00::100")}
SERVER: dict[int, Address] = {4: IPv4Address("10.1.0.1"), 6: IPv6Address("fd00:0:0:1::1")}
ROUTER: dict[int, Address] = {4: IPv4Address("10.9.9.9"), 6: IPv6Address("fd00:9::9")}
TCP, UDP = 6, 17
ICMP = {4: 1, 6: 58}
FIN, SYN, RST, ACK = 1, 2, 4, 16


def summed(data: bytes) -> int:
    """One's complement sum, word by word as RFC 1071 words it: 0xFFFF over what carries a right checksum."""
    total = 0
    for at in range(0, len(data), 2):
        total += data[at] << 8 | (data[at + 1] if at + 1 < len(data) else 0)
        total = (total & 0xFFFF) + (total >> 16)
    return total


def cover(source: Address, destination: Address, protocol: int, payload: bytes) -> bytes:
    """Pseudo header and payload."""
    lengths = struct.pack("!HH" if source.version == 4 else "!II", len(payload), protocol)
    return source.packed + destination.packed + lengths + payload


def sealed(source: Address, destination: Address, protocol: int, payload: bytes, at: int) -> bytes:
    """``payload`` with its checksum at ``at``."""
    covered = payload if protocol == ICMP[4] else cover(source, destination, protocol, payload)
    right = 0xFFFF - summed(covered)
    return payload[:at] + right.to_bytes(2, "big") + payload[at + 2 :]


def tcp(
    source: Address, destination: Address, ports: tuple[int, int], flags: int, data: bytes = b""
) -> bytes:
    """A segment with sequence number 1000 and acknowledgement 77777."""
    head = struct.pack("!HHIIBBHHH", *ports, 1000, 77777, 5 << 4, flags, 512, 0, 0)
    return sealed(source, destination, TCP, head + data, 16)


def udp(source: Address, destination: Address, ports: tuple[int, int], data: bytes = b"") -> bytes:
    segment = sealed(source, destination, UDP, struct.pack("!HHHH", *ports, 8 + len(data), 0) + data, 6)
    # 0 would say that there is no checksum (RFC 768).
    return segment if segment[6:8] != b"\x00\x00" else patched(segment, 6, b"\xff\xff")


def packet(source: Address, destination: Address, protocol: int, payload: bytes) -> bytes:
    """An IP packet without options or extensions."""
    if source.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 61)
        return head + source.packed + destination.packed + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 61, protocol, 0)
    head += source.packed + destination.packed
    return head[:10] + (0xFFFF - summed(head)).to_bytes(2, "big") + head[12:] + payload


def in_ethernet(ip: bytes, source: str = CLIENT_MAC, destination: str = VIRTUAL_MAC) -> bytes:
    kind = {4: b"\x08\x00", 6: b"\x86\xdd"}[ip[0] >> 4]
    return bytes.fromhex((destination + source).replace(":", "")) + kind + ip


def segment(version: int, flags: int, data: bytes = b"") -> bytes:
    """A frame with a segment from client to VIP."""
    source, destination = CLIENT[version], VIP[version]
    ip = packet(source, destination, TCP, tcp(source, destination, (40000, 80), flags, data))
    return in_ethernet(ip)


def datagram(
    version: int, data: bytes, source: Address | None = None, destination: Address | None = None
) -> bytes:
    source, destination = source or CLIENT[version], destination or VIP[version]
    return in_ethernet(packet(source, destination, UDP, udp(source, destination, (40000, 53), data)))


def answer_of(server: Address, port: int, protocol: int) -> bytes:
    """The packet that an error will be about: from a server side to the client."""
    client = CLIENT[server.version]
    if protocol == TCP:
        return packet(server, client, TCP, tcp(server, client, (port, 40000), ACK, b"answer" * 30))
    return packet(server, client, UDP, udp(server, client, (port, 40000), b"answer" * 30))


def error(to: Address, quote: bytes, kind: int | None = None) -> bytes:
    """The ICMP error (packet too big, MTU 1280) that a router sends to ``to`` about ``quote``."""
    version, router = to.version, ROUTER[to.version]
    head = struct.pack("!BBHI", kind or {4: 3, 6: 2}[version], {4: 4, 6: 0}[version], 0, 1280)
    return in_ethernet(packet(router, to, ICMP[version], sealed(router, to, ICMP[version], head + quote, 2)))


def icmp(version: int, kind: int) -> bytes:
    """An ICMP message from client to VIP, which has a quote's length."""
    return in_ethernet(packet(CLIENT[version], VIP[version], ICMP[version], bytes((kind, 0)) + bytes(40)))


def patched(frame: bytes, at: int, new: bytes) -> bytes:
    """``frame`` with other bytes at ``at``."""
    return frame[:at] + new + frame[at + len(new) :]


def sums_are_right(frame: bytes) -> bool:
    """Whether IP header and payload carry right checksums (no extension headers, no options)."""
    ip = frame[14:]
    version = ip[0] >> 4
    at, protocol = (20, ip[9]) if version == 4 else (40, ip[6])
    first, width = (12, 4) if version == 4 else (8, 16)
    source, destination = (ip_address(ip[i : i + width]) for i in (first, first + width))
    covered = ip[at:] if protocol == ICMP[4] else cover(source, destination, protocol, ip[at:])
    return summed(covered) == 0xFFFF and (version == 6 or summed(ip[:20]) == 0xFFFF)


def with_extensions(ip: bytes, *headers: tuple[int, bytes]) -> bytes:
    """An IPv6 packet with extension headers (number, what follows the next-header byte) put in."""
    numbers = [number for number, _ in headers] + [ip[6]]
    chain = b"".join(bytes((after,)) + body for after, (_, body) in zip(numbers[1:], headers, strict=True))
    length = (len(ip) - 40 + len(chain)).to_bytes(2, "big")
    return ip[:4] + length + bytes((numbers[0],)) + ip[7:40] + chain + ip[40:]


OPTIONS = (60, bytes([0, 1, 4, 0, 0, 0, 0]))
HOP_BY_HOP = (0, bytes([1, 1, 12, *bytes(12)]))
FIRST_FRAGMENT = (44, struct.pack("!BHI", 0, 1, 99))
LATER_FRAGMENT = (44, struct.pack("!BHI", 0, 185 << 3, 99))
ROUTING_DONE = (43, bytes([0, 4, 0, 0, 0, 0, 0]))
ROUTING_ON = (43, bytes([0, 4, 1, 0, 0, 0, 0]))
