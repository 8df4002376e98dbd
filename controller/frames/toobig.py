"""Packet too big, in the VIP's name, to the sender of a packet that does not fit the way to its server."""

from __future__ import annotations

import struct

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import ICMP, ICMP6, IpPacket, answer, in_frame, may_answer

_HEADER = struct.Struct("!BBHI")
_LEAST_MTU = {4: 68, 6: 1280}
_MOST_QUOTED = {4: 576 - 20 - _HEADER.size, 6: 1280 - 40 - _HEADER.size}
"""RFC 1812 (4.3.2.3) and RFC 4443 (2.4) bound the whole error."""
_ERRORS_V4 = (3, 4, 5, 11, 12)
_FIRST_QUERY_V6, _REDIRECT_V6 = 128, 137


def packet_too_big(frame: bytes, mtu: int, mac: str) -> bytes | None:
    """ICMP type 3 code 4, or ICMPv6 type 2, about the packet in ``frame``, sent from ``mac``.

    ``mtu`` is the largest IP packet, in bytes, that fits; IPv6 knows none below 1280, so that is the least
    that is told. IPv4 senders are told whether or not they set "don't fragment": nothing fragments on
    the way to a server. None in answer to ICMP errors and later fragments, and where sender or receiver is
    no single host. Raises ValueError for an MTU that no IPv4 link can have (68 to 65,535).
    """
    if not _LEAST_MTU[4] <= mtu <= 0xFFFF:
        raise ValueError(f"an MTU of {mtu} cannot be; it is from {_LEAST_MTU[4]} to 65535")
    packet = in_frame(frame)
    if packet is None or not packet.has(8) or _is_error(frame, packet) or not may_answer(frame, packet):
        return None
    told = max(mtu, _LEAST_MTU[packet.version])
    quote = frame[packet.start : min(packet.end, packet.start + _MOST_QUOTED[packet.version])]
    if packet.version == 4:
        kind, code, protocol, cover = 3, 4, ICMP, b""
    else:
        kind, code, protocol = 2, 0, ICMP6
        cover = pseudo_header(packet.destination, packet.source, ICMP6, _HEADER.size + len(quote))
    sealed = checksum(cover + _HEADER.pack(kind, code, 0, told) + quote)
    return answer(frame, packet, mac, protocol, _HEADER.pack(kind, code, sealed, told) + quote)


def _is_error(frame: bytes, packet: IpPacket) -> bool:
    kind = frame[packet.payload]
    if packet.version == 4:
        return packet.protocol == ICMP and kind in _ERRORS_V4
    return packet.protocol == ICMP6 and (kind < _FIRST_QUERY_V6 or kind == _REDIRECT_V6)
