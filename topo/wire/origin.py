"""Which of the frames that leave a switch it made itself: those of which no copy came in before. Pure.

A frame that comes in may leave by every other port once. What leaves by a port more often than it came in, the switch
made. Frames that came in longer than ``KEPT`` seconds ago are forgotten.
"""

from __future__ import annotations

from collections import defaultdict, deque

KEPT = 1.0
"""Seconds; no switch holds a frame for so long."""


class Origin:
    """One switch; frames are to be named in the order of time."""

    def __init__(self) -> None:
        self._came: dict[bytes, deque[tuple[float, str, set[str]]]] = defaultdict(deque)
        """Frame -> when and by which port it came in, and by which ports that copy has left."""

    def came(self, frame: bytes, port: str, at: float) -> None:
        """A frame came in."""
        self._came[frame].append((at, port, set()))

    def left(self, frame: bytes, port: str, at: float) -> bool:
        """A frame leaves; whether the switch made it."""
        copies = self._came.get(frame)
        while copies and copies[0][0] < at - KEPT:
            copies.popleft()
        if copies is not None and not copies:
            del self._came[frame]
        for _, came, left in copies or ():
            if port != came and port not in left:
                left.add(port)
                return False
        return True
