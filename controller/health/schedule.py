"""When probes are due: a fixed grid per target and a timer wheel; the clock is an argument. Pure."""

from __future__ import annotations

from heapq import heappop, heappush
from math import floor
from typing import Generic, TypeVar

TICK = 0.001
"""Resolution of the wheel in seconds: the worst lateness that it adds by itself."""

FIRST_WITHIN = 1.0
"""A new target is probed for the first time within this many seconds, however long its interval."""

T = TypeVar("T")


def first_due(now: float, interval: float, fraction: float) -> float:
    """When a target that is added at ``now`` is probed first: spread by ``fraction`` (0 <= fraction < 1)."""
    return now + fraction * min(interval, FIRST_WITHIN)


def next_due(after: float, interval: float, fraction: float) -> float:
    """The first point later than ``after`` on the grid (k + fraction) x interval.

    The grid is fixed in absolute time, so lateness does not accumulate, points missed in a stall are not
    made up for in a burst, and a restarted prober goes on where the old one stopped.
    """
    return (floor(after / interval - fraction) + 1 + fraction) * interval


class Wheel(Generic[T]):
    """Items in buckets of one tick; adding and taking cost the same however many there are."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[T]] = {}
        self._ticks: list[int] = []

    def add(self, when: float, item: T) -> None:
        """Remember ``item`` for ``when`` (seconds); it is never taken earlier."""
        tick = int(when / TICK) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = [item]
            heappush(self._ticks, tick)
        else:
            bucket.append(item)

    def take(self, now: float) -> list[T]:
        """Remove and return everything due by ``now``, in order of ticks."""
        ticks, last = self._ticks, int(now / TICK)
        if not ticks or ticks[0] > last:
            return []
        taken: list[T] = []
        while ticks and ticks[0] <= last:
            taken += self._buckets.pop(heappop(ticks))
        return taken

    def next(self) -> float | None:
        """Earliest time at which ``take`` returns something; None: the wheel is empty."""
        return self._ticks[0] * TICK if self._ticks else None
