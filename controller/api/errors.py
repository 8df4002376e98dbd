"""Why a call is refused: a status code, a reason that stays the same over versions, and google.rpc's details."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from controller.api.v1 import details_pb2 as details

DOMAIN = "evenkeel"
"""Of every ErrorInfo."""
TYPES = "type.googleapis.com/google.rpc."
"""What the names of details begin with."""
HEADER = "grpc-status-details-bin"
"""The trailing metadata in which a Status travels."""
VIOLATIONS = 100
"""Violations that one answer lists, at most."""
LONGEST = 4000
"""Characters of a message, and of all its details: they travel in a header."""


class Reason(StrEnum):
    """What ``ErrorInfo.reason`` may be."""

    INVALID_DOCUMENT = "INVALID_DOCUMENT"
    """A value is not what the schema allows, or values do not fit together: BadRequest lists where."""
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    """A field of the request, but for what it says of the intent, is wrong: BadRequest lists it."""
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    """The request id was used for another request in the last ten minutes."""
    NOT_FOUND = "NOT_FOUND"
    """There is no such resource: ResourceInfo names it."""
    REVISION_MISMATCH = "REVISION_MISMATCH"
    """The resource has another revision than expected; ``revision`` in the metadata says which. Read it again."""
    INTENT_REFUSED = "INTENT_REFUSED"
    """The intent is well written and cannot take the place of the present one: PreconditionFailure says why."""
    OVER_BUDGET = "OVER_BUDGET"
    """The change disturbs more than disruption budgets allow: PreconditionFailure has the numbers. ``override`` with a
    reason sets them aside."""
    INTENT_FILE_OWNED = "INTENT_FILE_OWNED"
    """The controller was started with an intent file (``file`` in the metadata), which alone changes the intent."""
    ORDER_REFUSED = "ORDER_REFUSED"
    """An order cannot be carried out now: PreconditionFailure says why."""
    DRILL_FAILED = "DRILL_FAILED"
    """A drill did not go there or back as it should; the order is withdrawn."""
    DRILL_LEFT = "DRILL_LEFT"
    """The order of a drill could not be withdrawn: the VIP stays there until MoveVip without a site."""
    NOT_STORED = "NOT_STORED"
    """Accepted, and not yet durable: the store cannot be written. It takes effect once it can. Ask again with the same
    request id."""
    NOT_LEADING = "NOT_LEADING"
    """This controller stands by; ``leader`` in the metadata names the one that leads, if it is known."""
    STARTING = "STARTING"
    """This controller has not read its store yet, or is about to end."""
    TOO_MANY_CALLS = "TOO_MANY_CALLS"
    """More calls than are served at a time, or in a time: RetryInfo says when to try again."""
    SLOW_READER = "SLOW_READER"
    """A watch was read too slowly and is cut off. Resume it with the last position seen: nothing is lost."""
    UNKNOWN_PEER = "UNKNOWN_PEER"
    """The peer shows a token that is not known, or neither a token nor a certificate where one is needed."""
    DENIED = "DENIED"
    """The peer may not do this."""
    NOT_RECORDED = "NOT_RECORDED"
    """The audit log cannot be written. The message says whether the change was made."""
    DEADLINE = "DEADLINE"
    """Not carried out within the deadline. A request with an id may still be: ask again with the same id."""
    DEFECT = "DEFECT"
    """A defect in the controller, which its log describes. Please report it."""


@dataclass
class Refused(Exception):
    """A call that is not carried out."""

    code: grpc.StatusCode
    reason: Reason
    message: str
    fields: tuple[tuple[str, str], ...] = ()
    """(path, what is wrong and what would be right), for BadRequest."""
    conditions: tuple[tuple[str, str], ...] = ()
    """(subject, description), for PreconditionFailure."""
    resource: str = ""
    """For ResourceInfo."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_in: float | None = None
    """Seconds, for RetryInfo."""

    def __str__(self) -> str:
        return self.message

    def status(self) -> details.Status:
        """As it travels."""
        packed = (
            Any(type_url=f"{TYPES}{each.DESCRIPTOR.name}", value=each.SerializeToString())
            for each in self._details()
        )
        return details.Status(code=self.code.value[0], message=_short(self.message), details=packed)

    def _details(self) -> Iterable[Message]:
        yield details.ErrorInfo(reason=self.reason.value, domain=DOMAIN, metadata=dict(self.metadata))
        if self.fields:
            bad = details.BadRequest()
            for path, description in _bounded(self.fields):
                bad.field_violations.add(field=path, description=description)
            yield bad
        if self.conditions:
            failed = details.PreconditionFailure()
            for subject, description in _bounded(self.conditions):
                failed.violations.add(type=self.reason.value, subject=subject, description=description)
            yield failed
        if self.resource:
            yield details.ResourceInfo(resource_type="evenkeel.v1.Resource", resource_name=self.resource)
        if self.retry_in is not None:
            info = details.RetryInfo()
            info.retry_delay.FromNanoseconds(int(self.retry_in * 1e9))
            yield info


def invalid(path: str, problem: str) -> Refused:
    """A field of a request is wrong."""
    text = f"{path}: {problem}"
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_ARGUMENT, text, fields=((path, problem),))


def missing(name: str, why: str = "") -> Refused:
    """There is no such resource."""
    text = why or f'there is no "{name}"'
    return Refused(grpc.StatusCode.NOT_FOUND, Reason.NOT_FOUND, text, resource=name)


def precondition(reason: Reason, subject: str, why: Iterable[str]) -> Refused:
    """The fabric is not as the call needs it."""
    listed = tuple((subject, each) for each in why)
    text = "\n".join(each for _, each in listed)
    return Refused(grpc.StatusCode.FAILED_PRECONDITION, reason, text, conditions=listed)


def _bounded(rows: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """What fits into a header."""
    found: list[tuple[str, str]] = []
    size = 0
    for path, description in rows[:VIOLATIONS]:
        size += len(path) + len(description)
        if found and size > LONGEST:
            break
        found.append((path, _short(description)))
    return found


def _short(text: str) -> str:
    return text if len(text) <= LONGEST // 2 else f"{text[: LONGEST // 2]} ..."
