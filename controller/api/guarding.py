"""Who calls, what that one may do, and what is recorded of it.

    identify ─► authorize: role, and resources that the request names ─► Recording: asked ─► carried out ─► done
                                                                     └► refused

What a document or a resource changes is known only once it is compared with the intent: ``permit`` judges that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import grpc

from controller.api.errors import Reason, Refused
from controller.api.subjects import as_in, named, subjects
from controller.api.v1 import service_pb2 as api
from controller.security.access import Access, access
from controller.security.audit import AuditLog
from controller.security.auditrecord import Change
from controller.security.credentials import peer_of
from controller.security.errors import AuditError
from controller.security.roles import LOCAL, Peer, Resource, by_certificate
from controller.spec.types import Intent
from controller.tracing.base import CONTEXT

TOKEN = "authorization"
"""Metadata in which a token travels, behind ``Bearer``."""
WHY, WHY_OCTETS = "evenkeel-reason", "evenkeel-reason-bin"
"""Metadata that says why: in ASCII, or in UTF-8."""
NO_TRACE: Mapping[str, str] = {}
"""Of a call that belongs to none."""


OVERRIDE = "Override"
"""What roles call it that budgets are set aside for a change."""


class Caller(NamedTuple):
    """One call's origin."""

    peer: Peer
    address: str
    """``unix:`` of this machine's socket, or address and port."""
    why: str
    """The reason that was given."""
    trace: Mapping[str, str] = NO_TRACE
    """Which span it belongs to, in its caller's words."""


class Recording:
    """What the audit log gets of one change."""

    def __init__(self, audit: AuditLog | None = None, change: Change | None = None) -> None:
        self._audit, self._change = audit, change
        self._asked: tuple[int, Change] | None = None
        self._asking: tuple[asyncio.Future[int], Change] | None = None
        self._ending: tuple[asyncio.Future[int], str] | None = None
        self._over = False

    @property
    def wanted(self) -> bool:
        """Whether anything is recorded."""
        return self._audit is not None

    async def asked(
        self,
        what: Iterable[str] = (),
        before: str = "",
        after: str = "",
        more: Mapping[str, str] | None = None,
    ) -> None:
        """It is about to be made. ``what``: the resources, if the request does not name them; ``before``, ``after``:
        digests of them; ``more``: arguments. Raises Refused: then it must not be.

        Said again with other digests, the former record ends and another one begins.
        """
        self.ask(what, before, after, more)
        await self.have_asked()

    def ask(
        self,
        what: Iterable[str] = (),
        before: str = "",
        after: str = "",
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Begin with that, where many are recorded together; ``have_asked`` follows."""
        if self._audit is None or self._change is None:
            return
        known = self._change.what or tuple(what)
        change = replace(
            self._change, what=known, before=before, after=after, more={**self._change.more, **(more or {})}
        )
        if self._asked is not None:
            if self._asked[1] == change:
                return
            self.end("tried again without others that were refused")
        self._asking = self._audit.asked(change), change

    async def have_asked(self) -> None:
        """It is on the disk. Raises Refused."""
        await self.have_ended()
        if self._asking is None:
            return
        (written, change), self._asking = self._asking, None
        try:
            self._asked = await written, change
        except AuditError as error:
            raise _not_recorded(f"{error}. Nothing was changed") from error

    async def done(self, result: str = "done", revision: int | None = None) -> None:
        """How it ended; nothing if it was never about to be made. Raises Refused: it stands as it is."""
        self.end(result, revision)
        await self.have_ended()

    def end(self, result: str = "done", revision: int | None = None) -> None:
        """Begin with that, where many are recorded together; ``have_ended`` follows."""
        if self._audit is None or self._asked is None:
            return
        (number, _), self._asked, self._over = self._asked, None, True
        self._ending = self._audit.done(number, result, revision), result

    async def have_ended(self) -> None:
        """It is on the disk. Raises Refused."""
        if self._ending is None:
            return
        (written, result), self._ending = self._ending, None
        try:
            await written
        except AuditError as error:
            raise _not_recorded(f"{error}. How it ended: {result}") from error

    async def refused(self, why: str) -> None:
        """It was refused before it was about to be made; nothing if it was."""
        if self._audit is None or self._change is None or self._over:
            return
        if self._asked is not None:
            return
        try:
            await self._audit.refused(self._change, why)
        except AuditError:
            return  # it is refused anyway, and the log says by itself that it cannot be written


NOT_RECORDED = Recording()


Permit = Callable[[Iterable[str], Intent, Intent], None]
"""Raises Refused if resources of these names may not be changed from one intent to another one."""


class Call(NamedTuple):
    """What who carries a change out needs to know of the call."""

    recording: Recording
    permit: Permit
    """In any thread."""


class Guard:
    """Knows peers by the files of roles and tokens, and keeps the audit log."""

    def __init__(
        self, known: Access | None = None, audit: AuditLog | None = None, *, anonymous: bool = True
    ) -> None:
        """``anonymous``: who reaches an address without TLS and shows no token is an admin."""
        self._access = known or access(None, None, lambda _: None)
        self._audit, self._anonymous = audit, anonymous

    def identify(self, context: Any) -> Caller:
        """Who is at the other end of a call. Raises Refused."""
        address, said = context.peer() or "", dict(context.invocation_metadata() or ())
        octets = said.get(WHY_OCTETS, b"")
        why = octets.decode(errors="replace") if octets else str(said.get(WHY, ""))
        trace = {key: str(said.get(key, "")) for key in CONTEXT} if CONTEXT[0] in said else NO_TRACE
        return Caller(self._peer(context, address, str(said.get(TOKEN, ""))), address, why, trace)

    def _peer(self, context: Any, address: str, token: str) -> Peer:
        if token:
            scheme, _, rest = token.partition(" ")
            found = self._access.by_token(rest.strip()) if scheme.lower() == "bearer" else None
            if found is None:
                raise _unknown(f"the token is not known; send {TOKEN}: Bearer TOKEN")
            return found
        if address.startswith("unix:"):
            return LOCAL
        shown = context.auth_context().get("x509_pem_cert")
        if shown:
            return _by_pem(tuple(shown))
        if not self._anonymous:
            raise _unknown(f"a token is needed here; send {TOKEN}: Bearer TOKEN")
        return LOCAL

    def authorize(self, caller: Caller, method: str, request: Any, intent: Intent) -> None:
        """Raise Refused for what this peer may not do to what the request names."""
        if getattr(request, "override", ""):
            self._check(caller, OVERRIDE, ())
        restricted = bool(self._access.roles().grant(caller.peer).only)
        self._check(caller, method, subjects(method, request, intent, restricted))

    def permit(
        self, caller: Caller, method: str, names: Iterable[str], before: Intent, after: Intent
    ) -> None:
        """The same for resources by name, which a change makes of one intent another one. May be called in any thread.

        They have to be permitted as they are and as they would be: a label takes nothing over, and gives nothing away.
        """
        restricted = bool(self._access.roles().grant(caller.peer).only)
        intents = (before, after) if restricted else ()
        self._check(caller, method, [each for name in names for each in as_in(name, *intents)])

    def _check(self, caller: Caller, method: str, resources: Iterable[Resource]) -> None:
        why = self._access.roles().why_not(caller.peer, method, resources)
        if why is not None:
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, Reason.DENIED, why)

    def recording(self, caller: Caller, method: str, request: Any) -> Recording:
        """For one change; what changes nothing is not recorded."""
        plans = getattr(request, "action", None) == api.RehashRequest.ACTION_PLAN
        if self._audit is None or plans or getattr(request, "dry_run", False):
            return NOT_RECORDED
        change = Change(
            str(caller.peer),
            method,
            what=named(method, request),
            why=caller.why,
            source=caller.address,
            request=getattr(request, "request_id", ""),
            more={"override": override} if (override := getattr(request, "override", "")) else {},
        )
        return Recording(self._audit, change)


@lru_cache(maxsize=1024)
def _by_pem(shown: tuple[bytes, ...]) -> Peer:
    """Reading a certificate takes longer than many a call."""
    found = peer_of({"x509_pem_cert": shown})
    if found is None:
        raise _unknown("the certificate cannot be read")
    return by_certificate(found)


def _unknown(why: str) -> Refused:
    return Refused(grpc.StatusCode.UNAUTHENTICATED, Reason.UNKNOWN_PEER, why)


def _not_recorded(why: str) -> Refused:
    return Refused(grpc.StatusCode.UNAVAILABLE, Reason.NOT_RECORDED, why, retry_in=1.0)
