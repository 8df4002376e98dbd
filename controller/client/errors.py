"""What the API answers instead of a result, as an exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import grpc

from controller.api.v1 import details_pb2 as details

HEADER = "grpc-status-details-bin"
TYPES = "type.googleapis.com/google.rpc."


@dataclass
class ApiError(Exception):
    """A call that was refused, or did not reach a controller."""

    code: grpc.StatusCode
    reason: str
    """A reason of docs/api.md; empty: no controller answered."""
    message: str
    violations: tuple[tuple[str, str], ...] = ()
    """(path in the document or field of the request, what is wrong and what would be right)."""
    conditions: tuple[tuple[str, str], ...] = ()
    """(subject, why it is not carried out now)."""
    resource: str = ""
    """The one that is not there."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Of the reason: ``leader``, ``revision``, ``event_revision``, ``file``."""
    retry_in: float | None = None
    """Seconds after which to try again; None: that does not help, or nothing is known."""

    def __str__(self) -> str:
        return f"{self.reason or self.code.name}: {self.message}"

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed later without anything being done about it."""
        return self.code is grpc.StatusCode.UNAVAILABLE or (
            self.code is grpc.StatusCode.RESOURCE_EXHAUSTED and self.retry_in is not None
        )

    @property
    def elsewhere(self) -> bool:
        """Whether another controller may answer."""
        return self.code is grpc.StatusCode.UNAVAILABLE and self.reason in ("", "NOT_LEADING", "STARTING")


def of(error: Any) -> ApiError:
    """What a call of gRPC ended with."""
    made = ApiError(error.code(), "", error.details() or "")
    trailing = dict(error.trailing_metadata() or ())
    if HEADER not in trailing:
        return made
    status = details.Status.FromString(trailing[HEADER])
    made.message = status.message
    for packed in status.details:
        _take(made, packed.type_url.removeprefix(TYPES), packed.value)
    return made


def _take(made: ApiError, name: str, octets: bytes) -> None:
    if name == "ErrorInfo":
        info = details.ErrorInfo.FromString(octets)
        made.reason, made.metadata = info.reason, dict(info.metadata)
    elif name == "BadRequest":
        rows = details.BadRequest.FromString(octets).field_violations
        made.violations = tuple((row.field, row.description) for row in rows)
    elif name == "PreconditionFailure":
        failed = details.PreconditionFailure.FromString(octets).violations
        made.conditions = tuple((row.subject, row.description) for row in failed)
    elif name == "ResourceInfo":
        made.resource = details.ResourceInfo.FromString(octets).resource_name
    elif name == "RetryInfo":
        made.retry_in = details.RetryInfo.FromString(octets).retry_delay.ToNanoseconds() / 1e9
