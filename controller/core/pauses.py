"""Whether the controller itself has stood still: stopped, suspended, or held up. Then it does not know what happened.

    beat ─► beat ─►      (nothing for longer than PAUSE)      ─► check: what servers that are down did meanwhile is open

What acts on time that has passed checks first: in a pause no probe has seen whether a server came back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.clock import Clock
from controller.core.journal import Journal

BEAT = 0.2
"""Seconds between two signs of life."""
PAUSE = 1.5
"""Seconds without one after which the controller stood still: longer than its longest hold-ups in service."""


class Pauses:
    """Beats, and notices when it did not."""

    def __init__(
        self, doubt: Callable[[], None], journal: Journal, clock: Clock, worked: Callable[[], float]
    ) -> None:
        """``doubt``: called after a pause, before anything is decided by the time that has passed.

        ``worked``: processor time of this process so far, seconds.
        """
        self._doubt = doubt
        self._journal = journal
        self._clock = clock
        self._worked = worked
        self._last: float | None = None
        self._used = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.check()
            self._last, self._used = self._clock.now(), self._worked()
            await asyncio.sleep(BEAT)

    def check(self) -> None:
        """Doubt, if there was a pause since the last sign of life. Before ``run`` there is none to miss."""
        now = self._clock.now()
        if self._last is None or now - self._last <= PAUSE:
            return
        gap, self._last = now - self._last, now
        worked = self._worked() - self._used
        self._journal.event("paused", seconds=round(gap, 1), worked=round(worked, 1))
        self._doubt()
