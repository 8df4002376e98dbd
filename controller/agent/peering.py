"""Beats to and from the other agents over every path, and promises: gRPC, with both sides' certificates. Controllers
are told here what this agent sees of servers.

One stream a path and direction: what is heard on it proves the path. A stream that ends is begun again; what is slow is
late, and lateness is what beats are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import grpc

from controller.agent import peer_pb2 as wire
from controller.agent.peerwire import Word, pack_ask, pack_beat, pack_reply, read_ask, read_beat, read_reply
from controller.core.journal import Journal
from controller.security.certificates import Role
from controller.security.credentials import Credentials, not_a, peer_of
from controller.sites.leasestate import Ask, Reply

SERVICE = "evenkeel.peer.Peer"
AGAIN = 0.2
"""Seconds until a path that broke is tried again."""
WRITE = 1.0
"""Seconds for which a path may take nothing; after that it is begun again."""
PROMISE = 0.5
"""Seconds for an answer to a question: a later one is worth nothing."""
MESSAGE = 64 * 1024
"""Octets of one message, at most."""
STREAMS = 64
"""At one time on one connection, at most."""
OBSERVERS = 16
"""Controllers that are told of servers at one time, at most."""
OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MESSAGE),
    ("grpc.use_local_subchannel_pool", 1),
)
_SERVER = (
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_receive_message_length", MESSAGE),
    ("grpc.max_concurrent_streams", STREAMS),
    ("grpc.so_reuseport", 0),
)


class PathTo(NamedTuple):
    """One way to another agent."""

    agent: str
    address: str


def channel_to(path: PathTo, tls: Credentials | None) -> grpc.aio.Channel:
    """A channel to an agent, whose certificate has to be of its name; ``tls``: None: without certificates."""
    if tls is None:
        return grpc.aio.insecure_channel(path.address, OPTIONS)
    named = (*OPTIONS, ("grpc.ssl_target_name_override", path.agent))
    return grpc.aio.secure_channel(path.address, tls.grpc_channel(), named)


class Hears:
    """What is heard, and who answers; set by the one who assembles."""

    beat: Callable[[Word, str], None]
    """A beat, and the address of ours on which it came."""
    ask: Callable[[str, Ask], Awaitable[Reply | None]]
    """A question about a group; None: it is not known here."""
    observe: Callable[[], AsyncIterator[wire.ObservedMessage]]
    """A controller wants to be told what is seen of servers."""


class Peering:
    """All other agents."""

    def __init__(
        self, name: str, hears: Hears, say: Callable[[], Word], journal: Journal, tls: Credentials | None
    ) -> None:
        """``say``: our next beat. ``tls``: of the certificate that names us; None: all may speak as any."""
        self._name, self._hears, self._say, self._journal, self._tls = name, hears, say, journal, tls
        self._own: tuple[str, ...] = ()
        self._paths: frozenset[PathTo] = frozenset()
        self._period = 0.075
        self._changed = asyncio.Event()
        self._channels: dict[PathTo, grpc.aio.Channel] = {}
        self._observers = 0
        self.problem = ""
        """Why we cannot be reached at one of our addresses; empty: we can."""

    def use(self, own: tuple[str, ...], others: Mapping[str, tuple[str, ...]], period: float) -> None:
        """Our addresses, those of the others, and seconds between beats."""
        paths = frozenset(PathTo(name, at) for name, addresses in others.items() for at in addresses)
        self._period = period
        if (own, paths) != (self._own, self._paths):
            self._own, self._paths = own, paths
            self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._speak(path)) for path in self._paths]
                tasks += [group.create_task(self._listen(address)) for address in self._own]
                await self._changed.wait()
                for task in tasks:
                    task.cancel()

    async def ask(self, key: str, question: Ask) -> AsyncIterator[Reply]:
        """Answers to a question, as they come; the first over any path counts."""
        wanted = set(question.to)
        calls = [
            asyncio.ensure_future(self._ask(path, key, question))
            for path in self._paths
            if path.agent in wanted and path in self._channels
        ]
        try:
            for call in asyncio.as_completed(calls):
                reply = await call
                if reply is not None and reply.name in wanted:
                    wanted.discard(reply.name)
                    yield reply
        finally:
            for each in calls:
                each.cancel()

    async def _ask(self, path: PathTo, key: str, question: Ask) -> Reply | None:
        call = self._channels[path].unary_unary(
            f"/{SERVICE}/Promise",
            request_serializer=wire.AskMessage.SerializeToString,
            response_deserializer=wire.ReplyMessage.FromString,
        )
        try:
            answer = await call(pack_ask(self._name, key, question), timeout=PROMISE)
            return read_reply(answer, key)
        except (grpc.aio.AioRpcError, ValueError):
            return None

    # -- out --------------------------------------------------------------------------------------------------

    async def _speak(self, path: PathTo) -> None:
        """Beats on one path, whatever becomes of it."""
        while True:
            async with channel_to(path, self._tls) as channel:
                self._channels[path] = channel
                try:
                    await self._beats(channel, path)
                except (grpc.aio.AioRpcError, TimeoutError, asyncio.InvalidStateError):
                    pass
                finally:
                    self._channels.pop(path, None)
            await asyncio.sleep(AGAIN)

    async def _beats(self, channel: grpc.aio.Channel, path: PathTo) -> None:
        call = channel.stream_unary(
            f"/{SERVICE}/Beat",
            request_serializer=wire.BeatMessage.SerializeToString,
            response_deserializer=wire.Nothing.FromString,
        )()
        try:
            while not call.done():
                async with asyncio.timeout(WRITE):
                    await call.write(pack_beat(self._say(), path.address))
                await asyncio.sleep(self._period)
        finally:
            call.cancel()

    # -- in ---------------------------------------------------------------------------------------------------

    async def _listen(self, address: str) -> None:
        """Serve at one of our addresses; one that this machine does not have yet is tried again."""
        while True:
            server = grpc.aio.server(options=_SERVER)
            server.add_generic_rpc_handlers((self._handlers(),))
            try:
                self._bind(server, address)
                await server.start()
            except RuntimeError as error:
                await server.stop(None)
                self._say_problem(f"{address}: cannot be listened on: {error}")
                await asyncio.sleep(1.0)
                continue
            self.problem = ""
            try:
                await server.wait_for_termination()
            finally:
                with suppress(asyncio.CancelledError):
                    await server.stop(None)

    def _bind(self, server: Any, address: str) -> None:
        if self._tls is None:
            server.add_insecure_port(address)
            return
        server.add_secure_port(address, self._tls.grpc_server())

    def _handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Beat": grpc.stream_unary_rpc_method_handler(
                    self._hear, wire.BeatMessage.FromString, wire.Nothing.SerializeToString
                ),
                "Promise": grpc.unary_unary_rpc_method_handler(
                    self._promise, wire.AskMessage.FromString, wire.ReplyMessage.SerializeToString
                ),
                "Observe": grpc.unary_stream_rpc_method_handler(
                    self._observe, wire.ObserveMessage.FromString, wire.ObservedMessage.SerializeToString
                ),
            },
        )

    async def _hear(self, beats: AsyncIterator[wire.BeatMessage], context: Any) -> wire.Nothing:
        async for message in beats:
            await self._check(message.agent, context)
            if message.path not in self._own:
                why = f"{message.path[:100]!r} is none of the addresses of {self._name}"
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, why)
            self._hears.beat(read_beat(message), message.path)
        return wire.Nothing()

    async def _promise(self, message: wire.AskMessage, context: Any) -> wire.ReplyMessage:
        await self._check(message.agent, context)
        try:
            question = read_ask(message, self._name)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        reply = await self._hears.ask(message.group, question)
        if reply is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no group {message.group}")
        assert reply is not None
        return pack_reply(reply)

    async def _observe(
        self, message: wire.ObserveMessage, context: Any
    ) -> AsyncIterator[wire.ObservedMessage]:
        await self._check_role(context)
        if self._observers >= OBSERVERS:
            why = f"{OBSERVERS} controllers are told of servers already"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, why)
        self._observers += 1
        try:
            async for each in self._hears.observe():
                yield each
        finally:
            self._observers -= 1

    async def _check(self, agent: str, context: Any) -> None:
        """Who speaks is who the certificate names, and one of the agents that the intent names."""
        if agent not in {path.agent for path in self._paths}:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"no agent is called {agent!r} here")
        if self._tls is None:
            return
        names = context.auth_context().get("x509_common_name", [])
        if agent.encode() not in names:
            shown = ", ".join(each.decode(errors="replace") for each in names) or "no name"
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED, f"the certificate is of {shown}, not of {agent}"
            )

    async def _check_role(self, context: Any) -> None:
        """A controller is known by the role of its certificate; one of another authority says nothing of roles."""
        if self._tls is None:
            return
        shown = peer_of(context.auth_context())
        why = "it shows no certificate" if shown is None else not_a(Role.CONTROLLER, shown)
        if why is not None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, why)

    def _say_problem(self, problem: str) -> None:
        if problem != self.problem:
            self._journal.event("peer_problem", why=problem)
        self.problem = problem
