"""Which MAC a frame says an address has: ARP by its sender, a neighbour advertisement by its option or its source."""

from __future__ import annotations

from controller.frames.packet import ICMP6, ip_packet
from controller.spec.types import Address

_TAG = (b"\x81\x00", b"\x88\xa8")
_ARP, _ARP_LENGTH = b"\x08\x06", 28
_IPV6 = b"\x86\xdd"
_ADVERTISEMENT, _TARGET_OPTION = 136, 2
_OPTION = 24
"""Where the first option begins, from the type on."""


def holder(frame: bytes) -> str | None:
    """The MAC; None for other frames and for what is cut. A priority tag is looked past."""
    start = 18 if frame[12:14] in _TAG else 14
    kind = frame[start - 2 : start]
    if kind == _ARP and len(frame) >= start + _ARP_LENGTH:
        return _text(frame[start + 8 : start + 14])
    packet = ip_packet(frame, start) if kind == _IPV6 else None
    if packet is None or packet.protocol != ICMP6 or not packet.has(_OPTION):
        return None
    message = frame[packet.payload : packet.end]
    if message[0] != _ADVERTISEMENT:
        return None
    named = message[_OPTION] == _TARGET_OPTION if len(message) >= _OPTION + 8 else False
    return _text(message[_OPTION + 2 : _OPTION + 8] if named else frame[6:12])


def _text(octets: bytes) -> str:
    return octets.hex(":")


def mac_of(client: Address) -> str:
    """The MAC that a P4 switch reports in an address's place, from its first bit on."""
    return _text(client.packed[:6])
