"""Time, injected once: durations from a clock that cannot be set, wall time only to be shown.

All deadlines of the tree are seconds of ``Clock.now``. They are stored together with the reading of that clock at the
time (``Reading``): in the same boot they go on as they are, in another boot or on another machine they go on from
when they were read, so late and never early.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Reading:
    """What a clock showed when something was stored."""

    boot: str
    now: float


class Clock(Protocol):
    """What everything that needs time is handed."""

    @property
    def boot(self) -> str:
        """Identity of the boot that ``now`` counts from."""
        ...

    def now(self) -> float:
        """Seconds since boot, suspended time included; never steps."""
        ...

    def wall(self) -> float:
        """Unix seconds, for people to read; may step at any time."""
        ...


class SystemClock:
    """CLOCK_BOOTTIME and the machine's wall clock."""

    def __init__(self) -> None:
        self.boot = boot_id()

    def now(self) -> float:
        """Seconds since boot, suspended time included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        """Unix seconds."""
        return time.time()


def boot_id() -> str:
    """The kernel's name for this boot; without one, no two runs are of the same boot."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return f"unknown-{time.monotonic_ns()}"


def shift(stored: Reading | None, clock: Clock) -> float:
    """Seconds to add to stored times so that they can be compared with ``clock.now()``.

    0 in the boot in which they were stored. Otherwise what was left of a deadline then is left now. A clock that shows
    less than it did in the same boot (a restored image) counts as another boot.
    """
    if stored is None:
        return 0.0
    now = clock.now()
    if stored.boot == clock.boot and stored.now <= now:
        return 0.0
    return now - stored.now
