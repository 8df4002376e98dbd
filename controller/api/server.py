"""The API's server: it listens for the whole life of the process, and serves while there is a controller to serve.

standing by:  every call is UNAVAILABLE, and names the leader
leading:      services of the controller
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import grpc
from google.protobuf import message_factory
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from controller.api.calls import Once, Rates
from controller.api.drills import Drills
from controller.api.errors import HEADER, Reason, Refused
from controller.api.feeds import EventFeed, ResourceFeed
from controller.api.guarding import Call, Caller, Guard
from controller.api.intents import IntentService
from controller.api.listening import Where, bind
from controller.api.nameservers import NameServerService
from controller.api.operations import OperationService
from controller.api.parts import Parts
from controller.api.proposals import Proposals
from controller.api.resources import Reader
from controller.api.statuses import StatusService
from controller.api.v1 import service_pb2 as api
from controller.api.watching import Watches
from controller.clock import Clock
from controller.core.journal import Journal

LONGEST = 30.0
"""Seconds that a call may take which has no deadline of its own."""
MESSAGE = 16 << 20
"""Octets of a message, at most."""
STREAMS = 1024
"""Calls at a time on one connection."""
CALLS = 4096
"""Calls at a time."""
GRACE = 1.0
"""Seconds that calls may go on when the server ends."""
CHANGES = frozenset(
    {
        *("Apply", "Delete", "Drain", "Undrain", "SetWeights"),
        *("MoveVip", "Drill", "DrainSite", "UndrainSite", "Failback", "Rehash", "ClaimWithoutQuorum"),
    }
)
"""Methods that change something."""
_SERVICES = api.DESCRIPTOR.services_by_name
_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE),
    ("grpc.max_concurrent_streams", STREAMS),
    # Beyond a thousand that wait for the event loop gRPC cancels calls at random, unless it is told otherwise.
    ("grpc.server.max_pending_requests", CALLS),
    ("grpc.server.max_pending_requests_hard_limit", 2 * CALLS),
    ("grpc.http.overload_protection", 0),
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_metadata_size", 16 << 10),
)


class Served:
    """The services of one controller."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        reader = Reader(parts.state, parts.resources)
        self.proposals = Proposals(
            parts.state, parts.intents, parts.requests, parts.journal, parts.clock, parts.tracing
        )
        self._events = EventFeed(parts.log, parts.journal)
        once = Once(parts.state, parts.requests)
        self.watches = Watches(reader, ResourceFeed(parts.state, parts.resources), self._events)
        intents = IntentService(parts, self.proposals, once, reader)
        operations, statuses = OperationService(parts, once), StatusService(parts)
        self.names = NameServerService(parts)
        self.reads: dict[str, Callable[[Any], Any]] = {
            "Get": intents.get,
            "Plan": intents.plan,
            "Explain": statuses.explain,
            "GetDocument": intents.get_document,
            "List": intents.list,
            "Watch": self.watches.watch,
            "Status": statuses.status,
            "Timeline": statuses.timeline,
            "FollowNames": self.names.follow,
            "ReportNames": self.names.report,
            "ExplainName": self.names.explain,
        }
        self.drills = Drills(parts)
        self.changes: dict[str, Callable[[Any, Call], Any]] = {
            "Drill": self.drills.drill,
            "Apply": intents.apply,
            "Delete": intents.delete,
            "Drain": intents.drain,
            "Undrain": intents.undrain,
            "SetWeights": intents.set_weights,
            "MoveVip": operations.move_vip,
            "DrainSite": operations.drain_site,
            "UndrainSite": operations.undrain_site,
            "Failback": operations.failback,
            "Rehash": operations.rehash,
            "ClaimWithoutQuorum": operations.claim_without_quorum,
        }

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.proposals.run())
                group.create_task(self._events.run())
        finally:
            await self.drills.end()


class ApiServer:
    """Listens, and answers."""

    def __init__(self, where: Where, journal: Journal, clock: Clock, guard: Guard | None = None) -> None:
        self._where, self._journal, self._clock = where, journal, clock
        self._guard = guard or Guard()
        self._rates = Rates(clock)
        self._served: Served | None = None
        self._health = health.aio.HealthServicer()
        self._server: Any = None
        self.leader: Callable[[], str | None] = lambda: None
        """Who leads while this one stands by; set by the one who knows."""
        self.port = 0
        """Of the address, once it listens."""

    async def start(self) -> None:
        """Listen. Raises ListenError."""
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=CALLS)
        for name, service in _SERVICES.items():
            handlers = {method.name: self._handler(method) for method in service.methods}
            generic = grpc.method_handlers_generic_handler(f"{api.DESCRIPTOR.package}.{name}", handlers)
            server.add_generic_rpc_handlers((generic,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        channelz.add_channelz_servicer(server)
        names = [service.full_name for service in _SERVICES.values()]
        reflection.enable_server_reflection(
            (*names, health.SERVICE_NAME, "grpc.channelz.v1.Channelz", reflection.SERVICE_NAME), server
        )
        self.port = bind(server, self._where)
        await server.start()
        self._server = server
        await self._say_health(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            await self._server.stop(GRACE)
            self._where.socket.unlink(missing_ok=True)

    async def serve(self, parts: Parts) -> None:
        """Serve a controller, until cancelled."""
        served = Served(parts)
        self._served = served
        await self._say_health(health_pb2.HealthCheckResponse.SERVING)
        try:
            await served.run()
        finally:
            self._served = None
            served.watches.close()
            served.names.close()
            await self._say_health(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def _say_health(self, status: Any) -> None:
        for name in ("", *(service.full_name for service in _SERVICES.values())):
            await self._health.set(name, status)

    def _handler(self, method: Any) -> Any:
        kind = message_factory.GetMessageClass(method.input_type)
        path = f"/{method.containing_service.full_name}/{method.name}"
        made = {
            "request_deserializer": kind.FromString,
            "response_serializer": lambda answer: answer.SerializeToString(),
        }
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(method.name, path), **made)
        return grpc.unary_unary_rpc_method_handler(self._unary(method.name, path), **made)

    def _unary(self, name: str, path: str) -> Callable[[Any, Any], Awaitable[Any]]:
        answered = self._changed if name in CHANGES else self._read

        async def answer(request: Any, context: Any) -> Any:
            try:
                caller, served = self._admitted(context)
                async with asyncio.timeout(None if context.time_remaining() is not None else LONGEST):
                    return await answered(name, path, served, caller, request)
            except Refused as error:
                refused = error
            except TimeoutError:
                text = f"not carried out within {LONGEST:g} s"
                refused = Refused(grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE, text)
            except Exception as error:  # a defect in one call must not end what serves the others
                refused = self._defect(error, path)
            return await _abort(context, refused)

        return answer

    async def _read(self, name: str, path: str, served: Served, caller: Caller, request: Any) -> Any:
        self._guard.authorize(caller, path, request, served.parts.state.intent.value)
        return await served.reads[name](request)

    async def _changed(self, name: str, path: str, served: Served, caller: Caller, request: Any) -> Any:
        with self._making(path, served, caller, request) as call:
            try:
                self._guard.authorize(caller, path, request, served.parts.state.intent.value)
                return await served.changes[name](request, call)
            except Refused as error:
                await call.recording.refused(f"{error.reason}: {error}")
                raise

    @contextmanager
    def _making(self, path: str, served: Served, caller: Caller, request: Any) -> Iterator[Call]:
        """A change, recorded and traced."""
        recording = self._guard.recording(caller, path, request)
        with served.parts.tracing.call(path, caller.trace) as traced:
            try:
                yield Call(recording, partial(self._guard.permit, caller, path))
            except Refused as error:
                traced.refused(error.code.value[0], str(error.reason), str(error))
                raise

    def _stream(self, name: str, path: str) -> Callable[[Any, Any], AsyncIterator[Any]]:
        async def answer(request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                caller, served = self._admitted(context)
                stream = self._streamed_change if name in CHANGES else self._streamed
                async for each in stream(name, path, served, caller, request):
                    yield each
            except Refused as error:
                await _abort(context, error)
            except Exception as error:  # as above
                await _abort(context, self._defect(error, path))

        return answer

    async def _streamed(
        self, name: str, path: str, served: Served, caller: Caller, request: Any
    ) -> AsyncIterator[Any]:
        self._guard.authorize(caller, path, request, served.parts.state.intent.value)
        async for each in served.reads[name](request):
            yield each

    async def _streamed_change(
        self, name: str, path: str, served: Served, caller: Caller, request: Any
    ) -> AsyncIterator[Any]:
        with self._making(path, served, caller, request) as call:
            try:
                self._guard.authorize(caller, path, request, served.parts.state.intent.value)
                async for each in served.changes[name](request, call):
                    yield each
            except Refused as error:
                await call.recording.refused(f"{error.reason}: {error}")
                raise

    def _admitted(self, context: Any) -> tuple[Caller, Served]:
        """Who calls, and what carries calls out. Raises Refused."""
        caller = self._guard.identify(context)
        self._rates.take(caller.peer.name, caller.address)
        if self._served is None:
            raise self._not_serving()
        return caller, self._served

    def _not_serving(self) -> Refused:
        leader = self.leader()
        if leader is None:
            text = "this controller does not lead, and does not know yet which one does"
            return Refused(grpc.StatusCode.UNAVAILABLE, Reason.STARTING, text, retry_in=1.0)
        text = f"this controller stands by; ask the leader, {leader}"
        return Refused(
            grpc.StatusCode.UNAVAILABLE, Reason.NOT_LEADING, text, metadata={"leader": leader}, retry_in=1.0
        )

    def _defect(self, error: Exception, path: str) -> Refused:
        self._journal.failure(error, part="api", command=path)
        text = f"a defect in the controller: {type(error).__name__}: {error}"
        return Refused(grpc.StatusCode.INTERNAL, Reason.DEFECT, text)


async def _abort(context: Any, refused: Refused) -> None:
    status = refused.status()
    with suppress(grpc.aio.UsageError):  # the caller is gone
        await context.abort(refused.code, status.message, ((HEADER, status.SerializeToString()),))
