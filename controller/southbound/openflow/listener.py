"""Accepts switches' streams in one thread, with or without TLS, and bounds what each of them may cost.

    accepted ─► TLS handshake ─► first octet is OpenFlow's ─► os-ken: hello, features, ports ─► finished

A stream has no thread before its first octet has shown that it speaks OpenFlow. It is ended when it is not finished
within ``HANDSHAKE``, and when others want its place: of more than ``UNFINISHED`` the oldest of the address with the
most goes first, so that those who open many push out each other. What was refused is reported, not more often than
every ``REPEAT`` seconds for the same address and reason.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.southbound.openflow.tls import Handshake

HANDSHAKE = 10.0
"""Seconds from a connection to the switch's ports, TLS and OpenFlow handshakes included."""
UNFINISHED = 256
"""Streams whose handshakes are not finished."""
STREAMS = 1024
"""Streams in all."""
REPEAT = 60.0
_REASONS = 256
"""Addresses with reasons that are remembered for that."""
_TICK = 0.25
_BACKLOG = 1024
_FULL_PAUSE = 0.1
_OPENFLOW, _TLS_RECORD = range(1, 7), 0x16
_ALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
_LOG = logging.getLogger(__name__)

Handle = Callable[[Any, Any], object]
"""Serves a stream from an address until it ends; in a thread of its own."""


@dataclass(frozen=True)
class Guard:
    """How streams are accepted."""

    context: Callable[[], ssl.SSLContext] | None = None
    """For TLS handshakes that begin now; None: streams are plain."""
    why_not: Callable[[Mapping[str, object]], str | None] = lambda _shown: None
    """Why one that shows this certificate (``getpeercert``) is no switch; None: it may be."""
    now: Callable[[], float] = time.perf_counter
    """Seconds of a clock that does not step."""
    on_refused: Callable[[str, str, int], None] = lambda _address, _why, _count: None
    """Told of refusals in the listener's thread: where from, why, and how many there were since the last one told."""


@dataclass(eq=False)
class _Stream:
    socket: socket.socket
    address: Any
    until: float
    handshake: Handshake | None = None
    own: Any = None
    """What the handler has: the socket itself, or TLS on it."""
    phase: str = "it sent nothing"

    @property
    def host(self) -> str:
        """Its address without the port."""
        return str(self.address[0])


@dataclass
class _Told:
    """What was reported."""

    since: float
    count: int = 0


@dataclass
class Listener:
    """``run`` belongs to its thread, ``finished`` to any."""

    listening: socket.socket
    handle: Handle
    guard: Guard
    streams: int = STREAMS
    unfinished: int = UNFINISHED
    handshake: float = HANDSHAKE
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _early: dict[_Stream, None] = field(default_factory=dict)
    """Those that have no thread yet, the oldest first."""
    _served: dict[Any, _Stream] = field(default_factory=dict)
    """Those that have, by what their handler has; finished ones too."""
    _late: dict[Any, _Stream] = field(default_factory=dict)
    """Of these, those that are not finished, the oldest first."""
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _told: dict[tuple[str, str], _Told] = field(default_factory=dict)

    def run(self) -> None:
        """Accept until the listening socket is closed."""
        self.listening.setblocking(False)
        self._selector.register(self.listening, selectors.EVENT_READ)
        while self.listening.fileno() >= 0:
            try:
                self._turn()
            except Exception:  # one defect must not keep all switches away
                if self.listening.fileno() >= 0:
                    _LOG.exception("the listener for OpenFlow")
                    time.sleep(_TICK)

    def _turn(self) -> None:
        for key, _ in self._selector.select(_TICK):
            if key.data is None:
                self._accept()
            else:
                self._guarded(key.data)
        self._expire()

    def finished(self, own: Any) -> None:
        """A stream's switch is known: from now on it is the hub's to judge."""
        with self._changing:
            self._late.pop(own, None)

    def refuse(self, own: Any, why: str) -> None:
        """End a stream (any thread) and report why."""
        with self._changing:
            stream = self._served.get(own)
        if stream is not None:
            self._end(stream, why)

    def _accept(self) -> None:
        try:
            link, address = self.listening.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._report("any", f"connections cannot be accepted: {error.strerror}")
                time.sleep(_FULL_PAUSE)
            return
        stream = _Stream(link, address, self.guard.now() + self.handshake)
        if len(self._early) + len(self._served) >= self.streams:
            self._end(stream, f"{self.streams} switches are connected already")
            return
        self._make_room()
        try:
            link.setblocking(False)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _ALIVE:
                link.setsockopt(socket.IPPROTO_TCP, option, value)
            if self.guard.context is not None:
                stream.handshake = Handshake(link, self.guard.context())
                stream.phase = "it did not finish the TLS handshake"
            self._selector.register(link, selectors.EVENT_READ, stream)
        except OSError as error:
            self._end(stream, str(error))
            return
        self._early[stream] = None

    def _make_room(self) -> None:
        with self._changing:
            late = list(self._late.values())
        waiting = [*self._early, *late]
        if len(waiting) < self.unfinished:
            return
        most, _ = Counter(each.host for each in waiting).most_common(1)[0]
        oldest = min((each for each in waiting if each.host == most), key=lambda each: each.until)
        self._end(oldest, f"more than {self.unfinished} connections did not finish their handshakes")

    def _guarded(self, stream: _Stream) -> None:
        """What a stream sends ends that stream at most."""
        if stream not in self._early:
            return
        try:
            self._advance(stream)
        except (ssl.SSLError, OSError) as error:
            self._end(stream, explained(error))
        except Exception as error:
            _LOG.exception("a stream from %s", stream.address)
            self._end(stream, f"{type(error).__name__}: {error}")

    def _advance(self, stream: _Stream) -> None:
        if stream.handshake is not None:
            if stream.handshake.step():
                why = self.guard.why_not(stream.handshake.shown)
                if why is not None:
                    self._end(stream, why)
                    return
                self._serve(stream, stream.handshake.stream())
            return
        try:
            first = stream.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        if not first:
            self._end(stream, None)  # somebody looked whether there is a listener
        elif first[0] in _OPENFLOW:
            self._serve(stream, stream.socket)
        elif first[0] == _TLS_RECORD:
            self._end(stream, "it speaks TLS, and this controller has no certificate: give run --switch-cert")
        else:
            self._end(stream, f"it does not speak OpenFlow: its first octet is {first[0]:#04x}")

    def _serve(self, stream: _Stream, own: Any) -> None:
        self._selector.unregister(stream.socket)
        del self._early[stream]
        stream.own, stream.phase = own, "it did not finish the OpenFlow handshake"
        with self._changing:
            self._served[own] = self._late[own] = stream
        threading.Thread(target=self._serving, args=(stream,), name="openflow", daemon=True).start()

    def _serving(self, stream: _Stream) -> None:
        try:
            self.handle(stream.own, stream.address)
        except Exception as error:  # whatever a switch sends
            self._report(stream.host, f"its stream ended: {type(error).__name__}: {error}")
        finally:
            with self._changing:
                self._served.pop(stream.own, None)
                self._late.pop(stream.own, None)
            with contextlib.suppress(OSError):
                stream.socket.close()

    def _expire(self) -> None:
        now = self.guard.now()
        with self._changing:
            late = list(self._late.values())
            again = {key: told.count for key, told in self._told.items() if now >= told.since + REPEAT}
            for key in again:
                del self._told[key]
        for stream in [*self._early, *late]:
            if stream.until <= now:
                self._end(stream, f"{stream.phase} within {self.handshake:g} s")
        for key, count in again.items():
            if count:
                self._say(*key, count, now)

    def _end(self, stream: _Stream, why: str | None) -> None:
        if stream in self._early:
            del self._early[stream]
            self._selector.unregister(stream.socket)
        with contextlib.suppress(OSError):
            stream.socket.shutdown(socket.SHUT_RDWR)
        if stream.own is None:
            stream.socket.close()
        else:  # closed by its own thread, which hears of the end
            self.finished(stream.own)
        if why is not None:
            self._report(stream.host, why)

    def _report(self, host: str, why: str) -> None:
        with self._changing:
            told = self._told.get((host, why))
            if told is not None:
                told.count += 1
                return
            if len(self._told) >= _REASONS:
                host = "any"
                told = self._told.get((host, "too many reasons"))
                if told is not None:
                    told.count += 1
                    return
                why = "too many reasons"
        self._say(host, why, 1, self.guard.now())

    def _say(self, host: str, why: str, count: int, now: float) -> None:
        with self._changing:
            self._told[host, why] = _Told(now)
        self.guard.on_refused(host, why, count)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens from now on. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def explained(error: OSError) -> str:
    """Why a TLS handshake failed, and what to do about it."""
    reason = getattr(error, "reason", None) or ""
    for part, meaning in _MEANINGS:
        if part in reason or part in str(error):
            return meaning
    return f"the TLS handshake failed: {reason or error}"


_MEANINGS = (
    (
        "WRONG_VERSION_NUMBER",
        "it does not speak TLS; have the switch dial ssl:ADDRESS:PORT, with a certificate and key of its own",
    ),
    ("HTTP_REQUEST", "it does not speak TLS, but HTTP"),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "it shows no certificate; give the switch one, and its key"),
    ("certificate has expired", "its certificate has ended; renew it"),
    ("certificate is not yet valid", "its certificate is not good yet; look at both clocks"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "its certificate is of an authority that --switch-ca does not hold; issue one, or add its authority",
    ),
    (
        "UNKNOWN_CA",
        "it does not know the authority of --switch-cert; give the switch that authority's certificate",
    ),
    ("CERTIFICATE_UNKNOWN", "it does not take the certificate of --switch-cert"),
    ("BAD_CERTIFICATE", "it does not take the certificate of --switch-cert"),
    (
        "CERTIFICATE_EXPIRED",
        "for it the certificate of --switch-cert has ended; renew it, or look at its clock",
    ),
)
