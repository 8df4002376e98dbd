"""The server: listens, and keeps each client's stream as the book says.

request ─► session ─┐
book ───────────────┴─► what is due ─► client, which answers within 30 s or is cut off
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any

import grpc

from controller.clock import Clock
from controller.exits.xds.book import EMPTY, Book
from controller.exits.xds.kinds import Kind
from controller.exits.xds.session import ANSWERS, Asked, Refusal, Session, TooMuch
from controller.exits.xds.wire import PROTOCOLS, SERVICE, Client, Protocol, client
from controller.security.credentials import Credentials

STREAMS = 5000
"""Clients at a time."""
REQUEST = 1 << 20
"""Octets of a request, at most."""
GRACE = 0.2
"""Seconds for streams to end when the server does."""
AT_ONCE = 20
"""Clients that are woken in one step of the event loop."""
IDENTIFIES = 30.0
"""Seconds in which a stream has to make its first request."""
_OPTIONS = (
    ("grpc.max_receive_message_length", REQUEST),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.server.max_pending_requests", STREAMS),
    ("grpc.server.max_pending_requests_hard_limit", 2 * STREAMS),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.so_reuseport", 0),
    ("grpc.max_metadata_size", 16 << 10),
)


class CannotListen(Exception):
    """The address cannot be had; the message says why."""


class Stream:
    """One client."""

    def __init__(self, protocol: Protocol, session: Session, who: Client, address: str) -> None:
        self.protocol, self.session, self.who, self.address = protocol, session, who, address
        self.wake = asyncio.Event()
        self.ended = False
        """The client sends nothing more."""
        self.cut = ""
        """Why it is cut off; empty: it is not."""

    @property
    def refusals(self) -> list[Refusal]:
        """What it refuses now, and has not been sent otherwise since."""
        found = (to.refused for to in self.session.subscriptions.values())
        return [each for each in found if each is not None]

    @property
    def waits(self) -> bool:
        """A response is on its way."""
        return any(to.on_way for to in self.session.subscriptions.values())


class Server:
    """Serves one book after the other."""

    def __init__(
        self, clock: Clock, refused: Callable[[Stream, Refusal], None], cut: Callable[[Stream], None]
    ) -> None:
        """``refused``: called for each response that a client refuses; ``cut``: for each that is cut off."""
        self._clock, self._refused, self._cut = clock, refused, cut
        self.book: Book = EMPTY
        self.streams: set[Stream] = set()
        self.responses: Counter[Kind] = Counter()
        self.current: Counter[Kind] = Counter()
        """Clients that came back and had what they should."""
        self.turned_away = self._open = 0
        self._server: Any = None

    async def start(self, address: str, tls: Credentials | None, certificates: bool) -> None:
        """Listen. ``certificates``: each client has to show one. Raises CannotListen."""
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=2 * STREAMS)
        handlers = {
            each.method: grpc.stream_stream_rpc_method_handler(
                self._handler(each), request_deserializer=each.read, response_serializer=None
            )
            for each in PROTOCOLS
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            if tls is None:
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, tls.grpc_server(certificates))
        except RuntimeError as error:
            raise CannotListen(f"cannot listen at {address}: {error}") from None
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Listen no longer; clients keep what they have."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(GRACE)

    async def publish(self, book: Book) -> None:
        """Have all clients get what they lack of it, some at a time: the loop has other work."""
        self.book = book
        for number, stream in enumerate(tuple(self.streams), 1):
            stream.wake.set()
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _handler(self, protocol: Protocol) -> Callable[[Any, Any], Any]:
        async def serve(requests: AsyncIterator[Any], context: Any) -> None:
            if self._open >= STREAMS:
                self.turned_away += 1
                text = f"{STREAMS} clients are connected; come back later"
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
            self._open += 1
            try:
                await known(requests, context)
            finally:
                self._open -= 1

        async def known(requests: AsyncIterator[Any], context: Any) -> None:
            first = await self._first(requests, context)
            who = client(first)
            stream = Stream(protocol, protocol.session(who.region), who, context.peer() or "")
            self.streams.add(stream)
            try:
                await self._serve(stream, first, requests, context)
            finally:
                self.streams.discard(stream)
            if stream.cut:
                self._cut(stream)
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, stream.cut)

        return serve

    async def _first(self, requests: AsyncIterator[Any], context: Any) -> Any:
        try:
            async with asyncio.timeout(IDENTIFIES):
                async for request in requests:
                    return request
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"nothing asked for {IDENTIFIES:g} s")
        return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "nothing was asked")

    async def _serve(self, stream: Stream, first: Any, requests: AsyncIterator[Any], context: Any) -> None:
        try:
            self._take(stream, stream.protocol.asked(first))
        except TooMuch as error:
            stream.cut = f"the client {error}"
            return
        reading = asyncio.create_task(self._read(stream, requests))
        try:
            await self._write(stream, context)
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self, stream: Stream, requests: AsyncIterator[Any]) -> None:
        try:
            async for request in requests:
                self._take(stream, stream.protocol.asked(request))
                stream.wake.set()
        except TooMuch as error:
            stream.cut = f"the client {error}"
        finally:
            stream.ended = True
            stream.wake.set()

    def _take(self, stream: Stream, asked: Asked | None) -> None:
        if asked is None:
            return
        first = asked.kind not in stream.session.subscriptions
        refusal = stream.session.ask(asked, self.book)
        if first and stream.session.subscriptions[asked.kind].have:
            self.current[asked.kind] += 1
        if refusal is not None:
            self._refused(stream, refusal)

    async def _write(self, stream: Stream, context: Any) -> None:
        """Until the client is gone or cut off."""
        session = stream.session
        while not stream.ended and not stream.cut:
            stream.wake.clear()
            late = session.late(self._clock.now())
            if late is not None:
                stream.cut = f"no answer to {late.word} for {ANSWERS:g} s"
                return
            found = session.due(self.book, self._clock.now())
            if found is None:
                await self._rest(stream)
                continue
            self.responses[found.kind] += 1
            try:
                async with asyncio.timeout(ANSWERS):
                    await context.write(stream.protocol.octets(found))
            except TimeoutError:
                stream.cut = f"{found.kind.word} were not read for {ANSWERS:g} s"

    async def _rest(self, stream: Stream) -> None:
        now = self._clock.now()
        until = stream.session.deadline(now)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if until is None else max(0.0, until - now)):
                await stream.wake.wait()


def refusals(streams: Iterable[Stream]) -> list[tuple[Stream, Refusal]]:
    """All that clients refuse now."""
    return [(stream, refusal) for stream in streams for refusal in stream.refusals]
