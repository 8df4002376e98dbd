"""HTTP and HTTPS probes on a non-blocking socket."""

from __future__ import annotations

import errno
import socket
import ssl
from contextlib import suppress
from functools import lru_cache
from select import EPOLLIN, EPOLLOUT
from typing import ClassVar

from controller.health import http1
from controller.health.attempt import LINGER_0, Machine, Plan, TcpAttempt
from controller.health.result import Outcome
from controller.health.search import LIMIT, TooSlow, found
from controller.model.probe_values import server_name

_READ = 64 * 1024
_ANSWERABLE = ("sending the request", "waiting for the response")
"""Stages in which an answer may have come."""
_RESET = (errno.ECONNRESET, errno.EPIPE)


class HttpAttempt(TcpAttempt):
    """Sends one GET; passes when status and, if asked for, body are as wanted."""

    __slots__ = ("reader", "stage", "stream", "unsent")

    stream: socket.socket
    plain: ClassVar[bool] = True
    """Whether an answer can be read before anything was said, as from a server that does not wait for the request."""

    def __init__(self, machine: Machine, plan: Plan, now: float) -> None:
        super().__init__(machine, plan, now)
        self.stage = "connecting"
        self.unsent = http1.request(plan.probe)
        self.reader = http1.ResponseReader(plan.probe.body is not None or plan.probe.reads > 0)

    def open(self) -> None:
        """A full socket object, which TLS can wrap."""
        self.stream = socket.socket(self.plan.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.hold(self.stream)
        # Closing first, once a second, would leave 60 connections per target in TIME_WAIT.
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)

    def ready(self, events: int) -> None:
        """Go as far as the socket lets us, then wait for what it needs."""
        try:
            if self.stage != "connecting":
                self.advance()
            elif number := self.stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.broken(number)
            else:
                self.connected()
                self.advance()
        except BlockingIOError:
            self.machine.rewatch(self.fd, EPOLLOUT if self.unsent else EPOLLIN)
        except ssl.SSLWantReadError:
            self.machine.rewatch(self.fd, EPOLLIN)
        except ssl.SSLWantWriteError:
            self.machine.rewatch(self.fd, EPOLLOUT)
        except (http1.BadResponse, TooSlow, OSError, ValueError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, http1.BadResponse):
            self.finish(Outcome.FAIL, str(error))
        elif isinstance(error, TooSlow):
            slow = f"searching the body for {self.plan.probe.body!r} takes longer than {LIMIT * 1000:g} ms"
            self.finish(Outcome.LOCAL, f"cannot probe: {slow}")
        elif isinstance(error, ssl.SSLCertVerificationError):  # a ValueError as well
            self.finish(Outcome.FAIL, f"TLS certificate: {error.verify_message}")
        elif isinstance(error, ssl.SSLError):
            self.finish(Outcome.FAIL, f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}")
        elif isinstance(error, OSError):
            self.broken(error.errno or 0)
        else:  # a name that TLS cannot carry
            self.finish(Outcome.LOCAL, f"cannot probe: host {self.plan.probe.host!r}: {error}")

    def broken(self, number: int) -> None:
        """The connection ended with the errno ``number``: after a whole answer, a reset takes nothing back."""
        if number in _RESET and (self.stage in _ANSWERABLE or self.plain):
            try:
                self._read_rest()
            except (http1.BadResponse, TooSlow) as error:
                self._fail(error)
                return
        if self.reader.complete:
            self.judge()
        else:
            self.fail_with(number, "" if self.stage == "connecting" else self.stage)

    def _read_rest(self) -> None:
        """What came before the reset; a body without a stated length is whole if it holds what is wanted."""
        reader, wanted = self.reader, self.plan.probe.body
        with suppress(OSError):
            while (data := self.stream.recv(_READ)) and not reader.feed(data):
                pass
        if reader.ends_at_close and wanted is not None and found(wanted, self.text()):
            reader.end()

    def connected(self) -> None:
        """What comes after the TCP handshake."""
        self.stage = "sending the request"

    def advance(self) -> None:
        """Send, then read; raises what ``ready`` maps to waiting or an end."""
        while self.unsent:
            self.unsent = self.unsent[self.stream.send(self.unsent) :]
        self.stage = "waiting for the response"
        while True:
            data = self.stream.recv(_READ)
            if not data:
                self.reader.end()
            if self.reader.feed(data):
                self.judge()
                return

    def judge(self) -> None:
        """The whole response is there."""
        probe, status = self.plan.probe, self.reader.status or 0
        if not any(low <= status <= high for low, high in probe.statuses):
            self.finish(Outcome.FAIL, f"status {status} not in {http1.status_text(probe.statuses)}")
        elif probe.body is not None and not found(probe.body, self.text()):
            self.finish(Outcome.FAIL, f"body does not contain {probe.body!r}")
        else:
            self.finish(Outcome.PASS, self.text()[: probe.reads])

    def text(self) -> str:
        """The body so far."""
        return self.reader.body.decode("utf-8", "replace")


class HttpsAttempt(HttpAttempt):
    """The same inside TLS."""

    __slots__ = ()

    plain = False

    def connected(self) -> None:
        """Put TLS around the socket; the descriptor, and so its place in epoll, stays."""
        probe = self.plan.probe
        name = server_name(probe.host) if probe.host else (str(probe.address) if probe.verify else None)
        self.stage = "in the TLS handshake"
        self.sock = self.stream = _context(probe.verify).wrap_socket(
            self.stream, do_handshake_on_connect=False, server_hostname=name
        )

    def advance(self) -> None:
        """Finish the handshake first."""
        if self.stage == "in the TLS handshake" and isinstance(self.stream, ssl.SSLSocket):
            self.stream.do_handshake()
        super().advance()


ATTEMPTS: tuple[type[HttpAttempt], type[HttpAttempt]] = (HttpAttempt, HttpsAttempt)


@lru_cache(maxsize=2)
def _context(verify: bool) -> ssl.SSLContext:
    """Built at most twice: loading the certificate store takes tens of milliseconds."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
