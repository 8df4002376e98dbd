"""TLS on a switch's stream, for os-ken, which reads and writes it in two threads.

Python's own wrapped socket may not be used that way: OpenSSL's object for a connection bears one call at a time, and
with a timeout Python makes its calls without the interpreter's lock. Here each call is short, between two buffers in
memory, and made under a lock of the stream's own; waiting for the network holds none.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping

_CHUNK = 64 * 1024


class Handshake:
    """One that goes on as bytes arrive; never waits. Belongs to one thread."""

    def __init__(self, stream: socket.socket, context: ssl.SSLContext) -> None:
        """``stream`` does not block."""
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def step(self) -> bool:
        """Take what has arrived; whether it is done. Raises ssl.SSLError, OSError."""
        try:
            data = self._stream.recv(_CHUNK)
        except BlockingIOError:
            return False
        if not data:
            raise ConnectionResetError("it ended during the TLS handshake")
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        return True

    @property
    def shown(self) -> Mapping[str, object]:
        """The certificate of the other side, as ``ssl.SSLSocket.getpeercert`` gives it."""
        return self._tls.getpeercert() or {}

    def stream(self) -> TlsStream:
        """The stream, once it is done."""
        return TlsStream(self._stream, self._tls, self._incoming, self._outgoing, self.shown)

    def _flush(self) -> None:
        """A handshake fits any socket's buffer: one that does not take it is no switch."""
        data = self._outgoing.read()
        if data and self._stream.send(data) < len(data):
            raise ConnectionResetError("it takes nothing")


class TlsStream:
    """As much of a socket as os-ken, a hub and a session use."""

    def __init__(
        self,
        stream: socket.socket,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        shown: Mapping[str, object],
    ) -> None:
        self.shown = shown
        """The certificate of the other side, as ``ssl.SSLSocket.getpeercert`` gives it."""
        self._stream, self._tls = stream, tls
        self._incoming, self._outgoing = incoming, outgoing
        self._calling = threading.Lock()
        self._sending = threading.Lock()
        """Held from a record's making to its sending: records have an order."""

    def recv(self, most: int) -> bytes:
        """Up to so many octets; none: the stream ended. Raises TimeoutError, OSError."""
        while True:
            with self._calling:
                data = self._read(most)
                answers = self._outgoing.pending
            if answers:
                self._flush()
            if data is not None:
                return data
            chunk = self._stream.recv(_CHUNK)
            with self._calling:
                if chunk:
                    self._incoming.write(chunk)
                else:
                    self._incoming.write_eof()

    def sendall(self, data: bytes) -> None:
        """All of it. Raises TimeoutError, OSError; what is sent afterwards would make no sense."""
        left = memoryview(data)
        with self._sending:
            while left:
                with self._calling:
                    left = left[self._tls.write(left) :]
                    records = self._outgoing.read()
                self._stream.sendall(records)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Of the socket below."""
        self._stream.setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        """Of the socket below."""
        return (
            self._stream.getsockopt(level, option, size) if size else self._stream.getsockopt(level, option)
        )

    def settimeout(self, seconds: float | None) -> None:
        """How long one wait for the network may take."""
        self._stream.settimeout(seconds)

    def shutdown(self, how: int) -> None:
        """End the stream below, at once and without a farewell."""
        self._stream.shutdown(how)

    def close(self) -> None:
        """Close the socket below."""
        self._stream.close()

    def _read(self, most: int) -> bytes | None:
        try:
            return self._tls.read(most)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError as error:
            # os-ken tries again after this one; nothing that follows could be read.
            raise ConnectionResetError(str(error)) from error

    def _flush(self) -> None:
        with self._sending:
            with self._calling:
                records = self._outgoing.read()
            if records:
                self._stream.sendall(records)
