"""The service of what is, and what was. Every method raises Refused."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import grpc
from google.protobuf.json_format import ParseDict

from controller.api.errors import Reason, Refused, invalid
from controller.api.parts import Parts
from controller.api.v1 import service_pb2 as api
from controller.api.watching import event
from controller.sites.base import StoreError
from controller.sites.eventlog import entries
from controller.sites.timeline import Wanted, chosen, merged

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
