"""Where the parts of an IP packet lie, in a frame or quoted in an error; and new frames around a payload."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from controller.frames.checksum import checksum
from controller.spec.types import Address

ETHERNET = 14
"""Bytes of an untagged Ethernet header."""
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58

_ETHER_TYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
_HEADER_V4, _HEADER_V6 = 20, 40
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _OPTIONS = 0, 43, 44, 60
_MOST_EXTENSIONS = 8
"""A longer chain is not followed (RFC 8504, section 5.3, lets a node set such a limit)."""
_DONT_FRAGMENT = 0x4000
_MAC = re.compile("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


@dataclass(frozen=True, slots=True)
class IpPacket:
    """An IP packet; positions count from the first byte of what it was read from."""

    version: int
    source: bytes
    """Packed, 4 or 16 bytes, as is ``destination``."""
    destination: bytes
    protocol: int
    """What ``payload`` is: for IPv6, what follows the extension headers that could be skipped."""
    start: int
    payload: int
    end: int
    """End of what is there; less than ``declared`` when the packet was cut."""
    declared: int
    """End according to the header. What follows it is padding."""
    offset: int = 0
    """Fragment offset in units of 8 bytes; ports stand only where it is 0."""
    fragment: bool = False
    """Part of a datagram, also the first part."""

    @property
    def cut(self) -> bool:
        """Whether bytes at the end are missing."""
        return self.end < self.declared

    @property
    def source_address(self) -> Address:
        """The source as an address object."""
        return ip_address(self.source)

    @property
    def destination_address(self) -> Address:
        """The destination as an address object."""
        return ip_address(self.destination)

    def has(self, count: int) -> bool:
        """Whether the first ``count`` bytes of the transport header are there (never in later fragments)."""
        return self.offset == 0 and self.payload + count <= self.end


def in_frame(frame: bytes) -> IpPacket | None:
    """The IP packet in an untagged Ethernet frame."""
    packet = ip_packet(frame, ETHERNET)
    if packet is None or frame[12:ETHERNET] != _ETHER_TYPE[packet.version]:
        return None
    return packet


def ip_packet(data: bytes, start: int) -> IpPacket | None:
    """The IP packet that begins at ``start``, possibly cut short, its headers whole."""
    if len(data) <= start:
        return None
    version = data[start] >> 4
    if version == 4:
        return _version4(data, start)
    return _version6(data, start) if version == 6 else None


def _version4(data: bytes, start: int) -> IpPacket | None:
    header = (data[start] & 15) * 4
    if header < _HEADER_V4 or len(data) < start + header:
        return None
    total = _word(data, start + 2)
    if total < header:
        return None
    fragment = _word(data, start + 6)
    return IpPacket(
        version=4,
        source=data[start + 12 : start + 16],
        destination=data[start + 16 : start + 20],
        protocol=data[start + 9],
        start=start,
        payload=start + header,
        end=min(len(data), start + total),
        declared=start + total,
        offset=fragment & 0x1FFF,
        fragment=bool(fragment & 0x3FFF),
    )


def _version6(data: bytes, start: int) -> IpPacket | None:
    if len(data) < start + _HEADER_V6:
        return None
    declared = start + _HEADER_V6 + _word(data, start + 4)
    end = min(len(data), declared)
    chain = _follow(data, data[start + 6], start + _HEADER_V6, end)
    if chain is None:
        return None
    return IpPacket(
        version=6,
        source=data[start + 8 : start + 24],
        destination=data[start + 24 : start + 40],
        protocol=chain.protocol,
        start=start,
        payload=chain.position,
        end=end,
        declared=declared,
        offset=chain.offset,
        fragment=chain.fragment,
    )


class _Chain(NamedTuple):
    """The end of a chain of IPv6 extension headers."""

    protocol: int
    position: int
    offset: int
    fragment: bool


def _follow(data: bytes, protocol: int, position: int, end: int) -> _Chain | None:
    """Skip extension headers; None when the chain is cut or too long."""
    offset, fragment = 0, False
    for _ in range(_MOST_EXTENSIONS + 1):
        # What follows in a later fragment is data, whatever the header before it says.
        if protocol not in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _OPTIONS) or offset:
            return _Chain(protocol, position, offset, fragment)
        if position + 8 > end:
            return None
        if protocol == _ROUTING and data[position + 3]:
            # Segments are left: the destination is not yet the one that the transport checksum covers.
            return _Chain(protocol, position, offset, fragment)
        length = 8
        if protocol == _FRAGMENT:
            offset, fragment = _word(data, position + 2) >> 3, True
        else:
            length += data[position + 1] * 8
        protocol = data[position]
        position += length
        if position > end:
            return None
    return None


def may_answer(frame: bytes, packet: IpPacket) -> bool:
    """Whether sender and receiver are single hosts, so that an answer of ours is right (RFC 1122, 3.2.2)."""
    source, destination = packet.source_address, packet.destination_address
    unfit = source.is_multicast or source.is_unspecified or source.is_loopback
    # Class E holds the broadcast address. IPv6 calls addresses reserved that are in use (NAT64).
    unfit |= packet.version == 4 and (source.is_reserved or destination.is_reserved)
    group_bits = (frame[0] | frame[6]) & 1
    return not (unfit or destination.is_multicast or group_bits or source == destination)


def answer(frame: bytes, packet: IpPacket, mac: str, protocol: int, payload: bytes) -> bytes:
    """A frame from the destination of ``packet`` back to the host it came from."""
    ethernet = frame[6:12] + mac_bytes(mac)
    return ip_frame(ethernet, packet.destination, packet.source, protocol, payload)


def ip_frame(
    macs: bytes, source: bytes, destination: bytes, protocol: int, payload: bytes, hops: int = 64
) -> bytes:
    """An Ethernet frame with an IP header without options; ``macs`` is destination, then source."""
    if len(source) == 16:
        first = b"\x60\x00\x00\x00" + len(payload).to_bytes(2, "big") + bytes((protocol, hops))
        return macs + _ETHER_TYPE[6] + first + source + destination + payload
    length = (_HEADER_V4 + len(payload)).to_bytes(2, "big")
    # It is not fragmented, so the identification need not be unique (RFC 6864).
    head = b"\x45\x00" + length + b"\x00\x00" + _DONT_FRAGMENT.to_bytes(2, "big") + bytes((hops, protocol))
    sealed = checksum(head + source + destination).to_bytes(2, "big")
    return macs + _ETHER_TYPE[4] + head + sealed + source + destination + payload


def mac_bytes(mac: str) -> bytes:
    """The six bytes of ``mac``; ValueError when it is not in colon form."""
    if _MAC.fullmatch(mac) is None:
        raise ValueError(f"{mac!r} is not a MAC address; write it like 02:45:56:00:01:01")
    return bytes.fromhex(mac.replace(":", ""))


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")
