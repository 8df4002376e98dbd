"""Questions over TCP (RFC 7766): many on one connection, in order; few connections, and none idle for long."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from controller.exits.names.serve.responder import Responder

BATCH = 32
"""Questions of one connection that are answered before others have a turn."""
_RTT = 68
"""Where TCP_INFO has the smoothed round-trip time, in microseconds."""
Measured = Callable[[str, float], None]
"""Handed a client's address, and the round-trip time to it in seconds."""


@dataclass(frozen=True)
class Bounds:
    """For connections."""

    connections: int = 512
    """At a time; with one more, the one that has been idle for the longest is closed."""
    each: int = 64
    """From one address."""
    idle: float = 10.0
    """Seconds without a whole question after which a connection is closed."""


class Streams:
    """All connections of a name server."""

    def __init__(self, responder: Responder, bounds: Bounds, measured: Measured = lambda *_: None) -> None:
        self.responder, self.bounds, self.measured = responder, bounds, measured
        self._open: OrderedDict[Stream, None] = OrderedDict()
        self._hosts: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []

    async def listen(self, bound: socket.socket) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(lambda: Stream(self), sock=bound))

    async def close(self) -> None:
        """No longer, and end those that there are."""
        for server in self._servers:
            server.close()
        for each in list(self._open):
            each.end()
        self._servers.clear()

    def opened(self, stream: Stream) -> bool:
        """Whether a connection may stay."""
        if self._hosts[stream.host] >= self.bounds.each:
            self.responder.counters.refused += 1
            return False
        if len(self._open) >= self.bounds.connections:
            self.responder.counters.refused += 1
            next(iter(self._open)).end()
        self._open[stream] = None
        self._hosts[stream.host] += 1
        self.responder.counters.connections = len(self._open)
        return True

    def used(self, stream: Stream) -> None:
        """It brought a question."""
        if stream in self._open:
            self._open.move_to_end(stream)

    def closed(self, stream: Stream) -> None:
        """It is gone."""
        if stream not in self._open:
            return
        del self._open[stream]
        self._hosts[stream.host] -= 1
        if not self._hosts[stream.host]:
            del self._hosts[stream.host]
        self.responder.counters.connections = len(self._open)


class Stream(asyncio.Protocol):
    """One connection."""

    def __init__(self, of: Streams) -> None:
        self._of = of
        self._waiting = bytearray()
        self._ended = self._full = self._soon = self._half = False
        self.host = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        peer = transport.get_extra_info("peername")
        self.host = peer[0] if peer else ""
        self._until = self._loop.time() + self._of.bounds.idle
        self._timer = self._loop.call_at(self._until, self._look)
        if not peer or not self._of.opened(self):
            self.end()

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        self._waiting += data
        if not self._soon:
            self._take()

    def eof_received(self) -> bool:
        """It asks nothing more: what it asked is answered."""
        self._half = True
        return not (not self._soon and not self._full)

    def pause_writing(self) -> None:
        """It does not read what it asked for."""
        self._full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._full = False
        self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._ended = True
        self._timer.cancel()
        self._of.closed(self)

    def end(self) -> None:
        """Close it, at once."""
        self._ended = True
        self._of.closed(self)
        self._transport.abort()

    def _look(self) -> None:
        if self._loop.time() >= self._until:
            self.end()
        else:
            self._timer = self._loop.call_at(self._until, self._look)

    def _take(self) -> None:
        """Answer what is whole, as much as one turn has."""
        self._soon = False
        for _ in range(BATCH):
            if self._ended or self._full:
                return None
            size = int.from_bytes(self._waiting[:2]) if len(self._waiting) >= 2 else 1 << 16
            if len(self._waiting) < 2 + size:
                return self._rest()
            message = bytes(self._waiting[2 : 2 + size])
            del self._waiting[: 2 + size]
            self._answer(message)
        self._soon = True
        self._transport.pause_reading()
        self._loop.call_soon(self._take)
        return None

    def _rest(self) -> None:
        """All that is whole has been answered."""
        if self._half:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def _answer(self, message: bytes) -> None:
        self._until = self._loop.time() + self._of.bounds.idle
        self._of.used(self)
        self._measure()
        answer = self._of.responder.message(message, self.host)
        if answer is None:
            self.end()
            return
        self._transport.write(len(answer).to_bytes(2) + answer)

    def _measure(self) -> None:
        """The kernel knows how far the client is."""
        found = self._transport.get_extra_info("socket")
        try:
            info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT + 4)
        except (OSError, AttributeError):
            return
        if len(info) >= _RTT + 4:
            self._of.measured(self.host, int.from_bytes(info[_RTT : _RTT + 4], "little") / 1e6)


def stream_socket(host: str, port: int, shared: bool) -> socket.socket:
    """Bound to an address. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
