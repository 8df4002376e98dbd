"""What a probe found out; the only thing that passes from probing to judging."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from controller.health.targets import Probe


class Outcome(IntEnum):
    """The three ends of a probe."""

    PASS = 0
    FAIL = 1
    LOCAL = 2
    """Could not be asked for a local reason (no route, no permission, no sockets): no evidence about the server."""


class ProbeResult(NamedTuple):
    """One finished probe."""

    probe: Probe
    outcome: Outcome
    reason: str
    """Of a pass what was answered, if the probe ``reads``, and else empty; of others e.g. ``status 503 not in
    200-399``."""
    started: float
    """Monotonic seconds (CLOCK_MONOTONIC, the same in all processes)."""
    finished: float
    """Monotonic seconds."""
