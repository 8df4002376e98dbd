"""Notices two switches that were given one id: they take turns at one stream. Pure."""

from __future__ import annotations

from collections import deque

from controller.clock import Clock

TURNS = 4
"""Times that a stream is replaced by another one ..."""
WITHIN = 30.0
"""... within so many seconds, which one switch alone does not do."""


class Twins:
    """When streams of a switch were replaced while they were up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._replaced: dict[int, deque[float]] = {}

    def connected(self, number: int, was_up: bool) -> bool:
        """A switch has a new stream, while the old one was up; whether that happens too often, said once."""
        if not was_up:
            return False
        now, times = self._clock.now(), self._replaced.setdefault(number, deque(maxlen=TURNS))
        times.append(now)
        if len(times) == TURNS and times[0] > now - WITHIN:
            times.clear()
            return True
        return False
