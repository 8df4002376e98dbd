"""A control stream to one Open vSwitch bridge, without a controller process: write phases, hear reports."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from flows import messages
from flows.diff import Phase
from flows.entries import ANY
from flows.readback import known_fields
from flows.tables import Cookie

DEADLINE = 10.0
_HELLO, _ERROR, _ECHO_REQUEST, _ECHO_REPLY, _SET_CONFIG, _PACKET_IN = 0, 1, 2, 3, 9, 10
_DELETE = 3


class Told(NamedTuple):
    """A packet that a flow reported."""

    cookie: Cookie
    fields: dict[str, int]
    frame: bytes


class Stream:
    """The stream; whatever the switch refuses is a RuntimeError."""

    def __init__(self, path: Path) -> None:
        self.told: list[Told] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE)
        self._socket.connect(str(path))
        # Without a length to send, such a connection would get no packets at all.
        config = messages.message(_SET_CONFIG, struct.pack("!HH", 0, 0xFFFF))
        self._socket.sendall(messages.message(_HELLO, b"") + config)
        self.write([])

    def write(self, phases: Iterable[Phase]) -> None:
        """Carry out the phases in order."""
        for phase in (*phases, Phase()):
            rows = b"".join(each.tobytes() for each in phase.bulk)
            self._socket.sendall(b"".join(phase.messages) + rows + messages.barrier())
            while self._take() != messages.BARRIER_REPLY:
                pass

    def send(self, message: bytes) -> None:
        """Send one message without waiting."""
        self._socket.sendall(message)

    def empty(self, table: int) -> None:
        """Delete whatever is in a table."""
        anything = struct.pack("!HH4x", 1, 4)
        head = struct.pack("!QQBBHHHIIIH2x", 0, 0, table, _DELETE, 0, 0, 0, messages.NO_BUFFER, ANY, ANY, 0)
        self.write([Phase([messages.message(messages.FLOW_MOD, head + anything)])])

    def hear(self, seconds: float) -> Iterator[Told]:
        """What was told by now; waits for at most so long if that is nothing."""
        end = time.monotonic() + seconds
        while True:
            yield from self.told
            heard = bool(self.told)
            self.told = []
            left = 0.0 if heard else max(end - time.monotonic(), 0.0)
            if not select.select([self._socket], [], [], left)[0]:
                return
            self._take()

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def _take(self) -> int:
        """Deal with the next message; returns its type."""
        _, kind, length, _ = struct.unpack("!BBHI", self._exactly(8))
        body = self._exactly(length - 8)
        if kind == _ERROR:
            error, code = struct.unpack_from("!HH", body)
            raise RuntimeError(f"the switch refused: error {error}, code {code}, to {body[4:].hex()}")
        if kind == _ECHO_REQUEST:
            self.send(messages.message(_ECHO_REPLY, body))
        if kind == _PACKET_IN:
            # known_fields counts from the beginning of the whole message.
            fields, end = known_fields(bytes(8) + body, 24)
            cookie = Cookie.parse(int.from_bytes(body[8:16], "big"))
            if cookie is not None:
                self.told.append(Told(cookie, fields, body[end - 6 :]))
        return int(kind)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise RuntimeError("the switch closed the OpenFlow connection")
            data += part
        return data


class Appctl:
    """``ovs-appctl`` over one connection: a purge takes less than starting a program for it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE)
        self._socket.connect(str(path))

    def __call__(self, method: str, *params: str) -> str:
        """Carry out a command. Raises RuntimeError with what the switch complains of."""
        request = {"method": method, "params": list(params), "id": 0}
        self._socket.sendall(json.dumps(request).encode())
        data = b""
        while True:
            part = self._socket.recv(65536)
            if not part:
                raise RuntimeError("the switch closed the connection")
            data += part
            try:
                answer = json.loads(data)
            except ValueError:
                continue
            if answer.get("error"):
                raise RuntimeError(f"{method} {' '.join(params)}: {answer['error']}")
            return str(answer["result"])

    def close(self) -> None:
        """End it."""
        self._socket.close()
