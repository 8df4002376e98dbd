"""A client of the API for a command, and what a command prints and returns when a call is refused."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from controller.cli.codes import Verb
from controller.cli.contexts import BadPlace
from controller.cli.place import Chosen, Place
from controller.cli.spans import seconds
from controller.client import ApiError, Client, Tls
from controller.core.control import reachable

Where = Callable[[str], str]
"""From a path in the document, such as ``pools[0].health``, to what people see: a place in a file, the path, or
nothing."""
_CODES = {
    "NOT_FOUND": Verb.NOT_FOUND,
    "REVISION_MISMATCH": Verb.OTHER_REVISION,
    "NOT_STORED": Verb.NOT_STORED,
    "NOT_LEADING": Verb.NO_ANSWER,
    "STARTING": Verb.NO_ANSWER,
    "DEADLINE": Verb.NO_ANSWER,
    "": Verb.NO_ANSWER,
}
_CONNECTING = 5.0
"""Seconds until a socket of this machine that takes no connection is given up on."""


class Unreachable(Exception):
    """No controller listens there."""


@contextmanager
def opened(chosen: Chosen) -> Iterator[Client]:
    """A client of what the options say. Raises BadPlace, and Unreachable where no controller can be."""
    try:
        timeout = seconds("--timeout", chosen.timeout)
    except ValueError as error:
        raise BadPlace(str(error)) from None
    with client_of(chosen.place(), timeout) as client:
        yield client


@contextmanager
def client_of(place: Place, timeout: float) -> Iterator[Client]:
    """A client whose calls take ``timeout`` seconds at most. Raises BadPlace and Unreachable."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it would log is in the error
    context = place.context
    if place.socket is not None:
        _look(place, place.socket)
        with Client(f"unix:{place.socket}", timeout=timeout) as client:
            yield client
        return
    assert context is not None
    tls = None if context.ca is None else Tls(context.ca, context.cert, context.key)
    token = context.read_token()
    try:
        client = Client(context.servers, tls, timeout, token)
    except OSError as error:
        raise BadPlace(
            f"{place.shown}: {error.filename}: {error.strerror}; name a readable PEM file"
        ) from None
    with client:
        yield client


def _look(place: Place, path: Path) -> None:
    """gRPC tries again where there is no socket, or one that was left behind: people need not wait for that."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as to, reachable(path) as name:
            to.settimeout(_CONNECTING)
            to.connect(name)
    except OSError as error:
        hint = f"is a controller running with {place.shown}? evenkeel context names others"
        raise Unreachable(f"{path}: {error.strerror or error}; {hint}") from None


def failed(error: Exception, where: Where = str) -> Verb:
    """Print why a command did not do what it should, and return its exit code; what is a defect goes on."""
    if isinstance(error, ApiError):
        print(*_lines(error, where), sep="\n", file=sys.stderr)
        return _CODES.get(error.reason, Verb.REFUSED)
    if isinstance(error, BadPlace):
        print(error, file=sys.stderr)
        return Verb.BAD_INPUT
    if isinstance(error, Unreachable):
        print(error, file=sys.stderr)
        return Verb.NO_ANSWER
    raise error


def _lines(error: ApiError, where: Where) -> Iterator[str]:
    if error.violations:
        for path, text in error.violations:
            place = where(path)
            yield f"{place}: {text}" if place else text
    elif error.conditions:
        yield from (text for _, text in error.conditions)
    elif error.reason:
        yield error.message
    elif error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        yield "no answer in time; a change may still be carried out: look, or ask again"
    else:
        yield f"no controller answers: {error.message}"
    if error.reason == "NOT_LEADING" and error.metadata.get("leader"):
        yield f"the controller that leads is {error.metadata['leader']}: name it in the context"
