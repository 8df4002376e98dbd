"""Cables in memory: two ends in one process, for fabrics that run without privileges."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

QUEUE = 4096
"""Frames that may wait at an end; more are dropped, as a full ring drops them."""


class CableEnd:
    """One end of a cable, a `links.Link`. What is sent here waits at the other end."""

    def __init__(self, cable: Cable) -> None:
        """An end without a frame waiting."""
        self._cable = cable
        self._frames: deque[bytes] = deque()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False
        self.dropped = 0
        self.peer: CableEnd
        self.on_change: Callable[[bool], None] | None = None

    def fileno(self) -> int:
        """Readable while frames wait."""
        return self._event

    def receive(self, limit: int) -> list[bytes]:
        """Waiting frames."""
        try:
            os.eventfd_read(self._event)
        except BlockingIOError:
            return []
        frames = [self._frames.popleft() for _ in range(min(limit, len(self._frames)))]
        if self._frames:
            os.eventfd_write(self._event, 1)
        return frames

    def send(self, frame: bytes) -> None:
        """Put the frame at the other end; dropped and counted when the cable is down or that end full."""
        if not self._cable.up or not self.peer.put(frame):
            self.dropped += 1

    def put(self, frame: bytes) -> bool:
        """Let a frame arrive at this end; False when it cannot."""
        if self._closed or len(self._frames) >= QUEUE:
            return False
        self._frames.append(frame)
        os.eventfd_write(self._event, 1)
        return True

    def is_up(self) -> bool:
        """Whether the cable is up."""
        return self._cable.up

    def close(self) -> None:
        """Stop taking frames."""
        if not self._closed:
            self._closed = True
            os.close(self._event)


class Cable:
    """A cable with two ends; both see it go down and come up."""

    def __init__(self) -> None:
        """A cable that is up."""
        self.up = True
        self.a = CableEnd(self)
        self.b = CableEnd(self)
        self.a.peer, self.b.peer = self.b, self.a

    def set(self, up: bool) -> None:
        """Cut or repair the cable and notify both ends."""
        if self.up == up:
            return
        self.up = up
        for end in (self.a, self.b):
            if end.on_change is not None:
                end.on_change(up)
