"""What is to be shown of probing besides verdicts: what cannot be asked, and whether all of it is doubted."""

from __future__ import annotations

from dataclasses import dataclass

from controller.health.targets import BackendRef, Probe
from controller.health.vantage import Doubt


@dataclass(frozen=True)
class Unasked:
    """A probe that could not be asked the last time: the verdicts that hang on it stand still."""

    probe: Probe
    members: tuple[BackendRef, ...]
    """(pool, backend) pairs, sorted."""
    reason: str
    """E.g. ``cannot probe: network unreachable``."""
    since: float
    """Monotonic seconds of the first of them in a row."""
    count: int
    """How many in a row."""


@dataclass(frozen=True)
class HealthStatus:
    """How probing is; ``unasked`` empty and ``doubted`` None is good."""

    unasked: tuple[Unasked, ...]
    """Sorted by address, port and kind."""
    doubted: Doubt | None
    """Every server fails at once: failures do not count for a bounded time."""
    local: int
    """Probes that could not be asked, since the start."""
    held: int
    """Failures that did not count because all of them came at once, since the start."""
    probing: bool
    """Whether a prober process runs."""
