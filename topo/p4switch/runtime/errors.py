"""Errors of the P4Runtime service: canonical codes, and the status details that a failed batch carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import grpc
from finsy.proto import p4r, rpc_status

DETAILS_KEY = "grpc-status-details-bin"
"""gRPC metadata key under which a serialized google.rpc.Status travels."""

SPACE = "evenkeel-v1model"
"""The error space of p4.v1.Error; numeric codes in it are not used."""

MAX_DETAILS = 8192
"""Bytes of error text in one status. gRPC clients refuse more than 8 KiB of metadata by default; beyond this many,
errors keep their code and lose their text."""


class P4Error(Exception):
    """One update, request or call was refused; carries the canonical code that the client is told."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        """``message`` names what was wrong and what would be right."""
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def number(self) -> int:
        """The canonical code as the number that google.rpc.Code gives it."""
        return number(self.code)


def number(code: grpc.StatusCode) -> int:
    """A status code as the number that google.rpc.Code gives it."""
    return int(code.value[0])


def invalid(message: str) -> P4Error:
    """A malformed entity or request."""
    return P4Error(grpc.StatusCode.INVALID_ARGUMENT, message)


def out_of_range(message: str) -> P4Error:
    """A value, or an index, that does not fit."""
    return P4Error(grpc.StatusCode.OUT_OF_RANGE, message)


def not_found(message: str) -> P4Error:
    """An entity, or an id, that does not exist."""
    return P4Error(grpc.StatusCode.NOT_FOUND, message)


def exists(message: str) -> P4Error:
    """An insert of what is there already."""
    return P4Error(grpc.StatusCode.ALREADY_EXISTS, message)


def denied(message: str) -> P4Error:
    """What this client may not do, or no client may do to this entity."""
    return P4Error(grpc.StatusCode.PERMISSION_DENIED, message)


def failed_precondition(message: str) -> P4Error:
    """What has to wait until something else has happened."""
    return P4Error(grpc.StatusCode.FAILED_PRECONDITION, message)


def exhausted(message: str) -> P4Error:
    """A container, or a limit, that is full."""
    return P4Error(grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def unimplemented(message: str) -> P4Error:
    """What the standard allows and this switch does not offer."""
    return P4Error(grpc.StatusCode.UNIMPLEMENTED, message)


def aborted(message: str) -> P4Error:
    """An update that was right, and was undone because another of its batch failed."""
    return P4Error(grpc.StatusCode.ABORTED, message)


def batch_status(message: str, errors: Sequence[P4Error | None]) -> rpc_status.Status:
    """Status of a batch in which something failed: one p4.v1.Error per update, in their order; None is OK.

    Texts beyond MAX_DETAILS bytes are left out, codes never are: the client has to find every failed update.
    """
    status = rpc_status.Status(code=number(grpc.StatusCode.UNKNOWN), message=message)
    room = MAX_DETAILS
    for error in errors:
        detail = p4r.Error()
        if error is not None:
            detail.canonical_code, detail.space = error.number, SPACE
            if room > 0:
                detail.message = error.message
                room -= len(error.message)
        status.details.add().Pack(detail)
    return status


def abort(context: grpc.ServicerContext, error: P4Error) -> NoReturn:
    """End a call with a status of its own and no details."""
    context.abort(error.code, error.message)
    raise AssertionError("abort returned")


def abort_batch(context: grpc.ServicerContext, what: str, errors: Sequence[P4Error | None]) -> NoReturn:
    """End a call because of failed members of its batch."""
    failed = sum(error is not None for error in errors)
    first = next(error.message for error in errors if error is not None)
    message = f"{failed} of {len(errors)} {what} failed; the first: {first}"
    status = batch_status(message, errors)
    context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort returned")
