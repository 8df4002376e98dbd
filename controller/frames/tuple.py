"""Whose packet a frame is: its 5-tuple and TCP flags."""

from __future__ import annotations

from typing import NamedTuple

from controller.frames.packet import TCP, UDP, in_frame
from controller.spec.types import Address


class Flow5(NamedTuple):
    """A 5-tuple in the packet's own direction."""

    source: Address
    source_port: int
    """0, as is ``destination_port``, for all but TCP and UDP, and for fragments other than the first."""
    destination: Address
    destination_port: int
    protocol: int
    """IANA number: of IPv6, what follows the extension headers."""
    flags: int
    """The eight TCP flags (FIN is 1, CWR 128); 0 where no TCP header is."""


def tuple_of(frame: bytes) -> Flow5 | None:
    """The 5-tuple of an IPv4 or IPv6 frame; None when it is neither or its headers are cut."""
    packet = in_frame(frame)
    if packet is None:
        return None
    source_port = destination_port = flags = 0
    if packet.protocol in (TCP, UDP) and packet.offset == 0:
        if not packet.has(14 if packet.protocol == TCP else 4):
            return None
        at = packet.payload
        source_port = int.from_bytes(frame[at : at + 2], "big")
        destination_port = int.from_bytes(frame[at + 2 : at + 4], "big")
        flags = frame[at + 13] if packet.protocol == TCP else 0
    return Flow5(
        packet.source_address,
        source_port,
        packet.destination_address,
        destination_port,
        packet.protocol,
        flags,
    )
