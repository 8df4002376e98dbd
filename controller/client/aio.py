"""The client for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from typing import Any, TypeVar

import grpc
from google.protobuf.json_format import MessageToDict

from controller.api.v1 import answers_pb2 as answers
from controller.api.v1 import resources_pb2 as resources
from controller.api.v1 import service_pb2 as api
from controller.client import calls
from controller.client.addresses import Target, Tls
from controller.client.calls import Call
from controller.client.errors import ApiError, of
from controller.client.sync import PAUSE, TIMEOUT

A = TypeVar("A")
SILENCE = 6.0
"""Seconds without a word from a controller that is followed after which another one is."""


class AsyncClient:
    """Calls to a controller, or to the one of several that leads.

    What may pass is tried again until the timeout: a change with the same request id, so it is carried out once. All
    methods raise ApiError. A client belongs to one event loop.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        tls: Tls | None = None,
        timeout: float = TIMEOUT,
        token: str = "",
    ) -> None:
        """``addresses``: HOST:PORT, or unix:/PATH of a controller's socket. Raises OSError for what cannot be read."""
        self._targets = [Target(each) for each in ([addresses] if isinstance(addresses, str) else addresses)]
        self._credentials = None if tls is None else grpc.ssl_channel_credentials(*tls.read())
        self._timeout, self._at = timeout, 0
        self._channels: dict[int, Any] = {}
        self._metadata = calls.metadata(token)
        self._override = ""

    async def close(self) -> None:
        """End all calls."""
        for channel in self._channels.values():
            await channel.close()
        for target in self._targets:
            target.close()

    def because(self, reason: str, override: bool = False) -> AsyncClient:
        """The same client, on the same connections, whose changes the audit log has with this reason.

        ``override``: and disruption budgets are set aside for them, which takes an admin. Raises ValueError if there is
        no reason to.
        """
        if override and not reason:
            raise ValueError("budgets are set aside for a reason: give one")
        other = copy(self)
        other._override = reason if override else ""
        other._metadata = calls.metadata(reason=reason, known=self._metadata)
        return other

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, name: str, timeout: float | None = None) -> api.Resource:
        """A resource, such as ``pools/web`` or ``pools/web/backends/s1``."""
        return (await self.call(calls.get(name), timeout)).resource

    async def get_document(self, timeout: float | None = None) -> api.GetDocumentResponse:
        """The whole intent, and its revision."""
        return await self.call(calls.get_document(), timeout)

    async def list(
        self, kind: api.Kind, where: str = "", page_size: int = 0, labels: str = ""
    ) -> AsyncIterator[api.Resource]:
        """Resources of a kind that fit a filter, such as ``site=east,kind=ovs``, page by page.

        ``labels``: and a selector, such as ``team=web,env in (test, stage)``.
        """
        token = ""
        while True:
            page = await self.call(calls.list_page(kind, where, page_size, token, labels))
            for each in page.resources:
                yield each
            token = page.next_page_token
            if not token:
                return

    async def apply(
        self,
        what: resources.Document | api.Resource,
        *,
        expected: int | None = None,
        dry_run: bool = False,
        request_id: str = "",
        timeout: float | None = None,
    ) -> api.Outcome:
        """Make a resource, or the whole intent, what is given. ``expected``: the revision that it must have."""
        return (await self.call(calls.apply(what, expected, dry_run, request_id), timeout)).outcome

    async def plan(
        self, what: resources.Document | api.Resource, entries: int = 0, timeout: float | None = None
    ) -> answers.Preview:
        """What applying it would do. ``entries``: so many of each switch's are listed."""
        return (await self.call(calls.plan(what, entries), timeout)).plan

    async def delete(
        self,
        name: str,
        *,
        expected: int | None = None,
        dry_run: bool = False,
        request_id: str = "",
        timeout: float | None = None,
    ) -> api.Outcome:
        """Take a resource away."""
        return (await self.call(calls.delete(name, expected, dry_run, request_id), timeout)).outcome

    async def drain(
        self, *backends: str, dry_run: bool = False, request_id: str = "", timeout: float | None = None
    ) -> api.Outcome:
        """Let backends take no new connections."""
        return (await self.call(calls.drain(backends, dry_run, request_id), timeout)).outcome

    async def undrain(
        self, *backends: str, dry_run: bool = False, request_id: str = "", timeout: float | None = None
    ) -> api.Outcome:
        """Let backends take new connections again."""
        return (await self.call(calls.undrain(backends, dry_run, request_id), timeout)).outcome

    async def set_weights(
        self,
        weights: Mapping[str, int],
        *,
        dry_run: bool = False,
        request_id: str = "",
        timeout: float | None = None,
    ) -> api.Outcome:
        """Weights by backend, all of them or none."""
        return (await self.call(calls.set_weights(weights, dry_run, request_id), timeout)).outcome

    async def move_vip(
        self, vip: str, site: str = "", *, request_id: str = "", timeout: float | None = None
    ) -> api.MoveVipResponse:
        """Own a VIP at a site; without one: where the intent has it."""
        return await self.call(calls.move_vip(vip, site, request_id), timeout)

    async def drill(
        self, vip: str, site: str, stay: float = 10.0, within: float = 60.0
    ) -> AsyncGenerator[api.DrillResponse]:
        """Own a VIP at a site for a while, and then where it was, stage by stage; also if this is not read to the end.

        ``stay``, ``within``: seconds that it stays there, and that each of both moves may take.
        """
        call = calls.drill(vip, site, stay, within)
        async for each in self._stream(call, stay + 2 * within + self._timeout):
            yield each

    async def drain_site(
        self, site: str, *, request_id: str = "", timeout: float | None = None
    ) -> api.Outcome:
        """Own nothing at a site."""
        return (await self.call(calls.drain_site(site, request_id), timeout)).outcome

    async def undrain_site(
        self, site: str, *, request_id: str = "", timeout: float | None = None
    ) -> api.Outcome:
        """Own at a site what is at home there."""
        return (await self.call(calls.undrain_site(site, request_id), timeout)).outcome

    async def failback(
        self, pool: str, backend: str = "", *, request_id: str = "", timeout: float | None = None
    ) -> api.FailbackResponse:
        """Make a backend the one writer of its pool; without one: the preferred one that is up."""
        return await self.call(calls.failback(pool, backend, request_id), timeout)

    async def rehash(
        self,
        pool: str,
        action: api.RehashRequest.Action,
        *,
        request_id: str = "",
        timeout: float | None = None,
    ) -> api.RehashResponse:
        """Take the slots of a pool as if it were new."""
        return await self.call(calls.rehash(pool, action, request_id), timeout)

    async def claim_without_quorum(self, timeout: float | None = None) -> None:
        """Answer for VIPs although the store is out of reach: no other controller of it leads, or can."""
        await self.call(calls.claim_without_quorum(), timeout)

    async def status(self, timeout: float | None = None) -> dict[str, Any]:
        """What ``status.json`` holds. All numbers are floats."""
        answer = await self.call(calls.status(), timeout)
        return dict(MessageToDict(answer.status))

    async def explain(
        self,
        source: str,
        target: str,
        *,
        udp: bool = False,
        flags: str | None = None,
        switch: str = "",
        timeout: float | None = None,
    ) -> answers.Explanation:
        """Where a connection goes from ADDRESS:PORT to ADDRESS:PORT, on one lb switch or on all, and why."""
        return (await self.call(calls.explain(source, target, udp, flags, switch), timeout)).explanation

    async def timeline(self, since: float = 0.0, vip: str = "", switch: str = "") -> AsyncIterator[api.Event]:
        """What happened, in order. ``since``: Unix seconds."""
        async for each in self._stream(calls.timeline(since, vip, switch), self._timeout):
            for event in each.events:
                yield event

    async def watch(
        self,
        after: api.Position | None = None,
        *,
        kinds: Iterable[api.Kind] = (),
        events: bool = False,
        resources: bool = True,
        resume: bool = True,
    ) -> AsyncIterator[api.WatchResponse]:
        """What changes, for good. ``resume``: go on where it was when the connection or the leader is lost.

        The position of the last message is where to begin next time.
        """
        at, wanted = after, tuple(kinds)
        while True:
            try:
                async for each in self._stream(calls.watch(at, wanted, events, resources), None):
                    at = each.position
                    yield each
            except ApiError as error:
                slow = error.reason == "SLOW_READER"
                if not resume or not (slow or error.passes):
                    raise
                self._turn(error)
                await asyncio.sleep(0.0 if slow else error.retry_in or PAUSE)

    async def follow_names(
        self, name: str, silence: float = SILENCE
    ) -> AsyncIterator[api.FollowNamesResponse]:
        """What names are answered by, for good: of another controller when one says nothing for ``silence`` seconds."""
        while True:
            stream = self._stream(calls.follow_names(name), None)
            try:
                async with aclosing(stream):
                    while True:
                        async with asyncio.timeout(silence):
                            each = await anext(stream)
                        yield each
            except (TimeoutError, StopAsyncIteration):
                self._at = (self._at + 1) % len(self._targets)
                pause = PAUSE
            except ApiError as error:
                if not error.passes:
                    raise
                self._turn(error)
                pause = error.retry_in or PAUSE
            await asyncio.sleep(pause)

    async def report_names(
        self, site: str, seconds: Mapping[str, float], asked: Iterable[str], timeout: float | None = None
    ) -> None:
        """Say what a name server has measured. ``seconds``: to the resolvers of a prefix."""
        await self.call(calls.report_names(site, seconds, asked), timeout)

    async def call(self, call: Call[A], timeout: float | None = None) -> A:
        """Carry a call out."""
        if self._override:
            calls.set_aside(call.request, self._override)
        end = time.monotonic() + (self._timeout if timeout is None else timeout)
        while True:
            left = end - time.monotonic()
            try:
                return await self._once(call, max(left, 0.001))
            except ApiError as error:
                pause = error.retry_in or PAUSE
                if not error.passes or left <= pause:
                    raise
                self._turn(error)
                await asyncio.sleep(pause)

    async def _once(self, call: Call[A], timeout: float) -> A:
        made = self._channel().unary_unary(call.path, _octets, call.answer.FromString)  # type: ignore[attr-defined]
        try:
            answer: A = await made(call.request, timeout=timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise of(error) from None
        return answer

    async def _stream(self, call: Call[A], timeout: float | None) -> AsyncGenerator[A]:
        made = self._channel().unary_stream(call.path, _octets, call.answer.FromString)  # type: ignore[attr-defined]
        answers = made(call.request, timeout=timeout, metadata=self._metadata)
        try:
            async for each in answers:
                yield each
        except grpc.aio.AioRpcError as error:
            raise of(error) from None
        finally:
            answers.cancel()

    def _turn(self, error: ApiError) -> None:
        """Ask another controller next time, if that may help."""
        if error.elsewhere:
            self._at = (self._at + 1) % len(self._targets)

    def _channel(self) -> Any:
        at = self._at
        if at not in self._channels:
            target = self._targets[at]
            if self._credentials is None or target.local:
                self._channels[at] = grpc.aio.insecure_channel(target.name, calls.OPTIONS)
            else:
                self._channels[at] = grpc.aio.secure_channel(target.name, self._credentials, calls.OPTIONS)
        return self._channels[at]


def _octets(request: Any) -> bytes:
    octets: bytes = request.SerializeToString()
    return octets
