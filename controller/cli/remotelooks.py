"""``evenkeel status`` and ``evenkeel timeline`` of the controllers of a context, by the API."""

from __future__ import annotations

import json
import sys
import time

from rich.console import Console

from controller.cli import codes
from controller.cli.kinds import whole_numbers
from controller.cli.place import Place
from controller.cli.reaching import client_of, failed
from controller.cli.spans import seconds
from controller.cli.status import show
from controller.cli.timeline import Asked, as_json
from controller.cli.timelinetext import lines
from controller.cli.watching import entry_of
from controller.client import ApiError

TIMEOUT = 10.0
"""Seconds for an answer."""


def status(place: Place, json_out: bool) -> int:
    """Print what the controller that leads says of itself. Returns an exit code."""
    try:
        with client_of(place, TIMEOUT) as client:
            shown = whole_numbers(client.status())
    except Exception as error:
        failed(error)
        stands_by = isinstance(error, ApiError) and error.reason == "NOT_LEADING"
        return codes.Status.STANDS_BY if stands_by else codes.Status.NONE
    if json_out:
        print(json.dumps(shown, indent=1))
    else:
        show(Console(), shown)
    return codes.Status.CURRENT


def timeline(place: Place, asked: Asked) -> int:
    """Print events. Returns an exit code."""
    try:
        since = 0.0 if asked.since is None else time.time() - seconds("--since", asked.since)
    except ValueError as error:
        print(error, file=sys.stderr)
        return codes.Timeline.BAD_INPUT
    try:
        with client_of(place, TIMEOUT) as client:
            found = [entry_of(each) for each in client.timeline(since, asked.vip, asked.switch)]
    except Exception as error:
        failed(error)
        return codes.Timeline.BAD_INPUT
    if not found:
        print("no such events in the log", file=sys.stderr)
        return codes.Timeline.NOTHING
    for line in map(as_json, found) if asked.json_out else lines(found):
        print(line)
    return codes.Timeline.SHOWN
