"""Writes what a controller shows of itself to a file, as often as that costs little."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from controller.clock import Clock
from controller.core import statusfile
from controller.core.journal import Journal
from controller.core.shown import Snapshot

STATUS_PERIOD = 1.0
"""Seconds between writes of ``status.json``."""
STATUS_PAUSE_FACTOR = 20.0
"""What took long to show is shown again after so many times as long: the loop has other work."""


class Showing:
    """The last status."""

    def __init__(self, take: Callable[[], Snapshot], journal: Journal, clock: Clock) -> None:
        """``take``: what there is to show now."""
        self._take, self._journal, self._clock = take, journal, clock
        self._latest: tuple[Snapshot, float] | None = None

    def latest(self) -> tuple[Snapshot, float]:
        """It, and when it was taken, seconds of the clock."""
        return self._latest or (self._take(), self._clock.now())

    async def run(self, path: Path) -> None:
        """Keep the file current; until cancelled."""
        while True:
            began = self._clock.now()
            took = 0.0
            try:
                shown = self._take()
                self._latest = shown, began
                took = self._clock.now() - began
                await asyncio.to_thread(_write, path, shown)
            except Exception as error:  # what is shown must not end what is shown
                self._journal.failure(error, file=str(path))
            await asyncio.sleep(max(STATUS_PERIOD, STATUS_PAUSE_FACTOR * took))


def _write(path: Path, shown: Snapshot) -> None:
    """Nothing in a snapshot changes once it is taken: it becomes text beside the event loop."""
    statusfile.write(path, json.dumps(shown.as_json(), indent=1))
