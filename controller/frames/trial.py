"""A datagram in two small fragments, with which a switch is tried: does its conntrack gather them?"""

from __future__ import annotations

from ipaddress import ip_address

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import UDP, ip_frame, mac_bytes

_FRAGMENT = 44
_DISCARD = b"\x00\x09"
_ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
"""Of the networks that stand in documents: no host's."""
_MACS = mac_bytes("02:45:56:00:00:02") + mac_bytes("02:45:56:00:00:01")
_FIRST = 384
"""Octets of UDP in the first one: an IPv4 packet of 404 octets. Open vSwitch can be told to take 400."""
_FLAGS_AT, _SUM_AT = 14 + 6, 14 + 10
_MORE = 1


def small_fragments(version: int) -> tuple[bytes, bytes]:
    """Both frames, the first of them first; ``version`` of IP, 4 or 6."""
    source, destination = (ip_address(each).packed for each in _ENDS[version])
    length = (8 + _FIRST).to_bytes(2, "big")
    head, data = _DISCARD + _DISCARD + length, bytes(_FIRST)
    sealed = checksum(pseudo_header(source, destination, UDP, 8 + _FIRST) + head + b"\x00\x00" + data)
    datagram = head + sealed.to_bytes(2, "big") + data
    parts = ((0, datagram[:_FIRST], _MORE), (_FIRST, datagram[_FIRST:], 0))
    fragment = _v4 if version == 4 else _v6
    first, last = (fragment(source, destination, *part) for part in parts)
    return first, last


def _v4(source: bytes, destination: bytes, offset: int, part: bytes, more: int) -> bytes:
    frame = bytearray(ip_frame(_MACS, source, destination, UDP, part))
    frame[_FLAGS_AT : _FLAGS_AT + 2] = (more << 13 | offset >> 3).to_bytes(2, "big")
    frame[_SUM_AT : _SUM_AT + 2] = bytes(2)
    frame[_SUM_AT : _SUM_AT + 2] = checksum(bytes(frame[14:34])).to_bytes(2, "big")
    return bytes(frame)


def _v6(source: bytes, destination: bytes, offset: int, part: bytes, more: int) -> bytes:
    header = bytes((UDP, 0)) + (offset | more).to_bytes(2, "big") + bytes(4)
    return ip_frame(_MACS, source, destination, _FRAGMENT, header + part)
