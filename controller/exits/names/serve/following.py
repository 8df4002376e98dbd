"""A name server follows controllers, and goes on without them.

    news ─► octets ─► (thread) content ─► server
               └─► kept in a file ─► content at the next start

When no controller is heard, the last content counts for ``expire`` seconds. After that nothing is answered: an answer
so old may name what is long gone, and another name server may know better.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from controller.clock import Clock
from controller.core.journal import Journal
from controller.exits.names.content import Content
from controller.exits.names.serve.kept import Kept
from controller.exits.names.serve.server import NameServer

SILENT = 10.0
"""Seconds without a word after which no controller is followed any more, as far as it is shown."""
LOOK = 1.0
"""Seconds between looks at how long it has been."""
KEEP = 30.0
"""Seconds between writes that only say that a controller was heard."""
NOTHING = Content(0, {})


class News(NamedTuple):
    """What a controller says."""

    revision: int
    octets: bytes | None = None
    """What answers follow from; None: as before, or nothing."""
    none: bool = False
    """There are no zones."""


class Following:
    """Of one name server."""

    def __init__(
        self,
        server: NameServer,
        made: Callable[[bytes], Content],
        kept: Kept,
        journal: Journal,
        clock: Clock,
        expire: float,
    ) -> None:
        """``made``: the content of octets; called in a thread, one at a time; whatever it raises refuses them."""
        self._server, self._made, self._kept = server, made, kept
        self._journal, self._clock, self._expire = journal, clock, expire
        self._octets: bytes | None = None
        self._heard: float | None = None
        """By the clock."""
        self._written = 0.0
        self._names: dict[str, int] = {}
        self.revision = 0
        """Of the store, as it was heard last."""
        self.alone = True
        """No controller is heard."""
        self.expired = False
        """What is known is too old to be answered."""
        self.problem = ""
        """Why what was sent cannot be used, or kept; empty: it can."""

    @property
    def age(self) -> float | None:
        """Seconds since a controller was heard; None: none ever was."""
        return None if self._heard is None else max(0.0, self._clock.now() - self._heard)

    async def begin(self) -> None:
        """Serve what was kept, unless it is too old."""
        try:
            last = await asyncio.to_thread(self._kept.read)
        except OSError as error:
            self._problem(f"{self._kept.file}: {error.strerror}")
            return
        if last is None:
            return
        age = max(0.0, self._clock.wall() - last.heard)
        if age < self._expire and await self._use(last.octets):
            self._heard = self._clock.now() - age
            self._octets = last.octets

    async def follow(self, news: AsyncIterator[News]) -> None:
        """Take what comes, until it ends."""
        async for each in news:
            self._hear(each)
            if each.none:
                self._octets = None
                self._put(NOTHING)
                await self._keep(b"")
            elif each.octets is not None and (each.octets != self._octets or self.expired):
                if await self._use(each.octets):
                    self._octets = each.octets
                    await self._keep(each.octets)
            elif self.expired and self._octets is not None:
                await self._use(self._octets)
            await self._touch()

    def refused(self, why: str) -> None:
        """No controller says anything for a reason that does not pass by itself, or something else is wrong."""
        self._problem(why)

    async def watch(self) -> None:
        """See how long it has been; until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            age = self.age
            if age is None or age < SILENT:
                continue
            if not self.alone:
                self.alone = True
                self._journal.event("nameserver_alone", revision=self.revision, seconds=round(age))
            if age >= self._expire and not self.expired:
                self.expired = True
                self._server.put(NOTHING)
                self._journal.event("nameserver_expired", seconds=round(age))

    # -- how --------------------------------------------------------------------------------------------------

    def _hear(self, news: News) -> None:
        self._heard, self.revision = self._clock.now(), news.revision
        if self.alone:
            self.alone = False
            self._journal.event("nameserver_follows", revision=news.revision)

    async def _use(self, octets: bytes) -> bool:
        """Serve it. Whether it can be."""
        if not octets:
            self._put(NOTHING)
            return True
        try:
            content = await asyncio.to_thread(self._made, octets)
        except Exception as error:  # whatever another version sends
            self._problem(f"what the controller sent cannot be read: {type(error).__name__}: {error}")
            return False
        self.problem = ""
        self._put(content)
        return True

    def _put(self, content: Content) -> None:
        self.expired = False
        self._server.put(content)
        if self._server.zones != self._names:
            self._names = self._server.zones
            self._journal.event("nameserver_zones", revision=content.revision, names=self._names)

    def _problem(self, why: str) -> None:
        if why != self.problem:
            self._journal.event("nameserver_problem", why=why)
        self.problem = why

    async def _keep(self, octets: bytes) -> None:
        wall = self._clock.wall()
        try:
            await asyncio.to_thread(self._kept.write, octets, wall)
        except OSError as error:
            self._problem(f"{self._kept.file}: {error.strerror}")
        else:
            self._written = self._clock.now()

    async def _touch(self) -> None:
        if self._written and self._clock.now() - self._written >= KEEP:
            self._written = self._clock.now()
            try:
                await asyncio.to_thread(self._kept.touch, self._clock.wall())
            except OSError as error:
                self._problem(f"{self._kept.file}: {error.strerror}")
