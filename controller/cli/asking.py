"""Commands to a running controller: through its control socket, or to those of a context through the API."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from controller.cli.codes import Asked
from controller.cli.place import Place
from controller.core.control import ANSWER, reachable, socket_beside

ANSWERED = 25.0
"""Seconds until a controller that does not answer is given up on: longer than it gives a command."""


class NoAnswer(Exception):
    """The controller cannot be reached, or does not answer."""


def carry_out(place: Place, request: dict[str, str], said: Callable[[Mapping[str, Any]], str]) -> Asked:
    """Have a command carried out, and print what ``said`` makes of the answer, or on standard error why it was not."""
    if place.context is not None:
        from controller.cli.remote import carry_out as carry_out_there

        return carry_out_there(place, request, said)
    state = place.state
    try:
        answer = ask(socket_beside(state), request)
    except NoAnswer as error:
        print(f"{error}; is a controller running with --state {state}?", file=sys.stderr)
        return Asked.NO_ANSWER
    if answer.get("ok") is True:
        print(said(answer))
        return Asked.DONE
    if "not_stored" in answer:
        print(f"accepted, but not stored yet: {answer['not_stored']}", file=sys.stderr)
        return Asked.NOT_STORED
    print(*answer["refused"], sep="\n", file=sys.stderr)
    return Asked.REFUSED


class NotExplained(Exception):
    """The controller has no explanation; the text says why, a line each."""


def explanation(state: Path, request: dict[str, str], instead: str) -> dict[str, Any]:
    """What the controller beside a state file explains. ``instead``: what can be done where none runs.

    Raises NoAnswer, whose text says that too, and NotExplained.
    """
    try:
        answer = ask(socket_beside(state), request)
    except NoAnswer as error:
        raise NoAnswer(f"{error}; is a controller running with --state {state}? {instead}") from error
    if answer.get("ok") is not True:
        raise NotExplained("\n".join(map(str, answer.get("refused", [answer.get("not_stored")]))))
    found: dict[str, Any] = answer["explanation"]
    return found


def ask(path: Path, request: dict[str, str], within: float = ANSWERED) -> dict[str, Any]:
    """The controller's answer to one request. Raises NoAnswer."""
    line = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as to:
            to.settimeout(within)
            with reachable(path) as name:
                to.connect(name)
            with suppress(BrokenPipeError):  # it may have answered already: that it takes no more clients
                to.sendall(json.dumps(request).encode() + b"\n")
            with to.makefile("rb") as answers:
                line = answers.readline(ANSWER)
    except OSError as error:
        raise NoAnswer(f"{path}: {error.strerror or error}") from error
    if not line.endswith(b"\n"):
        raise NoAnswer(f"{path}: the connection ended without an answer")
    answer: dict[str, Any] = json.loads(line)
    return answer
