"""Carries frames between pairs of interfaces as slowly as a distance does, until it is killed. Run as a program.

    python -m topo.relay FILE        in the namespace of the interfaces; SIGHUP: FILE is read again

    interface ─► queue (bounded; due = arrival + half of the round trip) ─► the other interface

FILE is JSON: {"paths": {NAME: {"ends": [A, B], "round_trip_ms": 3.0, "cut": []}}}. "cut" holds "forth" (A to B) and
"back": frames of a direction that is cut are lost, also those that are on their way, and neither end sees it. A frame
that finds the queue full is lost too, as on any line. Frames keep their order, unless the delay is changed.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

FORTH, BACK = "forth", "back"
"""Directions of a path: from its first end to its second, and the other one."""
LONGEST = 4096
"""Frames that are on their way in one direction at most."""
_AT_ONCE = 64
"""Frames taken from one interface before the others have their turn."""
_EVERYTHING = 3
_SOL_PACKET, _IGNORE_OUTGOING = 263, 23
_BUFFER = 1 << 22


@dataclass
class Line:
    """One direction: what is on its way, in the order of its coming out. Pure."""

    delay: float = 0.0
    """Seconds."""
    cut: bool = False
    lost: int = 0
    """Frames that found the line full, or cut."""
    _way: deque[tuple[float, bytes]] = field(default_factory=deque)

    def set(self, delay: float, cut: bool) -> None:
        """Another delay for what comes from now on; a cut loses what is on its way."""
        self.delay, self.cut = delay, cut
        if cut:
            self.lost += len(self._way)
            self._way.clear()

    def put(self, frame: bytes, now: float) -> None:
        """A frame came in."""
        if self.cut or len(self._way) >= LONGEST:
            self.lost += 1
            return
        self._way.append((now + self.delay, frame))

    def due(self) -> float | None:
        """When the next frame comes out; None: there is none."""
        return self._way[0][0] if self._way else None

    def take(self, now: float) -> list[bytes]:
        """Frames that have arrived."""
        out = []
        while self._way and self._way[0][0] <= now:
            out.append(self._way.popleft()[1])
        return out


class PathSpec(NamedTuple):
    """What a file says of one path."""

    ends: tuple[str, str]
    round_trip: float
    """Seconds."""
    cut: frozenset[str]

    @staticmethod
    def read(text: str) -> dict[str, PathSpec]:
        """All paths of a file."""
        paths: Mapping[str, Any] = json.loads(text)["paths"]
        return {
            name: PathSpec(
                (one["ends"][0], one["ends"][1]), one["round_trip_ms"] / 1000, frozenset(one["cut"])
            )
            for name, one in paths.items()
        }


class Relay:
    """All paths of a lab."""

    def __init__(self, file: Path, open_interface: Callable[[str], socket.socket]) -> None:
        self._file = file
        self._open = open_interface
        self._sockets: dict[str, socket.socket] = {}
        self._lines: dict[socket.socket, tuple[Line, socket.socket]] = {}
        """By where frames come in: the line, and where they come out."""
        self._names: dict[tuple[str, str], Line] = {}

    def read(self) -> None:
        """Do as the file says; interfaces that are new are opened."""
        for name, path in PathSpec.read(self._file.read_text()).items():
            one, other = (self._socket(each) for each in path.ends)
            for source, sink, way in ((one, other, FORTH), (other, one, BACK)):
                line = self._names.setdefault((name, way), Line())
                line.set(path.round_trip / 2, way in path.cut)
                self._lines[source] = (line, sink)

    def _socket(self, interface: str) -> socket.socket:
        if interface not in self._sockets:
            self._sockets[interface] = self._open(interface)
        return self._sockets[interface]

    def step(self, now: Callable[[], float], longest: float) -> None:
        """Wait for a frame to come or to be due, ``longest`` seconds at most; carry what there is."""
        dues = [due for line, _ in self._lines.values() if (due := line.due()) is not None]
        wait = max(0.0, min(dues) - now()) if dues else longest
        ready, _, _ = select.select(list(self._lines), [], [], min(wait, longest))
        for source in ready:
            _take_in(source, self._lines[source][0], now())
        at = now()
        for line, sink in self._lines.values():
            for frame in line.take(at):
                _put_out(sink, frame, line)

    def fileno(self) -> list[int]:
        """Descriptors in use."""
        return [each.fileno() for each in self._sockets.values()]


def _take_in(source: socket.socket, line: Line, at: float) -> None:
    for _ in range(_AT_ONCE):
        try:
            line.put(source.recv(65536), at)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            return  # the interface is down: what was sent is lost


def _put_out(sink: socket.socket, frame: bytes, line: Line) -> None:
    try:
        sink.send(frame)
    except OSError:
        line.lost += 1


def packets(interface: str) -> socket.socket:
    """All frames that come in at an interface, and a way out there. Raises OSError."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    one.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    one.setblocking(False)
    one.bind((interface, _EVERYTHING))
    return one


def main(file: Path) -> None:
    """Until killed."""
    relay = Relay(file, packets)
    again = [True]

    def reread(_number: int, _frame: object) -> None:
        again[0] = True

    signal.signal(signal.SIGHUP, reread)
    while True:
        if again[0]:
            again[0] = False
            relay.read()
        relay.step(time.monotonic, 0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
