"""Hellos: the frames by which two P4 switches show that the cable between them carries.

    EtherType 0x88b6 to 01:80:c2:00:00:0e, which no bridge forwards:
    version 1 | unused 1 | port 4 | switch 8 | run 8 | number 8 | keyed digest 16        octets, 60 with the header

The digest (BLAKE2b) says that the controller made it: a host knows no key. ``run`` tells the hellos of one life of the
controller from those of another, ``number`` one from the next.
"""

from __future__ import annotations

import hmac
import struct
from hashlib import blake2b
from typing import NamedTuple

from controller.frames.packet import mac_bytes

ETHERTYPE = 0x88B6
"""IEEE 802: local experimental 2."""
VERSION = 1
_TO = bytes.fromhex("0180c200000e")
_BODY = struct.Struct("!BxIQQQ")
_HEAD = 14
_DIGEST = 16


class Hello(NamedTuple):
    """What a hello says of itself."""

    switch: int
    """Device id of the sender, 64 bits."""
    port: int
    """It left by this port, 32 bits."""
    run: int
    """64 bits."""
    number: int
    """64 bits."""


def key_of(secret: bytes) -> bytes:
    """The key of hellos, from a secret that serves for something else too."""
    return blake2b(secret, digest_size=32, person=b"evenkeel hello").digest()


def hello_frame(hello: Hello, mac: str, key: bytes) -> bytes:
    """The frame, from ``mac``. Raises ValueError for a MAC that is none, struct.error for numbers that do not fit."""
    body = _BODY.pack(VERSION, hello.port, hello.switch, hello.run, hello.number)
    return _TO + mac_bytes(mac) + ETHERTYPE.to_bytes(2, "big") + body + _digest(body, key)


def read_hello(frame: bytes, key: bytes) -> Hello | None:
    """What a frame says, padded or not; None: it is no hello of this version, or not made with this key."""
    end = _HEAD + _BODY.size
    if len(frame) < end + _DIGEST or frame[12:14] != ETHERTYPE.to_bytes(2, "big"):
        return None
    body = frame[_HEAD:end]
    if body[0] != VERSION or not hmac.compare_digest(frame[end : end + _DIGEST], _digest(body, key)):
        return None
    _, port, switch, run, number = _BODY.unpack(body)
    return Hello(switch, port, run, number)


def _digest(body: bytes, key: bytes) -> bytes:
    return blake2b(body, key=key, digest_size=_DIGEST).digest()
