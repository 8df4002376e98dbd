"""Frames that claim a VIP, and questions that bring them: ARP and neighbour discovery. Pure."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import ip_frame, mac_bytes
from topo.plan import Address

ANSWER, ANNOUNCEMENT = "answer", "announcement"
"""Kinds of claims: to one host that asked, and to all hosts."""
_ARP, _IPV6, _ICMP6 = b"\x08\x06", b"\x86\xdd", 58
_BODY = 54
"""Where ICMPv6 begins in a frame."""
_SOLICIT, _ADVERTISE = 135, 136
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0")
_ONE_LINK = 255


class Claim(NamedTuple):
    """A frame says that its sender has an address."""

    address: Address
    kind: str


def claim(frame: bytes) -> Claim | None:
    """What a frame claims; None: nothing. An announcement may be an ARP request or reply to all (RFC 5227)."""
    if frame[12:14] == _ARP and len(frame) >= 42:
        operation, sender, target = frame[20:22], frame[28:32], frame[38:42]
        if operation == b"\x00\x02" and not frame[0] & 1:
            return Claim(IPv4Address(sender), ANSWER)
        if sender == target:
            return Claim(IPv4Address(sender), ANNOUNCEMENT)
    elif (
        frame[12:14] == _IPV6
        and len(frame) >= _BODY + 24
        and (frame[20], frame[_BODY]) == (_ICMP6, _ADVERTISE)
    ):
        target = frame[_BODY + 8 : _BODY + 24]
        return Claim(IPv6Address(target), ANNOUNCEMENT if frame[0] & 1 else ANSWER)
    return None


def question(address: Address, mac: str, source: Address) -> bytes:
    """A host's question who has an address, to all."""
    own = mac_bytes(mac)
    if isinstance(address, IPv4Address):
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + own + source.packed + bytes(6) + address.packed
        return b"\xff" * 6 + own + _ARP + body
    group = IPv6Address(int(_SOLICITED_NODE) | int(address) & 0xFFFFFF).packed
    body = bytes(4) + address.packed + b"\x01\x01" + own
    head = bytes((_SOLICIT, 0))
    cover = pseudo_header(source.packed, group, _ICMP6, 4 + len(body))
    sealed = checksum(cover + head + b"\x00\x00" + body).to_bytes(2, "big")
    to = b"\x33\x33" + group[12:]
    return ip_frame(to + own, source.packed, group, _ICMP6, head + sealed + body, _ONE_LINK)
