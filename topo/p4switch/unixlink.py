"""Cables in memory between processes: Unix sockets that need no privilege, one socket file for each end.

The file of the end at A of the cable between A and B is called A-B; the other end is B-A in the same folder.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from pathlib import Path

PREFIX = "unix:"
"""What an interface's name begins with if it is such an end."""
QUEUE = 4096
"""Frames that may wait for the other end, which the kernel lets have only a few; more are dropped."""
_LARGEST = 65536


class UnixLink:
    """One end of such a cable, a `links.Link`. Frames to an end that is not there are dropped."""

    def __init__(self, own: Path) -> None:
        """Take the end with this file, also if another process had it before. OSError when that cannot be."""
        one, _, other = own.name.partition("-")
        self._peer = str(own.with_name(f"{other}-{one}"))
        self._waiting: deque[bytes] = deque()
        self.dropped = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        with contextlib.suppress(FileNotFoundError):
            own.unlink()
        self._socket.bind(str(own))

    def fileno(self) -> int:
        """Readable while frames wait."""
        return self._socket.fileno()

    def receive(self, limit: int) -> list[bytes]:
        """Waiting frames."""
        self._flush()
        frames = []
        for _ in range(limit):
            try:
                frames.append(self._socket.recv(_LARGEST))
            except (BlockingIOError, InterruptedError):
                break
        return frames

    def send(self, frame: bytes) -> None:
        """Put the frame at the other end, at the latest with the next one that passes here."""
        if len(self._waiting) >= QUEUE:
            self.dropped += 1
            return
        self._waiting.append(frame)
        self._flush()

    def close(self) -> None:
        """Give the end up."""
        self._socket.close()

    def _flush(self) -> None:
        while True:
            try:
                frame = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._socket.sendto(frame, self._peer)
            except (BlockingIOError, InterruptedError):
                self._waiting.appendleft(frame)
                return
            except OSError:
                self.dropped += 1
