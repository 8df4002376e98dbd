"""HTTP/1 as far as a health check needs it: the request, and a reader of responses. Pure."""

from __future__ import annotations

import re
from enum import Enum, auto

from controller.health.targets import Probe
from controller.spec.health import ProbeKind

MAX_HEAD = 32 * 1024
"""Bytes of status line and headers that are read at most."""
MAX_BODY = 64 * 1024
"""Bytes of body that are read at most."""

_LINE_END = re.compile(rb"\r?\n")
"""Senders should write CR LF; a bare LF is read as well (RFC 9112, section 2.2)."""
_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\Z")
_LENGTH = re.compile(rb"[0-9]{1,18}\Z")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\Z", re.DOTALL)
_BODYLESS = frozenset((204, 205, 304))


class BadResponse(Exception):
    """What came is not an HTTP/1 response; the text says why."""


class _Stage(Enum):
    HEAD = auto()
    LENGTH = auto()
    CHUNK_SIZE = auto()
    CHUNK_DATA = auto()
    CHUNK_END = auto()
    UNTIL_CLOSE = auto()
    DONE = auto()


def request(probe: Probe) -> bytes:
    """The GET that ``probe`` sends; one request per connection."""
    host = probe.host
    if host is None:
        host = f"[{probe.address}]" if probe.address.version == 6 else str(probe.address)
        if probe.port != (443 if probe.kind is ProbeKind.HTTPS else 80):
            host += f":{probe.port}"
    lines = (
        f"GET {probe.path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: evenkeel-health",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(lines).encode("ascii")


def status_text(ranges: tuple[tuple[int, int], ...]) -> str:
    """Accepted status codes as people write them: ``200, 301-308``."""
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


class ResponseReader:
    """Takes bytes as they arrive; says when enough was read to judge.

    Only the head is read unless a body is wanted. Interim (1xx) responses are skipped.
    """

    def __init__(self, want_body: bool) -> None:
        self.status: int | None = None
        """Status code, once the whole head has arrived."""
        self.body = bytearray()
        """Body so far, without transfer coding, at most ``MAX_BODY`` bytes."""
        self._want_body = want_body
        self._stage = _Stage.HEAD
        self._buffer = bytearray()
        self._left = 0

    @property
    def complete(self) -> bool:
        """Whether everything wanted has arrived."""
        return self._stage is _Stage.DONE

    @property
    def ends_at_close(self) -> bool:
        """Whether only the end of the connection says that the body is whole."""
        return self._stage is _Stage.UNTIL_CLOSE

    def feed(self, data: bytes) -> bool:
        """Take more bytes; the answer is ``complete``. Raises ``BadResponse``."""
        self._buffer += data
        while self._stage is not _Stage.DONE and self._step():
            pass
        return self.complete

    def end(self) -> None:
        """The server closed. Raises ``BadResponse`` if something was still to come."""
        if self._stage is _Stage.UNTIL_CLOSE:
            self._stage = _Stage.DONE
        elif self._stage is _Stage.HEAD:
            raise BadResponse("closed within the headers" if self._buffer else "closed without response")
        elif self._stage is not _Stage.DONE:
            raise BadResponse("closed within the body")

    def _step(self) -> bool:
        """One step of progress; False: more bytes are needed."""
        if self._stage is _Stage.HEAD:
            return self._read_head()
        if self._stage is _Stage.CHUNK_SIZE:
            return self._read_chunk_size()
        if self._stage is _Stage.CHUNK_END:
            return self._end_chunk()
        return self._read_body()

    def _read_head(self) -> bool:
        if self._buffer[:7] != b"HTTP/1."[: len(self._buffer)]:
            raise BadResponse("not an HTTP/1 response")
        end = _HEAD_END.search(self._buffer)
        if end is None:
            if len(self._buffer) > MAX_HEAD:
                raise BadResponse(f"headers longer than {MAX_HEAD} bytes")
            return False
        first, *fields = _LINE_END.split(bytes(self._buffer[: end.start()]).removesuffix(b"\r"))
        del self._buffer[: end.end()]
        match = _STATUS.match(first)
        if match is None:
            raise BadResponse("malformed status line")
        status = int(match[1])
        if status < 200:
            return True
        self.status = status
        self._stage = self._framing(status, fields) if self._want_body else _Stage.DONE
        return True

    def _framing(self, status: int, fields: list[bytes]) -> _Stage:
        """How the body ends (RFC 9112, section 6.3)."""
        coding, lengths = b"", set[bytes]()
        for field in fields:
            name, colon, value = field.partition(b":")
            if not colon or not name or name != name.strip():
                raise BadResponse("malformed header line")
            if name.lower() == b"transfer-encoding":
                coding = value.strip().lower()
            elif name.lower() == b"content-length":
                lengths.update(part.strip() for part in value.split(b","))
        if status in _BODYLESS:
            return _Stage.DONE
        if coding:
            if coding != b"chunked":
                raise BadResponse("transfer coding other than chunked")
            return _Stage.CHUNK_SIZE
        if not lengths:
            return _Stage.UNTIL_CLOSE
        length = lengths.pop()
        if lengths or not _LENGTH.match(length):
            raise BadResponse("malformed Content-Length")
        self._left = int(length)
        return _Stage.LENGTH if self._left else _Stage.DONE

    def _read_chunk_size(self) -> bool:
        end = _LINE_END.search(self._buffer)
        if end is None:
            if len(self._buffer) > 1024:
                raise BadResponse("malformed chunk")
            return False
        match = _CHUNK.match(bytes(self._buffer[: end.start()]))
        if match is None:
            raise BadResponse("malformed chunk")
        del self._buffer[: end.end()]
        self._left = int(match[1], 16)
        self._stage = _Stage.CHUNK_DATA if self._left else _Stage.DONE
        return True

    def _read_body(self) -> bool:
        chunked = self._stage is _Stage.CHUNK_DATA
        wanted = len(self._buffer)
        if self._stage is not _Stage.UNTIL_CLOSE:
            wanted = min(wanted, self._left)
            self._left -= wanted
        self.body += self._buffer[: min(wanted, MAX_BODY - len(self.body))]
        del self._buffer[:wanted]
        if len(self.body) >= MAX_BODY or (self._stage is _Stage.LENGTH and not self._left):
            self._stage = _Stage.DONE
        elif chunked and not self._left:
            self._stage = _Stage.CHUNK_END
        return self._stage is _Stage.CHUNK_END

    def _end_chunk(self) -> bool:
        """A chunk's data ends with a line end of its own."""
        end = _LINE_END.match(self._buffer)
        if end is None:
            if bytes(self._buffer) in (b"", b"\r"):
                return False
            raise BadResponse("malformed chunk")
        del self._buffer[: end.end()]
        self._stage = _Stage.CHUNK_SIZE
        return True
