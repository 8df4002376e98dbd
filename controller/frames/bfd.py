"""BFD control packets for one hop (RFC 5880, RFC 5881): the frame that a session sends, and what one that came says.

    Ethernet | IPv4, TTL 255 | UDP to 3784 | version, diagnostic | state, flags | multiplier | length 24
    | our discriminator 4 | theirs 4 | min. interval we send at 4 | we receive at 4 | of echoes 4       octets

Without authentication. Intervals are microseconds.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from controller.frames.checksum import checksum, pseudo_header
from controller.frames.packet import UDP, in_frame, ip_frame

PORT = 3784
"""UDP port of the receiver of single-hop control packets."""
_ONE_HOP = 255
"""TTL that proves that no router passed it on (RFC 5082)."""
_VERSION = 1
_BODY = struct.Struct("!BBBBIIIII")
_UDP_HEAD = 8
_POLL, _FINAL, _AUTHENTICATED, _MULTIPOINT = 0x20, 0x10, 0x04, 0x01


class BfdState(IntEnum):
    """State of a session."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """Why a session changed its state last, or what its sender says of what lies behind it: those that we send."""

    NONE = 0
    CONCATENATED_PATH_DOWN = 6


class BfdPacket(NamedTuple):
    """What a control packet says."""

    state: BfdState
    diagnostic: int
    """A ``Diagnostic``, or another that RFC 5880 knows; 5 bits."""
    ours: int
    """The sender's discriminator, never 0."""
    theirs: int
    """The receiver's discriminator; 0: not known yet."""
    min_tx: int
    """Microseconds between packets that the sender would like to send."""
    min_rx: int
    """Microseconds between packets that the sender can receive."""
    multiplier: int = 3
    """Packets that have to be missed."""
    poll: bool = False
    """An answer with ``final`` is asked for at once."""
    final: bool = False


def bfd_frame(packet: BfdPacket, macs: bytes, source: bytes, destination: bytes, port: int) -> bytes:
    """The frame; ``macs`` is destination, then source; addresses are packed IPv4 ones, ``port`` the sender's.

    Raises struct.error for numbers that do not fit.
    """
    flags = packet.state << 6 | (_POLL if packet.poll else 0) | (_FINAL if packet.final else 0)
    body = _BODY.pack(
        _VERSION << 5 | packet.diagnostic,
        flags,
        packet.multiplier,
        _BODY.size,
        packet.ours,
        packet.theirs,
        packet.min_tx,
        packet.min_rx,
        0,
    )
    length = _UDP_HEAD + len(body)
    head = struct.pack("!HHH", port, PORT, length)
    total = checksum(pseudo_header(source, destination, UDP, length) + head + b"\0\0" + body)
    datagram = head + (total or 0xFFFF).to_bytes(2, "big") + body
    return ip_frame(macs, source, destination, UDP, datagram, hops=_ONE_HOP)


def read_bfd(frame: bytes) -> BfdPacket | None:
    """What a frame says; None: it is no control packet of one hop, or one that RFC 5880 (6.8.6) has discarded."""
    packet = in_frame(frame)
    if packet is None or packet.version != 4 or packet.protocol != UDP or packet.fragment:
        return None
    start = packet.payload + _UDP_HEAD
    if frame[packet.start + 8] != _ONE_HOP or packet.cut or packet.end < start + _BODY.size:
        return None
    if int.from_bytes(frame[packet.payload + 2 : packet.payload + 4], "big") != PORT:
        return None
    first, flags, multiplier, length, ours, theirs, min_tx, min_rx, _ = _BODY.unpack_from(frame, start)
    state = BfdState(flags >> 6)
    whole = first >> 5 == _VERSION and _BODY.size <= length <= packet.end - start
    lonely = not theirs and state in (BfdState.INIT, BfdState.UP)
    if not whole or not multiplier or not ours or lonely or flags & (_AUTHENTICATED | _MULTIPOINT):
        return None
    return BfdPacket(
        state,
        first & 0x1F,
        ours,
        theirs,
        min_tx,
        min_rx,
        multiplier,
        poll=bool(flags & _POLL),
        final=bool(flags & _FINAL),
    )
