"""Says in the event loop what happens in threads."""

from __future__ import annotations

import asyncio
from functools import partial

from controller.core.journal import Journal


class Saying:
    """A journal for threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """In the event loop, before anything else."""
        self._loop = asyncio.get_running_loop()

    def event(self, name: str, **fields: object) -> None:
        """From any thread; nothing before the loop runs, or after it ended."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(partial(self._journal.event, name, **fields))
