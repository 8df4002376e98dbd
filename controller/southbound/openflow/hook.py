"""Take our own messages out of os-ken's stream before it parses them.

os-ken builds Python objects for every entry of a reply and hands every message to every application. Ours are
recognised by their transaction id (answers) or cookie (packet-ins, ended flows), are passed on as bytes, and are
never seen by other applications of the same process; everything else goes the ordinary way. That a port changed
concerns everybody: it is passed on, and goes the ordinary way too.

os-ken's parsers believe every length that they are told, and one of 0 keeps them at work for ever: a hello is looked at
before they see it. Where there are no other applications (``alone``) they see nothing but what its handshake needs.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from os_ken.base.app_manager import Datapath
from os_ken.ofproto import ofproto_parser
from os_ken.ofproto import ofproto_v1_3_parser as parser

from flows.fields import Malformed
from flows.messages import MULTIPART_REPLY, STATS_PORT_DESC, VERSION

HELLO, ECHO_REQUEST, ECHO_REPLY, FEATURES_REPLY = 0, 2, 3, 6
ERROR, PACKET_IN, FLOW_REMOVED, PORT_STATUS = 1, 10, 11, 12
OWN_XID = 0x45
"""Uppermost byte of the transaction ids of our messages."""

Taker = Callable[[Any, int, int, bytes], bool]
"""(os-ken datapath, message type, transaction id, whole message) -> taken."""

_COOKIE_AT = {PACKET_IN: 16, FLOW_REMOVED: 8}
_NEEDED = frozenset({HELLO, ECHO_REQUEST, ECHO_REPLY, FEATURES_REPLY, MULTIPART_REPLY})
"""What os-ken's own handshake and its echoes are made of."""
_HEADER, _MULTIPART_HEADER, _FEATURES = 8, 16, 32
_LEAST_ELEMENT = 4
_takers: list[Taker] = []
_parse, _receive, _send = ofproto_parser.msg, Datapath._recv_loop, Datapath._send_loop


class _Alone:
    """Whether os-ken serves no other application in this process."""

    so = False


def install(taker: Taker) -> None:
    """Offer messages to ``taker`` first, from now on."""
    if not _takers:
        ofproto_parser.msg = _message
        Datapath._recv_loop = _receive_to_the_end
        Datapath._send_loop = _send_to_the_end
    _takers.append(taker)


def remove(taker: Taker) -> None:
    """Stop offering messages to ``taker``; the last one restores os-ken."""
    _takers.remove(taker)
    if not _takers:
        ofproto_parser.msg = _parse
        Datapath._recv_loop, Datapath._send_loop = _receive, _send


def alone() -> None:
    """There are no other applications in this process: os-ken need not understand what is for them."""
    _Alone.so = True


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


def _message(datapath: Any, version: int, kind: int, length: int, xid: int, buffer: bytes) -> Any:
    """In place of os-ken's ``msg``. What is raised ends the stream."""
    if kind == HELLO:
        _check_hello(buffer)
        return parser.OFPHello.parser(datapath, version, kind, length, xid, buffer)
    if version == VERSION and (kind in _COOKIE_AT or kind == PORT_STATUS or xid >> 24 == OWN_XID):
        whole = bytes(buffer)
        if any(taker(datapath, kind, xid, whole) for taker in list(_takers)):
            return None
    if not _Alone.so:
        return _parse(datapath, version, kind, length, xid, buffer)
    return _needed(datapath, version, kind, xid, bytes(buffer))


def _check_hello(buffer: bytes) -> None:
    at, end = _HEADER, len(buffer)
    while at < end:
        length = int.from_bytes(buffer[at + 2 : at + 4], "big")
        if length < _LEAST_ELEMENT or at + length > end:
            raise Malformed(f"an element of its hello says that it has {length} octets, of {end - at}")
        at += length


def _needed(datapath: Any, version: int, kind: int, xid: int, message: bytes) -> Any:
    """What os-ken makes of a message, if it needs it; ports it need not know."""
    if version != VERSION:
        raise Malformed(f"it speaks version {version} of OpenFlow; it was told {VERSION}")
    if kind not in _NEEDED:
        return None
    if kind == FEATURES_REPLY and len(message) != _FEATURES:
        raise Malformed(f"its features take {len(message)} octets, not {_FEATURES}")
    if kind == MULTIPART_REPLY:
        if int.from_bytes(message[_HEADER : _HEADER + 2], "big") != STATS_PORT_DESC:
            return None
        message = message[:_MULTIPART_HEADER]
        if len(message) < _MULTIPART_HEADER:
            raise Malformed("an answer of several parts is cut off")
    return _parse(datapath, version, kind, len(message), xid, message)
