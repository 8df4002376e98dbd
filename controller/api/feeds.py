"""What watches are fed from: changes of resources by revision of the store, and events by revision of its log.

Both are kept for a while, so that a watch resumes where it was. One that resumes from before that gets everything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from controller.api.names import Kind, Name
from controller.api.resources import Reader
from controller.core.journal import Journal
from controller.core.resources import Resources, same
from controller.core.state import State
from controller.sites.base import Change, Space, StoreError
from controller.sites.eventlog import BOUND, decode, parsed
from controller.sites.timeline import Entry
from controller.spec.types import Intent, Pool

KEPT = 4096
"""Revisions of resources that are kept, at most."""
PARTS = 100_000
"""Changes of resources in them, at most."""
WAITING = 256
"""Revisions that wait for a reader; with more of them it is too slow."""
AGAIN = 1.0
"""Seconds until a log that cannot be read is read again."""

T = TypeVar("T")


class Part(NamedTuple):
    """A resource that was changed."""

    name: Name
    value: Any
    """What it is now; None: it is gone."""
    id: str


class Step(NamedTuple):
    """What one revision changed."""

    revision: int
    parts: tuple[Part, ...]


class Happened(NamedTuple):
    """Events that one revision of the log added."""

    revision: int
    entries: tuple[Entry, ...]


Row = TypeVar("Row", Step, Happened)


class Queue(Generic[Row]):
    """What waits for one reader."""

    def __init__(self, wake: asyncio.Event) -> None:
        self.wake = wake
        self.rows: deque[Row] = deque()
        self.slow = False
        """More waited than may: the reader is cut off."""

    def take(self, row: Row) -> None:
        """One more."""
        if len(self.rows) >= WAITING:
            self.slow = True
        else:
            self.rows.append(row)
        self.wake.set()


class Feed(Generic[Row]):
    """Rows by revision, kept for a while, and who reads them."""

    def __init__(self, start: int, most: int, sizes: int) -> None:
        """``start``: the revision after which rows are known."""
        self.start = self.revision = start
        self._most, self._sizes = most, sizes
        self._rows: deque[Row] = deque()
        self._size = 0
        self._readers: set[Queue[Row]] = set()

    def add(self, row: Row) -> None:
        """A revision, in order."""
        self.revision = row.revision
        self._rows.append(row)
        self._size += len(row[1])
        while len(self._rows) > self._most or (self._size > self._sizes and len(self._rows) > 1):
            gone = self._rows.popleft()
            self.start = gone.revision
            self._size -= len(gone[1])
        for reader in self._readers:
            reader.take(row)

    def after(self, revision: int) -> list[Row] | None:
        """Rows after a revision; None: some of them are no longer known, or it is none of ours."""
        if not self.start <= revision <= self.revision:
            return None
        return [row for row in self._rows if row.revision > revision]

    def restart(self, start: int) -> None:
        """Forget the rows: they are replaced."""
        self._rows.clear()
        self._size, self.start, self.revision = 0, start, start

    def join(self, reader: Queue[Row]) -> None:
        """Feed it from now on."""
        self._readers.add(reader)

    def leave(self, reader: Queue[Row]) -> None:
        """No longer."""
        self._readers.discard(reader)


class ResourceFeed(Feed[Step]):
    """Follows what is committed."""

    def __init__(self, state: State, resources: Resources) -> None:
        super().__init__(state.revision, KEPT, PARTS)
        self._state, self._resources, self._then = state, resources, state.stored
        state.committed.subscribe(self._look)

    def _look(self) -> None:
        if self._state.stored is self._then:
            self.revision = max(self.revision, self._state.revision)
            return
        before, self._then = self._then, self._state.stored
        found = (
            Part(name, part, self._resources.id(str(name))) for name, part in _between(before, self._then)
        )
        self.add(Step(self._state.revision, tuple(found)))


def _between(before: Intent, after: Intent) -> Iterator[tuple[Name, Any]]:
    for kind in Kind:
        if kind is Kind.BACKEND:
            continue
        was = dict(Reader.parts(before, kind))
        now = dict(Reader.parts(after, kind))
        for name, part in now.items():
            old = was.get(name)
            if old is None or not same(old, part):
                yield name, part
        yield from ((name, None) for name in was if name not in now)
        if kind is Kind.POOL:
            yield from _backends(was, now)


def _backends(was: dict[Name, Pool], now: dict[Name, Pool]) -> Iterator[tuple[Name, Any]]:
    for name in was.keys() | now.keys():
        old, new = was.get(name), now.get(name)
        if old is new:
            continue
        before = {} if old is None else {real.name: real for real in old.own}
        after = {} if new is None else {real.name: real for real in new.own}
        for backend, real in after.items():
            if before.get(backend) != real:
                yield Name(Kind.BACKEND, name.name, backend), real
        for backend in before.keys() - after.keys():
            yield Name(Kind.BACKEND, name.name, backend), None


class EventFeed(Feed[Happened]):
    """Follows the log of the store."""

    def __init__(self, log: Space, journal: Journal) -> None:
        super().__init__(0, BOUND, BOUND)
        self._log, self._journal = log, journal
        self.ready = asyncio.Event()
        """The log was read once."""

    async def run(self) -> None:
        """Until cancelled. A store that is out of reach ends nothing."""
        since: int | None = None
        while True:
            try:
                async for news in self._log.watch(since):
                    self._take(news)
                    since = news.revision
                    self.ready.set()
            except StoreError:
                pass
            except Exception as error:  # a defect here must not end the controller
                self._journal.failure(error, part="api")
            await asyncio.sleep(AGAIN)

    def _take(self, news: Any) -> None:
        if isinstance(news, Change):
            self._add(news.revision, {n: data for n, data in news.values.items() if data is not None})
            return
        by_revision: dict[int, dict[str, bytes]] = {}
        for name, stored in news.values.items():
            if stored.revision > self.revision:
                by_revision.setdefault(stored.revision, {})[name] = stored.data
        if not self.ready.is_set() and by_revision:
            self.restart(min(by_revision) - 1)
        for revision in sorted(by_revision):
            self._add(revision, by_revision[revision])
        self.revision = max(self.revision, news.revision)

    def _add(self, revision: int, values: dict[str, bytes]) -> None:
        found: list[Entry] = []
        for text, data in values.items():
            name = parsed(text)
            try:
                if name is not None:
                    found += decode(name, data)
            except ValueError:  # the timeline says so to those who read it
                continue
        if found:
            self.add(Happened(revision, tuple(sorted(found, key=lambda each: (each.controller, each.seq)))))
        else:
            self.revision = max(self.revision, revision)
