"""One probe under way: the base of all kinds, and the kinds TCP and UDP."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from select import EPOLLIN, EPOLLOUT
from typing import Protocol

from controller.health.result import Outcome
from controller.health.targets import Probe

LINGER_0 = struct.pack("ii", 1, 0)
"""Value for SO_LINGER: close with a reset and keep nothing."""

_NONBLOCK_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_NONBLOCK_DGRAM = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK

_LOCAL = frozenset(
    (
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EPERM,
        errno.EACCES,
        errno.ENETDOWN,
    )
)
"""Errors that say something about this machine and nothing about the server, whenever they come."""

_REFUSED = frozenset((errno.ECONNREFUSED, errno.ECONNRESET))
"""What a server on this machine answers within the call that asks it."""

_LINE = re.compile(rb"[^\s][^\r\n]*[\r\n]")

_WORDS = {
    errno.ECONNREFUSED: "connect refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network unreachable",
}


class Plan:
    """A probe as the engine holds it, with what every attempt needs computed once."""

    __slots__ = ("due", "family", "fraction", "ident", "interval", "live", "probe", "sockaddr", "timeout")

    def __init__(self, ident: int, probe: Probe) -> None:
        self.ident = ident
        self.probe = probe
        self.interval = probe.interval
        self.timeout = probe.timeout
        self.fraction = probe.fraction
        self.family = socket.AF_INET if probe.address.version == 4 else socket.AF_INET6
        self.sockaddr = (str(probe.address), probe.port)
        self.due = 0.0
        """Monotonic time at which the next attempt should start."""
        self.live = True
        """False once the probe is no longer wanted: whatever is under way ends unheard."""


class Machine(Protocol):
    """What an attempt needs of the engine that runs it."""

    sockets: int
    """Sockets open now."""
    stalled: float
    """Seconds lost by this process since it began."""

    def watch(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Call ``handler(events)`` whenever epoll reports ``fd``."""

    def rewatch(self, fd: int, events: int) -> None:
        """Change what ``fd`` is watched for."""

    def unwatch(self, fd: int) -> None:
        """Forget ``fd``, which the caller closes now."""

    def record(self, plan: Plan, outcome: Outcome, reason: str, started: float) -> None:
        """An attempt ended."""


class Attempt(ABC):
    """Owns at most one socket; ends exactly once, in ``finish``."""

    __slots__ = ("done", "holds", "machine", "plan", "stalled", "started")

    stage = ""
    """What a timeout interrupted, for its reason."""

    def __init__(self, machine: Machine, plan: Plan, now: float) -> None:
        self.machine = machine
        self.plan = plan
        self.started = now
        self.stalled = machine.stalled
        self.done = False
        self.holds = False
        """Whether there is something to ``close``."""

    @abstractmethod
    def begin(self) -> None:
        """Put the question. Raises ``OSError`` if it cannot be put."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the attempt holds; called only when it ``holds`` something."""

    def expire(self) -> None:
        """The time is up."""
        stage = f" while {self.stage}" if self.stage else ""
        self.finish(Outcome.FAIL, f"timeout after {self.plan.timeout * 1000:g} ms{stage}")

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """Record the end."""
        self.done = True
        if self.holds:
            self.holds = False
            self.close()
        self.machine.record(self.plan, outcome, reason, self.started)

    def refuse(self, number: int) -> None:
        """End with the errno ``number`` of a call that should have put the question.

        No packet has come back within that call (except from this machine), so the error is local: without
        a route it is ENETUNREACH, EHOSTUNREACH, EACCES or EINVAL. Later, the same numbers are what a router
        or the silence of a neighbour says about the server, and count as failures.
        """
        if number in _REFUSED:
            self.fail_with(number)
        else:
            self.finish(Outcome.LOCAL, f"cannot probe: {_WORDS.get(number) or os.strerror(number).lower()}")

    def fail_with(self, number: int, doing: str = "") -> None:
        """End with the errno ``number``, which came after the question was put."""
        if number in _LOCAL:
            self.finish(Outcome.LOCAL, f"cannot probe: {os.strerror(number).lower()}")
        else:
            text = _WORDS.get(number) or os.strerror(number).lower()
            self.finish(Outcome.FAIL, f"{text} while {doing}" if doing else text)


class SocketAttempt(Attempt):
    """An attempt with a socket of its own."""

    __slots__ = ("fd", "sock")

    @abstractmethod
    def ready(self, events: int) -> None:
        """The socket has news (epoll ``events``)."""

    def hold(self, sock: socket.SocketType) -> None:
        """Take charge of ``sock``."""
        self.sock = sock
        self.fd = sock.fileno()
        self.holds = True
        self.machine.sockets += 1

    def close(self) -> None:
        """Closing takes the descriptor out of epoll as well."""
        self.machine.unwatch(self.fd)
        self.machine.sockets -= 1
        self.sock.close()


class TcpAttempt(SocketAttempt):
    """Passes when the connection is established.

    Delayed acknowledgement is asked for and the socket closed with linger 0, so on Linux the answer to
    SYN-ACK is a reset: the handshake is proved, the server's application is not woken, and neither side
    keeps a connection in TIME_WAIT.
    """

    __slots__ = ()

    stage = "connecting"

    def begin(self) -> None:
        """Connect without waiting."""
        self.open()
        number = self.sock.connect_ex(self.plan.sockaddr)
        if number and number != errno.EINPROGRESS:
            self.refuse(number)
        else:
            self.machine.watch(self.fd, EPOLLOUT, self.ready)

    def open(self) -> None:
        """The C socket type: half the price of ``socket.socket``, paid 10,000 times a second."""
        self.hold(socket.SocketType(self.plan.family, _NONBLOCK_STREAM, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)

    def ready(self, events: int) -> None:
        """The connection was made or refused; made and reset at once is still made."""
        if events != EPOLLOUT:
            number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number and number != errno.ECONNRESET:
                self.fail_with(number)
                return
        self.finish(Outcome.PASS)


class LineAttempt(TcpAttempt):
    """Passes when the server has sent a line, or all that it sends; the pass hands that on."""

    __slots__ = ("heard", "stage")

    def __init__(self, machine: Machine, plan: Plan, now: float) -> None:
        super().__init__(machine, plan, now)
        self.stage = "connecting"
        self.heard = b""

    def open(self) -> None:
        """Acknowledges at once: a server whose handshake waits for that has not accepted anything yet."""
        self.hold(socket.SocketType(self.plan.family, _NONBLOCK_STREAM, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)

    def ready(self, events: int) -> None:
        """The connection was made, or more has come."""
        if self.stage == "connecting":
            number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self.fail_with(number)
                return
            self.stage = "waiting for the answer"
            self.machine.rewatch(self.fd, EPOLLIN)
        try:
            self._read()
        except BlockingIOError:
            return
        except OSError as error:
            self.fail_with(error.errno or 0, self.stage)

    def _read(self) -> None:
        """Until a line, the end, or as much as is read of an answer."""
        while not self.done:
            data = self.sock.recv(self.plan.probe.reads - len(self.heard))
            self.heard += data
            if not data and not self.heard.strip():
                self.finish(Outcome.FAIL, "closed without an answer")
            elif not data or _LINE.search(self.heard) or len(self.heard) >= self.plan.probe.reads:
                self.finish(Outcome.PASS, self.heard.decode("utf-8", "replace"))


class UdpAttempt(SocketAttempt):
    """Passes when a response arrives that has the expected prefix; an empty request is an empty datagram."""

    __slots__ = ()

    stage = "waiting for the response"

    def begin(self) -> None:
        """Send the request."""
        self.hold(socket.SocketType(self.plan.family, _NONBLOCK_DGRAM, 0))
        number = self.sock.connect_ex(self.plan.sockaddr)
        if number:
            self.refuse(number)
            return
        self.machine.watch(self.fd, EPOLLIN, self.ready)
        self.sock.send(self.plan.probe.send)

    def ready(self, events: int) -> None:
        """A response, or the ICMP error that says there is none."""
        try:
            data = self.sock.recv(65535)
        except BlockingIOError:
            return  # a datagram with a bad checksum wakes the poller and is then dropped
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                self.finish(Outcome.FAIL, "port unreachable")
            else:
                self.fail_with(error.errno or 0)
            return
        expect = self.plan.probe.expect
        if expect is None or data.startswith(expect):
            self.finish(Outcome.PASS)
        else:
            self.finish(Outcome.FAIL, f"response {data[:16]!r} does not begin with {expect[:16]!r}")
