"""What reaches os-ken of a stream: its parsers, behind ours, which let through what its handshake needs."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

from os_ken import exception
from os_ken.ofproto import ofproto_parser, ofproto_v1_3, ofproto_v1_3_parser

from controller.southbound.openflow import hook
from flows.fields import Malformed
from flows.messages import MULTIPART_REPLY
from tests.fuzz.octets import mutated
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target


class OsKen(Target):
    """One message, its length made right: what cuts a stream into messages believes no other."""

    name = "oskenparse"
    modules = ("controller/southbound/openflow/hook.py",)
    seconds = 3.0
    tokens = (b"\0\0", b"\0\1", b"\0\x04", b"\0\x08", b"\0\x0d", b"\xff\xff")

    def begin(self) -> None:
        """Ours in front of os-ken's, as in a process of its own."""
        self.end()
        hook.install(_nothing)
        self._alone, hook._Alone.so = hook._Alone.so, True
        self._there = True
        self._datapath = _Datapath()

    def end(self) -> None:
        """As it was."""
        if getattr(self, "_there", False):
            hook.remove(_nothing)
            hook._Alone.so = self._alone
            self._there = False

    def seeds(self) -> list[bytes]:
        """A handshake, and one message of every kind."""
        port = struct.pack("!I4x6s2x16sII24x", 1, bytes(6), b"leaf1", 0, 4)
        known = {
            hook.HELLO: struct.pack("!HHI", 1, 8, 0x10),
            hook.FEATURES_REPLY: struct.pack("!QIBB2xII", 7, 0, 254, 0, 0x4F, 0),
            MULTIPART_REPLY: struct.pack("!HH4x", 13, 0) + port,
            hook.ERROR: struct.pack("!HH", 0, 0) + b"no",
            hook.PORT_STATUS: struct.pack("!B7x", 2) + port,
        }
        return [_message(kind, known.get(kind, bytes(24))) for kind in range(36)]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """Kinds that os-ken needs come more often; its length is right, or 8 where it says less."""
        out = bytearray(mutated(chance, data, other, self.tokens).ljust(8, b"\0"))
        if chance.random() < 0.7:
            out[0] = chance.choice((4, 4, 4, 1, 5, 6))
            out[1] = chance.choice((*hook._NEEDED, out[1]))
        out[2:4] = min(len(out), 0xFFFF).to_bytes(2, "big")
        return bytes(out)

    def feed(self, data: bytes) -> str:
        """As ``_recv_loop`` does it."""
        version, kind, length, xid = struct.unpack_from("!BBHI", data.ljust(8, b"\0"))
        buffer = bytearray(data[: max(length, 8)])
        try:
            made = ofproto_parser.msg(self._datapath, version, kind, len(buffer), xid, buffer)
        except (Malformed, exception.OFPUnknownVersion, exception.OFPTruncatedMessage) as error:
            return f"{kind}: ended: {shape(str(error))}"
        return f"{kind}: {type(made).__name__}"


class _Datapath:
    id = 0
    ofproto, ofproto_parser, ports = ofproto_v1_3, ofproto_v1_3_parser, dict[int, Any]()


def _nothing(*_: object) -> bool:
    return False


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("!BBHI", 4, kind, 8 + len(body), 1) + body
