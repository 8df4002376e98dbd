"""Datagrams: each wake-up takes what has come, up to a bound, so that the loop turns to others in between."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

from controller.exits.names.serve.responder import Responder
from controller.metrics.histogram import Histogram

BATCH = 64
"""Datagrams that are answered before others have a turn."""
BUFFER = 4 << 20
"""Octets that the system may keep for us, if it lets us have so many."""
_LARGEST = 4096
_OMIT = 5
"""IP_PMTUDISC_OMIT: what a forged "packet too big" says of the path is not believed."""
_DISCOVER, _DISCOVER6 = 10, 23
"""IP_MTU_DISCOVER and IPV6_MTU_DISCOVER, which the module ``socket`` does not name."""


class Datagrams:
    """Of one address."""

    def __init__(self, responder: Responder, seconds: Histogram) -> None:
        """``seconds``: handed how long a question took, as the mean of each batch."""
        self._responder, self._seconds = responder, seconds
        self._socket: socket.socket | None = None

    def open(self, bound: socket.socket) -> None:
        """Answer what comes in. Call it in the event loop."""
        self._socket = bound
        asyncio.get_running_loop().add_reader(bound.fileno(), self._drain)

    def close(self) -> None:
        """No longer."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _drain(self) -> None:
        """Receive, answer, send: one after the other, since each answer that is sent alone wakes the one who waits."""
        began = time.perf_counter()
        came = self._received()
        if not came:
            return
        responder = self._responder
        responder.tick(began)
        answer = responder.datagram
        self._send([(out, source) for data, source in came if (out := answer(data, source[0])) is not None])
        self._seconds.observe((time.perf_counter() - began) / len(came), len(came))

    def _received(self) -> list[tuple[bytes, Any]]:
        assert self._socket is not None
        receive, came = self._socket.recvfrom, []
        for _ in range(BATCH):
            try:
                data, source = receive(_LARGEST)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an ICMP error to an earlier answer
                continue
            if source[1]:
                came.append((data, source))
        return came

    def _send(self, answers: list[tuple[bytes, Any]]) -> None:
        assert self._socket is not None
        send = self._socket.sendto
        for out, source in answers:
            try:
                send(out, source)
            except OSError:
                self._responder.counters.unsent += 1


def datagram_socket(host: str, port: int, shared: bool) -> socket.socket:
    """Bound to an address. ``shared``: other processes may have it too. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, _DISCOVER6, _OMIT)
        else:
            made.setsockopt(socket.IPPROTO_IP, _DISCOVER, _OMIT)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
