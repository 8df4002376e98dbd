"""The service of orders: the commands of the control socket, as calls. Every method raises Refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import grpc

from controller.api.calls import Asked, Once, outcome
from controller.api.errors import Reason, Refused, invalid, missing, precondition
from controller.api.guarding import Call
from controller.api.parts import Parts
from controller.api.proposals import not_stored
from controller.api.v1 import service_pb2 as api
from controller.core.commands import CommandRefused, NotStored
from controller.sites.base import GuardFailed, StoreError
from controller.sites.groups import find, mac_groups

Result = Mapping[str, Any]
_ACTIONS = {
    api.RehashRequest.ACTION_PLAN: "plan",
    api.RehashRequest.ACTION_BEGIN: "begin",
    api.RehashRequest.ACTION_CANCEL: "cancel",
}


class OperationService:
    """Takes orders."""

    def __init__(self, parts: Parts, once: Once) -> None:
        self._parts, self._once = parts, once
        self._running: set[asyncio.Future[Result]] = set()

    async def move_vip(self, request: api.MoveVipRequest, call: Call) -> api.MoveVipResponse:
        """Own a VIP at a site."""
        self._known_vip(request.vip)
        given = {"vip": request.vip}
        if request.site:
            self._known_site(request.site)
            given["site"] = request.site
        return await self._order(  # type: ignore[no-any-return]
            request, call, "move", given, api.MoveVipResponse, lambda r: {"vips": r["vips"]}
        )

    async def drain_site(self, request: api.DrainSiteRequest, call: Call) -> api.DrainSiteResponse:
        """Own nothing at a site."""
        return await self._site(request, call, "drain", api.DrainSiteResponse)  # type: ignore[no-any-return]

    async def undrain_site(self, request: api.UndrainSiteRequest, call: Call) -> api.UndrainSiteResponse:
        """Own at a site what is at home there."""
        return await self._site(request, call, "undrain", api.UndrainSiteResponse)  # type: ignore[no-any-return]

    async def _site(self, request: Any, call: Call, action: str, kind: Callable[..., Any]) -> Any:
        self._known_site(request.site)
        return await self._order(request, call, "site", {"site": request.site, "action": action}, kind)

    async def failback(self, request: api.FailbackRequest, call: Call) -> api.FailbackResponse:
        """Make a backend the writer of its pool."""
        self._known_pool(request.pool)
        given = {"pool": request.pool}
        if request.backend:
            given["backend"] = request.backend
        return await self._order(  # type: ignore[no-any-return]
            request, call, "failback", given, api.FailbackResponse, lambda r: {"writer": r["writer"]}
        )

    async def rehash(self, request: api.RehashRequest, call: Call) -> api.RehashResponse:
        """Take the slots of a pool as if it were new."""
        action = _ACTIONS.get(request.action)
        if action is None:
            raise invalid("action", f"is {request.action}, write ACTION_PLAN, ACTION_BEGIN or ACTION_CANCEL")
        self._known_pool(request.pool)
        given = {"pool": request.pool, "action": action}
        return await self._order(request, call, "rehash", given, api.RehashResponse, _plans)  # type: ignore[no-any-return]

    async def claim_without_quorum(
        self, request: api.ClaimWithoutQuorumRequest, call: Call
    ) -> api.ClaimWithoutQuorumResponse:
        """Go on without the store."""
        if not request.confirmed:
            raise invalid(
                "confirmed", "is false: confirm that no other controller of this store leads, or can"
            )
        await self._recorded(call, "claim", {"confirmed": "yes"})
        return api.ClaimWithoutQuorumResponse()

    async def _order(
        self,
        request: Any,
        call: Call,
        command: str,
        given: Mapping[str, str],
        kind: Callable[..., Any],
        more: Callable[[Result], Mapping[str, Any]] = lambda _: {},
    ) -> Any:
        async def carry_out(asked: Asked | None) -> Any:
            result = await self._noted(asked, self._recorded(call, command, given))
            answer = kind(outcome=outcome(result["revision"]), **more(result))
            known = None if asked is None else self._parts.requests.get(asked.id)
            if known is not None:
                known.answer = answer.SerializeToString()
            return answer

        return await self._once.run(command, request, carry_out, kind)

    async def _noted(self, asked: Asked | None, running: Awaitable[Result]) -> Result:
        """The request is known by the commit that holds what it changes, and forgotten if it is refused."""
        if asked is None:
            return await running
        self._parts.requests.note([(asked.id, asked.fingerprint, b"")])
        try:
            return await running
        except Refused as error:
            if error.reason is not Reason.NOT_STORED:
                self._parts.requests.withdraw(asked.id)
            raise

    async def _recorded(self, call: Call, command: str, given: Mapping[str, str]) -> Result:
        """Carried out, which goes on when the caller is gone, between two records."""

        async def both() -> Result:
            await call.recording.asked(more=given)
            try:
                result = await self._run(command, given)
            except BaseException as error:
                kind = error.reason if isinstance(error, Refused) else type(error).__name__
                with suppress(Refused):
                    await call.recording.done(f"{kind}: {error}")
                raise
            revision = result.get("revision")
            await call.recording.done("done", None if revision is None else int(revision))
            return result

        task = asyncio.ensure_future(both())
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Future[Result]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone

    async def _run(self, command: str, given: Mapping[str, str]) -> Result:
        known = self._parts.commands[command]
        try:
            task = asyncio.ensure_future(known.run(known.arguments(given)))
            self._running.add(task)  # a commit that has begun is not cancelled with who waits for it
            task.add_done_callback(self._ended)
            return await asyncio.shield(task)
        except CommandRefused as error:
            raise precondition(Reason.ORDER_REFUSED, command, error.reasons) from None
        except NotStored as error:
            raise not_stored(StoreError(str(error))) from None
        except GuardFailed as error:
            code = grpc.StatusCode.UNAVAILABLE
            raise Refused(code, Reason.STARTING, "this controller ends", retry_in=1.0) from error

    def _known_vip(self, name: str) -> None:
        try:
            find(mac_groups(self._parts.state.intent.value), name)
        except ValueError as error:
            raise missing(f"vips/{name}", str(error)) from None

    def _known_site(self, name: str) -> None:
        self._known("sites", name)

    def _known_pool(self, name: str) -> None:
        self._known("pools", name)

    def _known(self, key: str, name: str) -> None:
        names = [each.name for each in getattr(self._parts.state.intent.value, key)]
        if name not in names:
            shown = ", ".join(names[:20]) or "none"
            raise missing(f"{key}/{name}", f'there is no {key[:-1]} "{name}"; {key}: {shown}')


def _plans(result: Result) -> Mapping[str, Any]:
    return {"plans": [_plan(row) for row in result.get("plan", ())]}


def _plan(row: Mapping[str, Any]) -> api.RehashPlan:
    made = api.RehashPlan(
        table=row["key"],
        before=str(row["before"]),
        after=str(row["after"]),
        slots=row["slots"],
        waits_for=row["waits_for"],
        memory=row["memory"],
        young=row["young"],
    )
    if row["turns_in"] is not None:
        made.turns_in = row["turns_in"]
    return made
