"""The service of the intent: reads it, and has it changed. Every method raises Refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from controller.api import edits, names
from controller.api.answers import of_preview
from controller.api.calls import Asked, Once, outcome
from controller.api.edits import Changes, Edit, Values
from controller.api.errors import Reason, invalid, precondition
from controller.api.guarding import Call
from controller.api.names import NUMBERS, Name
from controller.api.parts import Parts
from controller.api.proposals import Proposals
from controller.api.resources import Reader
from controller.api.v1 import service_pb2 as api
from controller.api.wanted import Wanted
from controller.core.commands import LONGEST_REASON

BACKENDS = 10_000
"""Backends in one request, at most."""
MOST_ENTRIES = 10_000
"""Of one switch, listed in a plan."""


class IntentService:
    """Reads and changes the intent."""

    def __init__(self, parts: Parts, proposals: Proposals, once: Once, reader: Reader) -> None:
        self._parts, self._proposals, self._once, self._reader = parts, proposals, once, reader

    async def get(self, request: api.GetRequest) -> api.GetResponse:
        """One resource."""
        resource = self._reader.get(names.parsed(request.name, "name"))
        return api.GetResponse(resource=resource, revision=self._reader.revision)

    async def get_document(self, request: api.GetDocumentRequest) -> api.GetDocumentResponse:
        """The whole intent."""
        revision = self._proposals.revision(None)
        return api.GetDocumentResponse(document=await self._reader.document(), revision=revision)

    async def list(self, request: api.ListRequest) -> api.ListResponse:
        """A page of resources."""
        kind = NUMBERS.get(request.kind)
        if kind is None:
            raise invalid("kind", f"is {request.kind}, write one of {', '.join(api.Kind.keys()[1:])}")
        return await asyncio.to_thread(self._reader.page, kind, request)

    async def apply(self, request: api.ApplyRequest, call: Call) -> api.ApplyResponse:
        """Make a resource or the whole intent what is given."""
        target, edit = _edit_of(request)
        wanted = Wanted(edit, target, _expected(request), () if target is None else (target,))
        return await self._change("Apply", request, call, wanted, api.ApplyResponse)  # type: ignore[no-any-return]

    async def plan(self, request: api.PlanRequest) -> api.PlanResponse:
        """What that would do."""
        if request.entries > MOST_ENTRIES:
            raise invalid("entries", f"is {request.entries}, write 0 to {MOST_ENTRIES:,}")
        _, edit = _edit_of(request)
        new = await asyncio.to_thread(edit, self._parts.state.intent.value)
        made = await self._parts.preview(new, request.entries)
        return api.PlanResponse(plan=await asyncio.to_thread(of_preview, made))

    async def delete(self, request: api.DeleteRequest, call: Call) -> api.DeleteResponse:
        """Take a resource away."""
        target = names.parsed(request.name, "name")
        wanted = Wanted(edits.removed(target), target, _expected(request), (target,))
        return await self._change("Delete", request, call, wanted, api.DeleteResponse)  # type: ignore[no-any-return]

    async def drain(self, request: api.DrainRequest, call: Call) -> api.DrainResponse:
        """Let backends drain."""
        found = _backends(request.backends)
        wanted = _of_backends(edits.drained(found, drain=True))
        return await self._change("Drain", request, call, wanted, api.DrainResponse)  # type: ignore[no-any-return]

    async def undrain(self, request: api.UndrainRequest, call: Call) -> api.UndrainResponse:
        """Let backends serve."""
        found = _backends(request.backends)
        wanted = _of_backends(edits.drained(found, drain=False))
        return await self._change("Undrain", request, call, wanted, api.UndrainResponse)  # type: ignore[no-any-return]

    async def set_weights(self, request: api.SetWeightsRequest, call: Call) -> api.SetWeightsResponse:
        """Weights of backends."""
        rows = request.weights
        found = _backends((row.backend for row in rows), "weights[{}].backend")
        weights = {name: row.weight for name, row in zip(found, rows, strict=True)}
        wanted = _of_backends(edits.weighted(weights))
        return await self._change("SetWeights", request, call, wanted, api.SetWeightsResponse)  # type: ignore[no-any-return]

    async def _change(
        self, method: str, request: Any, call: Call, wanted: Wanted, kind: Callable[..., Any]
    ) -> Any:
        self._refuse_if_owned()
        wanted.permit, wanted.recording = call.permit, call.recording
        wanted.dry_run, wanted.override = request.dry_run, _override(request.override)

        async def carry_out(asked: Asked | None) -> Any:
            if asked is not None:
                wanted.accepted = lambda found: (*asked, kind(outcome=_outcome(0, found)).SerializeToString())
            done = await self._proposals.change(wanted)
            return kind(outcome=_outcome(done.revision, done.changes))

        return await self._once.run(method, request, carry_out, kind)

    def _refuse_if_owned(self) -> None:
        if self._parts.file:
            text = f"the intent is that of {self._parts.file}: edit the file, or start the controller without one"
            error = precondition(Reason.INTENT_FILE_OWNED, "document", [text])
            error.metadata = {"file": self._parts.file}
            raise error


def _edit_of(request: api.ApplyRequest | api.PlanRequest) -> tuple[Name | None, Edit]:
    """What is to become what is given; None: the whole intent. Raises Refused."""
    what = request.WhichOneof("what")
    if what == "document":
        return None, edits.whole(request.document)
    if what == "resource":
        return edits.put(request.resource)
    raise invalid("what", "has neither document nor resource; set one of them")


def _outcome(revision: int, found: Changes) -> api.Outcome:
    return outcome(revision, found.listed, found.total)


def _expected(request: Any) -> int | None:
    return request.expected_revision if request.HasField("expected_revision") else None


def _of_backends(edit: Values) -> Wanted:
    return Wanted(edit, about=tuple(edit.by_backend))


def _override(reason: str) -> str:
    """Raises Refused for a text that cannot be shown."""
    if len(reason) > LONGEST_REASON or not reason.isprintable() or reason != reason.strip():
        raise invalid("override", f"write a reason of 1 to {LONGEST_REASON} printable characters")
    return reason


def _backends(texts: Iterable[str], field: str = "backends[{}]") -> list[Name]:
    """Names of backends, each once. Raises Refused."""
    found: dict[Name, int] = {}
    for index, text in enumerate(texts):
        if index == BACKENDS:
            raise invalid(field.partition("[")[0], f"has more than {BACKENDS:,}; divide them among calls")
        name = names.backend(text, partial(field.format, index))
        if name in found:
            raise invalid(field.format(index), f"names {name} again, after {field.format(found[name])}")
        found[name] = index
    if not found:
        raise invalid(field.partition("[")[0], f"is empty; {names.BACKEND}")
    return list(found)
