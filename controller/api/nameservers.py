"""The service for name servers: they are sent what answers follow from, and say what they have measured.

inputs ─► JSON, made once for all who follow ─► each of them
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from ipaddress import ip_address

import grpc
from google.protobuf.json_format import ParseDict

from controller.api.errors import Reason, Refused, invalid
from controller.api.parts import Parts
from controller.api.v1 import service_pb2 as api
from controller.exits.names.explaining import UnknownName
from controller.exits.names.inputs import Inputs
from controller.exits.names.rtt import Report
from controller.spec.addresses import Address
from controller.spec.codec import encode

FOLLOWERS = 256
"""Name servers that follow at a time."""
BEAT = 2.0
"""Seconds between messages, at most: who hears nothing for longer asks another controller."""
_QUICKLY = 1
"""Level of compression."""


class NameServerService:
    """Serves them."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._names = parts, parts.names
        self._wakes: set[asyncio.Event] = set()
        self._closed = False
        self._made: tuple[Inputs, asyncio.Task[bytes]] | None = None
        self._names.inputs.subscribe(self._wake)

    def close(self) -> None:
        """End all of them."""
        self._closed = True
        self._wake()

    async def follow(self, request: api.FollowNamesRequest) -> AsyncIterator[api.FollowNamesResponse]:
        """Until cancelled. Raises Refused."""
        del request
        if len(self._wakes) >= FOLLOWERS:
            text = f"{FOLLOWERS} name servers follow already"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.TOO_MANY_CALLS, text, retry_in=5.0)
        wake = asyncio.Event()
        self._wakes.add(wake)
        try:
            sent: object = self
            while not self._closed:
                wake.clear()
                inputs = self._names.inputs.value
                yield await self._message(inputs, sent)
                sent = inputs if inputs is not None or self._is_empty() else self
                try:
                    async with asyncio.timeout(BEAT):
                        await wake.wait()
                except TimeoutError:
                    continue
            raise Refused(
                grpc.StatusCode.UNAVAILABLE, Reason.STARTING, "this controller ends; follow another one"
            )
        finally:
            self._wakes.discard(wake)

    async def report(self, request: api.ReportNamesRequest) -> api.ReportNamesResponse:
        """Take what was measured. Raises Refused."""
        try:
            self._names.reported(Report(request.site, dict(request.seconds), tuple(request.asked)))
        except ValueError as error:
            raise invalid("seconds, asked", str(error)) from None
        return api.ReportNamesResponse()

    async def explain(self, request: api.ExplainNameRequest) -> api.ExplainNameResponse:
        """One name, for one asker. Raises Refused."""
        client, resolver = (_address(getattr(request, each), each) for each in ("client", "resolver"))
        try:
            made = self._names.explain(request.name, request.type or "A", client, resolver)
        except UnknownName as error:
            raise invalid("name, type", str(error)) from None
        answer = api.ExplainNameResponse()
        ParseDict({"explanation": encode(made)}, answer)
        return answer

    def _wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    def _is_empty(self) -> bool:
        return not self._parts.state.intent.value.zones

    async def _message(self, inputs: Inputs | None, sent: object) -> api.FollowNamesResponse:
        """``sent``: what went before; the service itself: nothing."""
        revision = self._parts.state.revision
        if inputs is sent or (inputs is None and not self._is_empty()):
            return api.FollowNamesResponse(revision=revision, same=api.Bookmark())
        if inputs is None:
            return api.FollowNamesResponse(revision=revision, none=api.NoNames())
        if self._made is None or self._made[0] is not inputs:
            self._made = (inputs, asyncio.create_task(asyncio.to_thread(octets, inputs)))
        return api.FollowNamesResponse(revision=inputs.revision, inputs=await asyncio.shield(self._made[1]))


def _address(text: str, field: str) -> Address | None:
    """Raises Refused."""
    try:
        return ip_address(text) if text else None
    except ValueError:
        raise invalid(field, f'is "{text[:100]}", write an address') from None


def octets(inputs: Inputs) -> bytes:
    """As they are sent."""
    return zlib.compress(json.dumps(encode(inputs), separators=(",", ":")).encode(), _QUICKLY)
