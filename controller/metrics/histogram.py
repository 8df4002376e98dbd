"""Counts of observed values by size, as Prometheus has them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MILLISECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds, of what takes milliseconds when all is well and seconds when it is not."""


class Distribution(NamedTuple):
    """A histogram as it was at one moment."""

    bounds: tuple[float, ...]
    """Upper bounds, inclusive, ascending; infinity follows them."""
    counts: tuple[int, ...]
    """Values in each bucket, not cumulated; one more than bounds."""
    total: float
    """The sum of all values."""


class Histogram:
    """Takes one value at a time."""

    def __init__(self, bounds: tuple[float, ...] = MILLISECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count one value, or the same several times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._total += value * times

    def taken(self) -> Distribution:
        """As it is now."""
        return Distribution(self._bounds, tuple(self._counts), self._total)


def distribution(values: Mapping[int, int], step: float, bounds: Iterable[float]) -> Distribution:
    """Of values that were counted by steps already: each counts as the middle of its step."""
    limits = tuple(bounds)
    counts, total = [0] * (len(limits) + 1), 0.0
    for number, count in values.items():
        value = (number + 0.5) * step
        counts[bisect_left(limits, value)] += count
        total += value * count
    return Distribution(limits, tuple(counts), total)
