"""A TCP reset in the VIP's name, to the sender of a segment that no server may answer any more."""

from __future__ import annotations

import struct

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import TCP, answer, in_frame, may_answer

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_HEADER = struct.Struct("!HHIIBBHHH")
_FIVE_WORDS = 5 << 4


def tcp_reset(frame: bytes, mac: str, ports: tuple[int, int] | None = None) -> bytes | None:
    """The reset that RFC 9293 (3.10.7.1) prescribes for the segment in ``frame``, sent from ``mac``.

    ``ports`` (source, destination) replace those of the segment, for a switch that overwrote them before it
    reported. None for whatever is no whole TCP segment between two hosts, for fragments, and for resets. The
    segment's checksum is not looked at: behind a virtual port it may still be unfinished.
    """
    packet = in_frame(frame)
    if packet is None or packet.protocol != TCP or packet.fragment or not packet.has(_HEADER.size):
        return None
    source, destination, sequence, acknowledged, words, flags, *_ = _HEADER.unpack_from(frame, packet.payload)
    header = (words >> 4) * 4
    data = packet.declared - packet.payload - header
    if flags & _RST or header < _HEADER.size or data < 0 or not may_answer(frame, packet):
        return None
    if ports is not None:
        source, destination = ports
    if flags & _ACK:
        numbers = (acknowledged, 0, _FIVE_WORDS, _RST)
    else:
        length = data + bool(flags & _SYN) + bool(flags & _FIN)
        numbers = (0, (sequence + length) & 0xFFFFFFFF, _FIVE_WORDS, _RST | _ACK)
    bare = _HEADER.pack(destination, source, *numbers, 0, 0, 0)
    cover = pseudo_header(packet.destination, packet.source, TCP, len(bare))
    segment = bare[:16] + checksum(cover + bare).to_bytes(2, "big") + bare[18:]
    return answer(frame, packet, mac, TCP, segment)
