"""Watches: what changes from a position on, each reader with a queue of its own that is bounded.

    resume: known position ─► what came after it ─► bookmark ─► what comes
            otherwise      ─► reset, everything  ─► bookmark ─► what comes

A position amid what one revision changed is the one before: a reader that resumes there sees all of it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import grpc
from google.protobuf.json_format import ParseDict

from controller.api.errors import Reason, Refused, invalid
from controller.api.feeds import EventFeed, Happened, Queue, ResourceFeed, Step
from controller.api.names import NUMBERS, WHOLE, Kind
from controller.api.resources import Reader, message
from controller.api.v1 import service_pb2 as api
from controller.sites.timeline import Entry

WATCHES = 128
"""Watches at a time."""
BOOKMARK = 10.0
"""Seconds between bookmarks, at most."""
LOG = 5.0
"""Seconds that the first reading of the log may take."""
REST = 200
"""Messages after which other tasks have a turn."""


class Watches:
    """Serves them."""

    def __init__(self, reader: Reader, resources: ResourceFeed, events: EventFeed) -> None:
        self._reader = reader
        self._resources, self._events = resources, events
        self._wakes: set[asyncio.Event] = set()
        self._closed = False

    def close(self) -> None:
        """End all of them."""
        self._closed = True
        for wake in self._wakes:
            wake.set()

    async def watch(self, request: api.WatchRequest) -> AsyncIterator[api.WatchResponse]:
        """Until cancelled. Raises Refused."""
        kinds = _kinds(request)
        if len(self._wakes) >= WATCHES:
            text = f"{WATCHES} watches are open already"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            raise Refused(code, Reason.TOO_MANY_CALLS, text, retry_in=5.0)
        with self._opened(request) as watch:
            if watch.events is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOG):
                        await self._events.ready.wait()
            count = 0
            async for each in watch.follow(request, kinds):
                yield each
                count += 1
                if count % REST == 0:
                    await asyncio.sleep(0)
            raise Refused(
                grpc.StatusCode.UNAVAILABLE, Reason.STARTING, "this controller ends; resume with another"
            )

    @contextmanager
    def _opened(self, request: api.WatchRequest) -> Iterator[_Watch]:
        wake = asyncio.Event()
        steps: Queue[Step] = Queue(wake)
        events: Queue[Happened] | None = Queue(wake) if request.events else None
        self._wakes.add(wake)
        self._resources.join(steps)
        if events is not None:
            self._events.join(events)
        try:
            yield _Watch(self, wake, steps, events)
        finally:
            self._wakes.discard(wake)
            self._resources.leave(steps)
            if events is not None:
                self._events.leave(events)


class _Watch:
    def __init__(
        self, of: Watches, wake: asyncio.Event, steps: Queue[Step], events: Queue[Happened] | None
    ) -> None:
        self._of, self._wake, self._steps, self.events = of, wake, steps, events
        self._at = api.Position()

    async def follow(
        self, request: api.WatchRequest, kinds: frozenset[Kind]
    ) -> AsyncIterator[api.WatchResponse]:
        """What came, then what comes, until the watches are closed."""
        self._at.CopyFrom(request.after)
        for each in self._begun(request.HasField("after"), kinds):
            yield each
        yield self._bookmark()
        while not self._of._closed:
            for each in self._waiting(kinds):
                yield each
            with suppress(TimeoutError):
                async with asyncio.timeout(BOOKMARK):
                    await self._wake.wait()
                    self._wake.clear()
                    continue
            self._advance()
            yield self._bookmark()

    def _begun(self, resumes: bool, kinds: frozenset[Kind]) -> Iterator[api.WatchResponse]:
        feed = self._of._resources
        if self.events is not None:
            log = self._of._events
            known = log.after(self._at.event_revision)
            for row in log.after(log.start) or () if known is None else known:
                yield from self._events_of(row)
        if not kinds:
            return
        rows = feed.after(self._at.revision) if resumes else None
        if rows is None:
            yield from self._everything(resumes, kinds)
        else:
            for step in rows:
                yield from self._step(step, kinds)
            self._at.revision = max(self._at.revision, feed.revision)

    def _everything(self, resumes: bool, kinds: frozenset[Kind]) -> Iterator[api.WatchResponse]:
        """The position stays where it was until all of it is said."""
        known, revision = self._of._reader.everything(kinds), self._of._resources.revision
        why = f"what changed after revision {self._at.revision} is not known here" if resumes else ""
        yield self._said(reset=api.Reset(why=why))
        for each in known:
            yield self._said(put=message(*each))
        self._at.revision = revision

    def _waiting(self, kinds: frozenset[Kind]) -> Iterator[api.WatchResponse]:
        while self._steps.rows or (self.events is not None and self.events.rows):
            self._check_pace()
            while self._steps.rows:
                yield from self._step(self._steps.rows.popleft(), kinds)
            if self.events is not None and self.events.rows:
                yield from self._events_of(self.events.rows.popleft())
        self._check_pace()

    def _check_pace(self) -> None:
        if self._steps.slow or (self.events is not None and self.events.slow):
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                Reason.SLOW_READER,
                "read too slowly; resume with the last position: nothing is lost",
                metadata={
                    "revision": str(self._at.revision),
                    "event_revision": str(self._at.event_revision),
                },
            )

    def _step(self, step: Step, kinds: frozenset[Kind]) -> Iterator[api.WatchResponse]:
        if step.revision <= self._at.revision:
            return
        parts = [part for part in step.parts if part.name.kind in kinds]
        for index, part in enumerate(parts):
            if index == len(parts) - 1:
                self._at.revision = step.revision
            if part.value is None:
                yield self._said(deleted=str(part.name))
            else:
                yield self._said(put=message(part.name, part.value, part.id, step.revision))
        self._at.revision = step.revision

    def _events_of(self, row: Happened) -> Iterator[api.WatchResponse]:
        if row.revision <= self._at.event_revision:
            return
        for index, entry in enumerate(row.entries):
            if index == len(row.entries) - 1:
                self._at.event_revision = row.revision
            yield self._said(event=event(entry))

    def _advance(self) -> None:
        """Nothing waits: the watch has come as far as the feeds."""
        if not self._steps.rows:
            self._at.revision = max(self._at.revision, self._of._resources.revision)
        if self.events is not None and not self.events.rows:
            self._at.event_revision = max(self._at.event_revision, self._of._events.revision)

    def _bookmark(self) -> api.WatchResponse:
        return self._said(bookmark=api.Bookmark())

    def _said(self, **news: object) -> api.WatchResponse:
        return api.WatchResponse(position=self._at, **news)  # type: ignore[arg-type]


def event(entry: Entry) -> api.Event:
    """An event of the timeline as a message."""
    made = api.Event(
        controller=entry.controller,
        number=entry.seq,
        at=entry.at,
        revision=entry.change,
        event=entry.event,
        cause=entry.cause,
    )
    ParseDict(dict(entry.fields), made.fields)
    return made


def _kinds(request: api.WatchRequest) -> frozenset[Kind]:
    if request.no_resources:
        if request.kinds or not request.events:
            raise invalid("no_resources", "is true: then set events, and no kinds")
        return frozenset()
    found = set()
    for index, number in enumerate(request.kinds):
        if number not in NUMBERS:
            raise invalid(f"kinds[{index}]", f"is {number}, write one of {', '.join(api.Kind.keys()[1:])}")
        found.add(NUMBERS[number])
    return frozenset(found or WHOLE)
