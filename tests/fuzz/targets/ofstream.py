"""Connections to the OpenFlow listener of a process of its own: whatever a peer sends ends that peer's stream alone."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import deque
from random import Random
from typing import ClassVar

from controller.southbound.openflow import connection, hook
from controller.southbound.openflow.events import Connected, Event
from controller.spec.types import OpenFlowPlacement
from flows.messages import MULTIPART_REPLY
from flows.tables import Placed
from tests.fakes.process import free_port
from tests.fuzz.octets import mutated
from tests.fuzz.target import Target
from tests.fuzz.targets.openflow import OpenFlow

PLACED = Placed(OpenFlowPlacement())
OURS, OTHER = 0x600D, 0xBAD
_KEPT = 300
"""Connections that are left as they are."""
_WAIT = 10.0
_EVERY = 256
"""Inputs between two looks whether a switch in order is served."""
_SPARE = 64
"""Threads of all else."""


class OpenFlowStreams(Target):
    """First octet, by its bits: 1 a handshake goes before; 2 as a switch of ours; 4 the connection is left open."""

    name = "ofstream"
    modules = (
        "controller/southbound/openflow/listener.py",
        "controller/southbound/openflow/hook.py",
        "controller/southbound/openflow/connection.py",
        "controller/southbound/openflow/session.py",
    )
    seconds: ClassVar[float] = 10.0
    tokens = (
        b"\x04\x00\x00\x08",
        b"\x04\x06\x00\x20",
        b"\x04\x13",
        b"\x04\x0a",
        b"\x04\x02\x00\x08",
        b"\x16\x03\x01",
    )
    _port: ClassVar[int] = 0
    """Of this process: os-ken is started once."""

    def __init__(self) -> None:
        self._left: deque[socket.socket] = deque()

    def begin(self) -> None:
        """A listener, with no connection."""
        if not OpenFlowStreams._port:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, daemon=True).start()
            cookies = {OURS: PLACED.place.cookie, OURS + 1: PLACED.place.cookie}
            self._good = threading.Event()
            connection.OpenFlowApp.hub = connection.Hub(self._loop, self._note, cookies, lambda: 1)
            OpenFlowStreams._port = free_port()
            # os-ken's threads are born of this one and so are daemons too: they never end by themselves.
            starter = threading.Thread(
                target=connection.serve, args=("127.0.0.1", OpenFlowStreams._port), daemon=True
            )
            starter.start()
            starter.join(_WAIT)
        self.end()
        self._count = 0

    def end(self) -> None:
        """Leave nothing open."""
        while self._left:
            self._left.popleft().close()

    def seeds(self) -> list[bytes]:
        """Handshakes, and what a switch says then."""
        inner = OpenFlow()
        inner.begin()
        said = [data[1:] for data in inner.seeds() if data[:1] == b"\x07"]
        inner.end()
        hello = _message(hook.HELLO, struct.pack("!HHI", 1, 8, 0x10))
        seeds = [
            b"",
            hello,
            handshake(OTHER),
            b"GET / HTTP/1.1\r\n\r\n",
            bytes.fromhex("1603010200010001fc0303"),
        ]
        seeds += [_message(2, bytes(60)) * 50, b"\x04" * 300, hello * 200]
        return [
            bytes([way]) + each for way in (0, 1, 3, 4, 5) for each in (*seeds, *said[:: 7 if way else 20])
        ]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """The way mostly stays."""
        way = data[:1] if chance.random() < 0.8 else bytes([chance.randrange(8)])
        return way + mutated(chance, data[1:], other[1:], self.tokens)[:4096]

    def feed(self, data: bytes) -> str:
        """A connection."""
        way, body = data[0] % 8 if data else 0, data[1:]
        self._count += 1
        if self._count % _EVERY == 0:
            self._serves()
        link = socket.create_connection(("127.0.0.1", self._port), _WAIT)
        try:
            link.sendall((handshake(OURS if way & 2 else OTHER) if way & 1 else b"") + body)
            if way & 4:
                return self._leave(link)
            link.shutdown(socket.SHUT_WR)
            heard = 0
            while octets := link.recv(1 << 16):
                heard += len(octets)
        except TimeoutError:
            raise
        except OSError:  # cut by the other side, at any moment
            return f"{way}: cut"
        finally:
            if not way & 4:
                link.close()
        return f"{way}: ended after {min(heard, 200) // 8}"

    def _leave(self, link: socket.socket) -> str:
        self._left.append(link)
        if len(self._left) > _KEPT:
            self._left.popleft().close()
        threads = threading.active_count()
        listener = connection._Listening.listener
        assert listener is not None
        assert threads < listener.unfinished + connection.STRANGERS + connection.TWINS + _KEPT + _SPARE, (
            threads
        )
        return "left"

    def _serves(self) -> None:
        """A switch in order is served."""
        self._good.clear()
        with socket.create_connection(("127.0.0.1", self._port), _WAIT) as link:
            link.sendall(handshake(OURS + 1))
            assert self._good.wait(_WAIT), "a switch in order is not served"

    def _note(self, event: Event) -> None:
        if isinstance(event, Connected) and event.session.id == OURS + 1:
            self._good.set()


def handshake(number: int) -> bytes:
    """All that a switch says until it is known."""
    features = struct.pack("!QIBB2xII", number, 0, 254, 0, 0x4F, 0)
    ports = struct.pack("!HH4x", 13, 0)
    return _message(hook.HELLO, b"") + _message(6, features) + _message(MULTIPART_REPLY, ports)


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("!BBHI", 4, kind, 8 + len(body), 1) + body
