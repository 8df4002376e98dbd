"""A watch that outlives members: resumed by revision, and from all values where etcd no longer has what was missed.

Nothing is queued here: an answer is read when its reader wants one, and gRPC's windows hold up what the member sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, suppress
from itertools import groupby
from typing import Any, NamedTuple

import grpc

from controller.sites.base import Change, Loaded, Reset, StoreError
from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.client import Client, Compacted, refused, said

QUIET = 1.0
"""Seconds without a word after which a member is asked for one, and for its answer."""
PATIENCE = 10.0
"""Seconds for which a watch looks for a member that serves it."""
PAUSE = 0.1
"""Seconds between two attempts."""


class Start(NamedTuple):
    """All values, and where to go on from."""

    loaded: Loaded
    seen: int
    """etcd's revision that they were read at."""


Group = list[wire.Event]
"""Events of one revision."""


async def watched(
    client: Client,
    span: tuple[bytes, bytes],
    load: Callable[[], Awaitable[Start]],
    read: Callable[[int, Group], Awaitable[Change | None]],
    since: int | None,
) -> AsyncIterator[Change | Reset]:
    """Changes of the keys in ``span`` after revision ``since``.

    ``read`` makes a change of the events of one revision, or None of those that change nothing that is seen; it raises
    Compacted if it needs what is no longer there.
    """
    seen = since
    patience = _Patience(client.name)
    while True:
        try:
            if seen is None:
                start = await load()
                seen = start.seen
                yield Reset(start.loaded.values, start.loaded.revision)
            async with aclosing(_groups(client, span, seen + 1, patience.over)) as groups:
                async for revision, group in groups:
                    change = await read(revision, group)
                    seen = revision
                    if change is not None:
                        yield change
        except (Compacted, TooMuch):
            seen = None
        except StoreError as error:
            await patience.bear(error)


class _Patience:
    """How long nothing has worked."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._clock = asyncio.get_running_loop().time
        self._since: float | None = None

    def over(self) -> None:
        """It works."""
        self._since = None

    async def bear(self, error: StoreError) -> None:
        """Wait a moment. Raises StoreError when it has been long enough."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        if now - self._since > PATIENCE:
            raise StoreError(f"{self._store}: cannot be watched for {PATIENCE:g} s: {error}") from error
        await asyncio.sleep(PAUSE)


async def _groups(
    client: Client, span: tuple[bytes, bytes], start: int, works: Callable[[], None]
) -> AsyncGenerator[tuple[int, Group], None]:
    """Events by revision, from one member. Raises Compacted, TooMuch, StoreError: then another one is asked next."""
    endpoint = client.endpoint
    stream = Stream(client, endpoint, QUIET)
    try:
        await stream.open(*span, start)
        while True:
            found = await stream.read()
            works()
            for revision, group in by_revision(found.events):
                yield revision, group
    except StoreError:
        client.next(endpoint)
        raise
    finally:
        await stream.close()


def by_revision(events: Iterable[wire.Event]) -> Iterator[tuple[int, Group]]:
    """etcd sends events in order, and those of one revision in one answer."""
    for revision, group in groupby(events, lambda event: event.kv.mod_revision):
        yield revision, list(group)


class TooMuch(Exception):
    """An answer is longer than client.MESSAGE."""


class Stream:
    """One watch on one member, each wait with a deadline."""

    def __init__(self, client: Client, endpoint: str, quiet: float) -> None:
        """``quiet``: seconds without a word after which the member is asked for one, and for its answer."""
        self._call = client.stream(endpoint)
        self._client, self._endpoint, self._quiet = client, endpoint, quiet
        self._reading: asyncio.Task[Any] | None = None

    async def open(self, key: bytes, end: bytes, start: int) -> None:
        """Watch keys from a revision on. Raises StoreError."""
        create = wire.WatchCreateRequest(key=key, range_end=end, start_revision=start)
        await self._write(wire.WatchRequest(create=create))

    async def read(self) -> wire.WatchResponse:
        """The next answer that says something. Raises Compacted, TooMuch, StoreError."""
        asked = False
        while True:
            found = await self._read()
            if found is None:
                if asked:
                    raise StoreError(
                        f"{self._client.name}: {self._endpoint} has not answered for {self._quiet:g} s"
                    )
                asked = True
                await self._write(wire.WatchRequest(progress=wire.WatchProgressRequest()))
                continue
            asked = False
            if found.canceled:
                if found.compact_revision:
                    raise Compacted
                raise refused(self._client.name, self._endpoint, found.cancel_reason or "it ended the watch")
            if found.created or found.events:
                return found

    async def close(self) -> None:
        """End it."""
        self._call.cancel()
        if self._reading is not None:
            with suppress(asyncio.CancelledError, grpc.aio.AioRpcError, grpc.aio.UsageError):
                await self._reading

    async def _write(self, request: wire.WatchRequest) -> None:
        try:
            async with asyncio.timeout(self._quiet):
                await self._call.write(request)
        except TimeoutError as error:
            raise StoreError(f"{self._client.name}: {self._endpoint} takes nothing") from error
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError) as error:
            raise self._ended(error) from error

    async def _read(self) -> wire.WatchResponse | None:
        """The next answer; None: there was none for some time. A read is never cancelled: that would end the call."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._call.read())
        done, _ = await asyncio.wait([self._reading], timeout=self._quiet)
        if not done:
            return None
        reading, self._reading = self._reading, None
        try:
            found = reading.result()
        except (grpc.aio.AioRpcError, grpc.aio.UsageError) as error:
            raise self._ended(error) from error
        except asyncio.CancelledError:
            # Of the call, which has ended meanwhile, or of this task, which asyncio.wait would have said.
            raise StoreError(f"{self._client.name}: {self._endpoint} ended the stream") from None
        if found is grpc.aio.EOF:
            raise StoreError(f"{self._client.name}: {self._endpoint} ended the stream")
        assert isinstance(found, wire.WatchResponse)
        return found

    def _ended(self, error: Exception) -> Exception:
        if isinstance(error, grpc.aio.AioRpcError):
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in said(error):
                return TooMuch()
            return refused(self._client.name, self._endpoint, said(error))
        return StoreError(f"{self._client.name}: {self._endpoint} ended the stream: {error}")
