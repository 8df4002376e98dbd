"""A TCP segment without data, made up by the controller: for a switch's conntrack, or for its hash."""

from __future__ import annotations

import struct

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import TCP, ip_frame, mac_bytes
from controller.spec.types import Address

_ACK = 16
_HEADER = struct.Struct("!HHIIBBHHH")
_FIVE_WORDS = 5 << 4
_MACS = mac_bytes("02:45:56:00:00:02") + mac_bytes("02:45:56:00:00:01")


def acknowledgement(source: Address, source_port: int, destination: Address, destination_port: int) -> bytes:
    """A frame that opens no connection."""
    bare = _HEADER.pack(source_port, destination_port, 0, 0, _FIVE_WORDS, _ACK, 0, 0, 0)
    covered = pseudo_header(source.packed, destination.packed, TCP, len(bare)) + bare
    segment = bare[:16] + checksum(covered).to_bytes(2, "big") + bare[18:]
    return ip_frame(_MACS, source.packed, destination.packed, TCP, segment)
