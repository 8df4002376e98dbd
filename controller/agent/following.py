"""Follows the store: facts, and the records of leases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from controller.agent.facts import NAMES, Facts, facts_of
from controller.core.journal import Journal
from controller.sites.base import Change, Loaded, Space, Store, Stored, StoreError

AGAIN = 0.2
"""Seconds until a watch that ended is begun again."""

Seen = Callable[[str, int, bytes | None], None]
"""A register: its name, its revision (of one that is missing, the store's), and what it holds."""


class FollowingFacts:
    """The newest facts."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        on_facts: Callable[[Facts], None],
        on_change: Callable[[Change | Loaded], None] = lambda _: None,
    ) -> None:
        """``on_change``: handed all that is stored, and then each batch."""
        self._store, self._journal, self._on_facts, self._on_change = store, journal, on_facts, on_change
        self._values: dict[str, bytes] = {}
        self.problem = ""
        """Why what is stored cannot be read; empty: it can."""

    async def run(self) -> None:
        """Until cancelled. A store that is out of reach ends nothing: the last facts count."""
        since: int | None = None
        while True:
            try:
                async for change in self._store.watch(since):
                    since = change.revision
                    self._on_change(change)
                    if isinstance(change, Loaded):
                        self._values = {n: s.data for n, s in change.values.items() if n in NAMES}
                        await self._take()
                    elif NAMES & change.values.keys():
                        self._change(change.values)
                        await self._take()
            except StoreError as error:
                self.problem = str(error)
            await asyncio.sleep(AGAIN)

    def _change(self, batch: Mapping[str, bytes | None]) -> None:
        for name in NAMES & batch.keys():
            data = batch[name]
            if data is None:
                self._values.pop(name, None)
            else:
                self._values[name] = data

    async def _take(self) -> None:
        try:
            facts = await asyncio.to_thread(facts_of, dict(self._values))
        except ValueError as error:
            self.problem = str(error)
            self._journal.event("facts_refused", why=self.problem)
            return
        self.problem = ""
        self._on_facts(facts)


class FollowingRegisters:
    """Hands on what becomes of registers."""

    def __init__(
        self, registers: Space, on_seen: Seen, on_start: Callable[[Mapping[str, Stored], int], None]
    ) -> None:
        """``on_start``: all of them at one revision; what is not among them is missing."""
        self._registers, self._on_seen, self._on_start = registers, on_seen, on_start

    async def run(self) -> None:
        """Until cancelled."""
        since: int | None = None
        while True:
            try:
                async for change in self._registers.watch(since):
                    since = change.revision
                    if isinstance(change, Loaded):
                        self._on_start(change.values, change.revision)
                        continue
                    for name, data in change.values.items():
                        self._on_seen(name, change.revision, data)
            except StoreError:
                pass
            await asyncio.sleep(AGAIN)
