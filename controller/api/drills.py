"""Drills by calls: each in a thread of its own, which withdraws its order also when the caller goes away."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from threading import Event
from typing import Any, TypeVar, cast

import grpc

from controller.api.errors import Reason, Refused, invalid, missing, precondition
from controller.api.guarding import Call
from controller.api.parts import Parts
from controller.api.v1 import service_pb2 as api
from controller.core.commands import CommandRefused, NotStored
from controller.core.drilling import Answer, Drill, Failed, Interrupted, Shown, Stage
from controller.sites.base import GuardFailed
from controller.spec.codec import encode

T = TypeVar("T")
STAY, WITHIN = 10.0, 60.0
"""Seconds, unless the request says otherwise."""
LONGEST = 3600.0
"""Seconds of either, at most."""
AT_A_TIME = 4
"""Drills."""
_STAGES = {
    Stage.ORDERED: api.DrillResponse.STAGE_ORDERED,
    Stage.THERE: api.DrillResponse.STAGE_THERE,
    Stage.WITHDRAWN: api.DrillResponse.STAGE_WITHDRAWN,
    Stage.BACK: api.DrillResponse.STAGE_BACK,
}


class Drills:
    """Carries them out."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._running: set[asyncio.Task[Refused | None]] = set()
        self._stops: set[Event] = set()

    async def drill(self, request: api.DrillRequest, call: Call) -> AsyncIterator[api.DrillResponse]:
        """Stage by stage. Raises Refused."""
        stay = _seconds("stay", request.stay if request.HasField("stay") else STAY)
        within = _seconds("within", request.within if request.HasField("within") else WITHIN)
        self._check(request)
        stages: asyncio.Queue[api.DrillResponse | None] = asyncio.Queue()
        stop, loop = Event(), asyncio.get_running_loop()
        made = Drill(
            request.vip,
            request.site,
            lambda given: cast(Answer, _waited(self._order(given), loop)),
            lambda: cast(Shown, _status(stop, made, lambda: _waited(self._shown(), loop))),
            self._parts.clock.now,
        )

        def said(stage: Stage) -> None:
            news = api.DrillResponse(stage=_STAGES[stage], vips=made.vips, former=made.former)
            loop.call_soon_threadsafe(stages.put_nowait, news)

        made.on_stage = said
        more = {"site": request.site, "stay": f"{stay:g}", "within": f"{within:g}"}
        await call.recording.asked(more=more)
        task = asyncio.create_task(self._carry_out(made, stay, within, call))
        self._running.add(task)
        self._stops.add(stop)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: self._stops.discard(stop))
        task.add_done_callback(lambda _: stages.put_nowait(None))
        try:
            while (news := await stages.get()) is not None:
                yield news
        finally:
            stop.set()  # who listened may be gone: it goes back now
        if (error := await task) is not None:
            raise error

    async def end(self) -> None:
        """All of them go back now."""
        for stop in self._stops:
            stop.set()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _check(self, request: api.DrillRequest) -> None:
        intent = self._parts.state.intent.value
        if request.vip not in {vip.name for vip in intent.vips}:
            raise missing(f"vips/{request.vip}")
        if request.site not in {site.name for site in intent.sites}:
            raise missing(f"sites/{request.site}")
        if len(self._running) >= AT_A_TIME:
            text = f"{AT_A_TIME} drills are under way already"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            raise Refused(code, Reason.TOO_MANY_CALLS, text, retry_in=10.0)

    async def _carry_out(self, made: Drill, stay: float, within: float, call: Call) -> Refused | None:
        """Why it did not go as it should."""
        error: Refused | None = None
        try:
            await asyncio.to_thread(made.run, stay, within)
        except Interrupted:
            error = precondition(
                Reason.DRILL_FAILED, "drill", ["the caller went away; the order is withdrawn"]
            )
        except Failed as failed:
            refused = not made.vips
            error = precondition(
                Reason.ORDER_REFUSED if refused else Reason.DRILL_FAILED, "drill", [str(failed)]
            )
        if made.left:
            why = f"the order still stands; end it: MoveVip of {made.vips[0] if made.vips else 'the VIP'}"
            error = precondition(Reason.DRILL_LEFT, "drill", [why, *([str(error)] if error else [])])
        with suppress(Refused):
            await call.recording.done("done" if error is None else f"{error.reason}: {error}")
        return error

    async def _order(self, given: Mapping[str, str]) -> Mapping[str, Any]:
        """The answer to a command, as the control socket gives it."""
        command = self._parts.commands[given["command"]]
        try:
            arguments = command.arguments({key: text for key, text in given.items() if key != "command"})
            return {"ok": True, **await command.run(arguments)}
        except CommandRefused as error:
            return {"ok": False, "refused": list(error.reasons)}
        except (NotStored, GuardFailed) as error:
            return {"ok": False, "not_stored": str(error)}

    async def _shown(self) -> Mapping[str, Any]:
        return {"vips": {name: encode(row) for name, row in self._parts.vips().items()}}


def _status(stop: Event, made: Drill, shown: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """In the thread. Raises Interrupted once it should stop, but for the way back."""
    if stop.is_set() and made.left:
        raise Interrupted
    return shown()


def _waited(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """In a thread: what the event loop makes of it."""
    return asyncio.run_coroutine_threadsafe(work, loop).result()


def _seconds(field: str, given: float) -> float:
    if not (math.isfinite(given) and 0.0 <= given <= LONGEST):
        raise invalid(field, f"is {given:g}, write 0 to {LONGEST:g} seconds")
    return given
