"""Watches inside one process: each reader has a bounded queue, and one that is too slow starts from all values."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from controller.sites.base import QUEUE, Change, Loaded, Reset


class Feed:
    """Hands each batch to all who watch."""

    def __init__(self, load: Callable[[], Awaitable[Loaded]], bound: int = QUEUE) -> None:
        """``load``: all values, of a revision that no batch told later is older than."""
        self._load = load
        self._bound = bound
        self._readers: set[_Reader] = set()

    def tell(self, change: Change) -> None:
        """A batch was written. Called in the order of revisions, in the event loop of those who watch."""
        for reader in self._readers:
            reader.take(change, self._bound)

    async def watch(self, since: int | None) -> AsyncIterator[Change | Reset]:
        """Batches after a revision; all values first, unless that is the last one."""
        reader = _Reader()
        self._readers.add(reader)  # before loading, so that nothing is missed in between
        try:
            while True:
                loaded = await self._load()
                if since != loaded.revision:
                    since = loaded.revision
                    yield Reset(loaded.values, since)
                reader.lost = False
                while not reader.lost:
                    change = await reader.next()
                    if change is not None and change.revision > since:
                        since = change.revision
                        yield change
        finally:
            self._readers.discard(reader)


class _Reader:
    def __init__(self) -> None:
        self.lost = False
        """More waited than may."""
        self._waiting: deque[Change] = deque()
        self._news = asyncio.Event()

    def take(self, change: Change, bound: int) -> None:
        if len(self._waiting) < bound:
            self._waiting.append(change)
        else:
            self._waiting.clear()
            self.lost = True
        self._news.set()

    async def next(self) -> Change | None:
        """The next batch; None: some were lost."""
        while not self._waiting:
            if self.lost:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()
