"""ICMP errors about a connection through a VIP: whose they are, and how its server must see them.

router ─► VIP     quotes VIP:port ─► client:port       becomes
router ─► server  quotes server:port ─► client:port
"""

from __future__ import annotations

from typing import NamedTuple

from controller.frames.checksum import adjust, checksum
from controller.frames.packet import ICMP, ICMP6, TCP, UDP, IpPacket, in_frame, ip_packet, mac_bytes
from controller.spec.icmp import ERRORS
from controller.spec.types import Address

_ICMP_HEADER = 8
_CHECKSUM_AT = {TCP: 16, UDP: 6}
_SOURCE_AT = {4: 12, 6: 8}
_DESTINATION_AT = {4: 16, 6: 24}


class Endpoint(NamedTuple):
    """One end of a connection."""

    address: Address
    port: int


class Quoted(NamedTuple):
    """The packet that an ICMP error is about: an answer on its way from server to client."""

    version: int
    protocol: int
    """6 (TCP) or 17 (UDP)."""
    server_side: Endpoint
    """Source of the quoted packet: the VIP, where the error met it outside."""
    client_side: Endpoint
    outer_source: Address
    """Who sent the error."""
    outer_destination: Address


def quoted(frame: bytes) -> Quoted | None:
    """What the ICMP error in ``frame`` is about; None for other frames and for other than TCP and UDP.

    Four bytes of the quoted transport header are enough.
    """
    pair = _error(frame)
    if pair is None:
        return None
    outer, inner = pair
    at = inner.payload
    return Quoted(
        inner.version,
        inner.protocol,
        Endpoint(inner.source_address, int.from_bytes(frame[at : at + 2], "big")),
        Endpoint(inner.destination_address, int.from_bytes(frame[at + 2 : at + 4], "big")),
        outer.source_address,
        outer.destination_address,
    )


def redirect_error(
    frame: bytes, address: Address, port: int, eth_dst: str | None = None, sender: Address | None = None
) -> bytes | None:
    """The ICMP error in ``frame``, sent to a VIP, as the server ``address``, ``port`` must see it.

    The error goes to ``address`` and quotes a packet from there; ``eth_dst`` replaces the destination MAC and
    ``sender`` the outer source. The client in the quote stays. None for what ``quoted`` does not understand, for
    an error that was cut or is not about a packet from where it was sent to, and for an address of the other
    IP version. A wrong ICMP checksum stays wrong, so the server drops what was damaged.
    """
    pair = _error(frame)
    if pair is None:
        return None
    outer, inner = pair
    if outer.cut or outer.destination != inner.source or address.version != outer.version:
        return None
    out = bytearray(frame)
    if eth_dst is not None:
        out[:6] = mac_bytes(eth_dst)
    _requote(out, inner, address.packed, port.to_bytes(2, "big"))
    source = outer.source if sender is None else sender.packed
    _place(out, outer, _SOURCE_AT[outer.version], source)
    _place(out, outer, _DESTINATION_AT[outer.version], address.packed)
    old, new = frame[outer.payload : outer.end], bytes(out[outer.payload : outer.end])
    if outer.version == 6:
        old, new = outer.source + outer.destination + old, source + address.packed + new
    _put_adjusted(out, outer.payload + 2, old, new)
    return bytes(out)


def _error(frame: bytes) -> tuple[IpPacket, IpPacket] | None:
    """The error and the TCP or UDP packet in it, its ports at least."""
    outer = in_frame(frame)
    if outer is None or outer.fragment or not outer.has(_ICMP_HEADER):
        return None
    protocol = ICMP if outer.version == 4 else ICMP6
    if outer.protocol != protocol or frame[outer.payload] not in ERRORS[outer.version]:
        return None
    inner = ip_packet(frame[: outer.end], outer.payload + _ICMP_HEADER)
    if inner is None or inner.version != outer.version:
        return None
    return (outer, inner) if inner.protocol in _CHECKSUM_AT and inner.has(4) else None


def _requote(out: bytearray, inner: IpPacket, address: bytes, port: bytes) -> None:
    """Give the quoted packet another source, and its transport checksum if that is in the quote."""
    at = inner.payload + _CHECKSUM_AT[inner.protocol]
    if inner.has(_CHECKSUM_AT[inner.protocol] + 2):
        unused = inner.protocol == UDP and out[at : at + 2] == b"\x00\x00"
        if not unused:
            old = inner.source + out[inner.payload : inner.payload + 2]
            _put_adjusted(out, at, old, address + port, udp=inner.protocol == UDP)
    out[inner.payload : inner.payload + 2] = port
    _place(out, inner, _SOURCE_AT[inner.version], address)


def _place(out: bytearray, packet: IpPacket, at: int, address: bytes) -> None:
    """Put an address into an IP header, and seal that again."""
    start = packet.start
    out[start + at : start + at + len(address)] = address
    if packet.version == 4:
        out[start + 10 : start + 12] = b"\x00\x00"
        out[start + 10 : start + 12] = checksum(bytes(out[start : packet.payload])).to_bytes(2, "big")


def _put_adjusted(out: bytearray, at: int, old: bytes, new: bytes, udp: bool = False) -> None:
    """Adjust the checksum at ``at``. UDP writes the sum 0 as 0xFFFF, since 0 says that there is none."""
    total = int.from_bytes(out[at : at + 2], "big")
    fixed = adjust(total, bytes(old), new)
    out[at : at + 2] = (fixed or (0xFFFF if udp else 0)).to_bytes(2, "big")
