"""The service of what is, and what was. Every method raises Refused."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import grpc
from google.protobuf.json_format import ParseDict

from controller.api.answers import of_explanation
from controller.api.errors import Reason, Refused, invalid, missing
from controller.api.parts import Parts
from controller.api.v1 import service_pb2 as api
from controller.api.watching import event
from controller.core.explaining import WITHIN, UnknownSwitch
from controller.sites.base import StoreError
from controller.sites.eventlog import entries
from controller.sites.timeline import Wanted, chosen, merged
from controller.tuples import BadPacket, packet_of

FRESH = 0.2
"""Seconds for which a status is shown again, if nothing was committed meanwhile."""
TOGETHER = 100
"""Events in one message."""


class StatusService:
    """Shows."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._shown: tuple[float, int, asyncio.Task[api.StatusResponse]] | None = None

    async def status(self, request: api.StatusRequest) -> api.StatusResponse:
        """The snapshot."""
        now, revision, shown = self._parts.clock.now(), self._parts.state.revision, self._shown
        if shown is None or now - shown[0] > FRESH or shown[1] != revision:
            self._shown = shown = (now, revision, asyncio.ensure_future(self._taken()))
        return await asyncio.shield(shown[2])

    async def _taken(self) -> api.StatusResponse:
        """Nothing in a snapshot changes once it is taken: it becomes a message beside the event loop."""
        shown = self._parts.snapshot()
        return await asyncio.to_thread(lambda: ParseDict({"status": shown.as_json()}, api.StatusResponse()))

    async def explain(self, request: api.ExplainRequest) -> api.ExplainResponse:
        """A connection: by the plan, by what switches hold now, and by what has happened."""
        protocol = request.protocol or "tcp"
        if protocol not in ("tcp", "udp"):
            raise invalid("protocol", f'is "{protocol[:100]}", write tcp or udp')
        flags = request.flags if request.HasField("flags") else None
        try:
            packet = packet_of(request.source, request.target, protocol == "udp", flags)
        except BadPacket as error:
            raise invalid("source, target, flags", str(error)) from None
        try:
            async with asyncio.timeout(WITHIN):
                explaining = self._parts.explaining
                made = await explaining.explain(packet, flags is not None, request.switch or None)
        except UnknownSwitch as error:
            raise missing(f"switches/{request.switch}", str(error)) from None
        except TimeoutError:
            text = f"switches did not answer within {WITHIN:g} s"
            raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE, text) from None
        return api.ExplainResponse(explanation=of_explanation(made))

    async def timeline(self, request: api.TimelineRequest) -> AsyncIterator[api.TimelineResponse]:
        """What happened."""
        if not math.isfinite(request.since):
            raise invalid("since", "is no number of seconds; write Unix time, or nothing for all")
        try:
            loaded = await self._parts.log.load()
        except StoreError as error:
            code = grpc.StatusCode.UNAVAILABLE
            raise Refused(code, Reason.STARTING, f"the log cannot be read: {error}", retry_in=1.0) from None
        wanted = Wanted(request.since or None, request.vip, request.switch)
        read, found = await asyncio.to_thread(
            lambda: (read := entries(loaded.values), chosen(merged(read.entries), wanted))
        )
        if read.problems:
            yield api.TimelineResponse(problems=read.problems)
        for at in range(0, len(found), TOGETHER):
            yield api.TimelineResponse(events=[event(each) for each in found[at : at + TOGETHER]])
