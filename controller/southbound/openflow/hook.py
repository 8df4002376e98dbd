"""Take our own messages out of os-ken's stream before it parses them.

os-ken builds Python objects for every entry of a reply and hands every message to every application. Ours are
recognised by their transaction id (answers) or cookie (packet-ins, ended flows), are passed on as bytes, and are
never seen by other applications of the same process; everything else goes the ordinary way. That a port changed
concerns everybody: it is passed on, and goes the ordinary way too.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from os_ken.base.app_manager import Datapath
from os_ken.ofproto import ofproto_v1_3_parser as parser

from flows.messages import BARRIER_REPLY, MULTIPART_REPLY

ERROR, PACKET_IN, FLOW_REMOVED, PORT_STATUS = 1, 10, 11, 12
OWN_XID = 0x45
"""Uppermost byte of the transaction ids of our messages."""

Taker = Callable[[Any, int, int, bytes], bool]
"""(os-ken datapath, message type, transaction id, whole message) -> taken."""

_COOKIE_AT = {PACKET_IN: 16, FLOW_REMOVED: 8}
_takers: list[Taker] = []
_originals: dict[int, Callable[..., Any]] = {}
_receive, _send = Datapath._recv_loop, Datapath._send_loop


def install(taker: Taker) -> None:
    """Offer messages to ``taker`` first, from now on."""
    if not _originals:
        for kind in (ERROR, PACKET_IN, FLOW_REMOVED, PORT_STATUS, BARRIER_REPLY, MULTIPART_REPLY):
            _originals[kind] = parser._MSG_PARSERS[kind]
            parser._MSG_PARSERS[kind] = _parse
        Datapath._recv_loop = _receive_to_the_end
        Datapath._send_loop = _send_to_the_end
    _takers.append(taker)


def remove(taker: Taker) -> None:
    """Stop offering messages to ``taker``; the last one restores os-ken."""
    _takers.remove(taker)
    if not _takers:
        parser._MSG_PARSERS.update(_originals)
        Datapath._recv_loop, Datapath._send_loop = _receive, _send
        _originals.clear()


def cookie_of(kind: int, message: bytes) -> int:
    """Cookie of a packet-in or flow-removed message."""
    at = _COOKIE_AT[kind]
    return int.from_bytes(message[at : at + 8], "big")


def _receive_to_the_end(datapath: Any) -> None:
    """Receive until the stream ends, and say so at once.

    With native threads os-ken tells of the end only when its sender has ended too, and that waits for something
    to send.
    """
    try:
        _receive(datapath)
    finally:
        datapath.close()
        datapath.send(b"")


def _send_to_the_end(datapath: Any) -> None:
    """Send until that ends, and then end the stream: os-ken goes on to read one that takes nothing any more."""
    try:
        _send(datapath)
    finally:
        with contextlib.suppress(OSError):
            datapath.socket.shutdown(socket.SHUT_RDWR)


def _parse(datapath: Any, version: int, kind: int, length: int, xid: int, buffer: bytes) -> Any:
    if (kind in _COOKIE_AT or kind == PORT_STATUS or xid >> 24 == OWN_XID) and any(
        taker(datapath, kind, xid, bytes(buffer[:length])) for taker in list(_takers)
    ):
        return None
    return _originals[kind](datapath, version, kind, length, xid, buffer)
