"""The store as a dict: what every other one has to agree with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from controller.sites.base import (
    ABSENT,
    ANY,
    COMMIT,
    Batch,
    Change,
    Guard,
    Loaded,
    Reset,
    Stored,
    StoreError,
    applied,
    refuse_unguarded,
    require,
)
from controller.sites.feed import Feed


class MemorySpace:
    """Values in a dict; fails when the test says so."""

    name = "a store in memory"

    def __init__(self, values: Mapping[str, bytes] | None = None) -> None:
        self.revision = 1 if values else ABSENT
        self.stored = {name: Stored(data, self.revision) for name, data in (values or {}).items()}
        self.fails: str | Exception = ""
        """Why nothing can be written; empty: it can."""
        self.unread = ""
        """Why nothing can be read; empty: it can."""
        self.batches: list[dict[str, bytes | None]] = []
        """What was written."""
        self.asked = 0
        self.feed = Feed(self.load)

    @property
    def values(self) -> dict[str, bytes]:
        """What is stored."""
        return self.loaded().data()

    def loaded(self) -> Loaded:
        """All values, at once."""
        return Loaded(dict(self.stored), self.revision)

    async def load(self) -> Loaded:
        """All values."""
        if self.unread:
            raise StoreError(self.unread)
        return self.loaded()

    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT) -> int:
        """Write a batch, in a moment."""
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails if isinstance(self.fails, Exception) else StoreError(self.fails)
        require(self.name, guard, self.revision, self.stored.get)
        if any("\0" in name for name in batch):
            raise StoreError("a name with a NUL")
        self.batches.append(dict(batch))
        self.revision += 1
        self.stored = applied(self.stored, batch, self.revision)
        self.feed.tell(Change(self.revision, dict(batch)))
        return self.revision

    def watch(self, since: int | None = None) -> AsyncIterator[Change | Reset]:
        """Batches after a revision."""
        return self.feed.watch(since)


class _Registers(MemorySpace):
    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT) -> int:
        refuse_unguarded(self.name, batch, guard)
        return await super().commit(batch, guard, within)


class MemoryStore(MemorySpace):
    """All spaces."""

    def __init__(self, values: Mapping[str, bytes] | None = None) -> None:
        super().__init__(values)
        self.registers = _Registers()
        self.log = _Registers()
