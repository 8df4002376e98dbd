"""What weights follow besides the intent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scheduler(StrEnum):
    """By what new connections are shared among the backends of a group."""

    WEIGHTED = "weighted"
    """By their weights."""
    LEAST_CONNECTIONS = "least-connections"
    """By weights that follow the live connections that servers count."""
    RESPONSE_TIME = "response-time"
    """By weights that follow the time that probes take."""

    @property
    def adapts(self) -> bool:
        """Whether weights follow what is measured."""
        return self is not Scheduler.WEIGHTED


@dataclass(frozen=True)
class Adaptive:
    """How weights follow what is measured."""

    interval: float = 10.0
    """Shortest time between two changes of a pool's weights."""
    smoothing: float = 10.0
    """Time over which measurements are averaged (exponentially)."""
    dead_band: float = 0.1
    """By how much a backend has to differ from what it should have before its weight is changed. Of connections more is
    needed where there are few: three times the square root of their number."""
    lasting: float = 300.0
    """Of least-connections: about how long connections last. Where they last longer, weights may go past where they
    belong, and back; where they last much less, they take about twice this time to get there."""
    least: float = 0.25
    """By what a weight is multiplied at least."""
    most: float = 2.0
    """By what it is multiplied at most."""


USUALLY = Adaptive()
TRACKED_SHARE = 0.1
"""Share of a pool's slots that may be tracked at once where weights follow what is measured, unless its budget says."""
