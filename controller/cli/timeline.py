"""``evenkeel timeline``: what happened, from the log of the store; no controller has to run."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import NamedTuple

from controller.cli import codes
from controller.cli.spans import seconds
from controller.cli.stores import Where, log_of
from controller.cli.timelinetext import lines
from controller.sites.base import StoreError
from controller.sites.eventlog import entries
from controller.sites.timeline import Entry, Wanted, chosen, merged


class Asked(NamedTuple):
    """What the options say."""

    since: str | None = None
    vip: str = ""
    switch: str = ""
    json_out: bool = False


def timeline(where: Where, asked: Asked) -> int:
    """Print what is asked for. Returns an exit code."""
    try:
        since = None if asked.since is None else time.time() - seconds("--since", asked.since)
        wanted = Wanted(since, asked.vip, asked.switch)
        read = entries(asyncio.run(log_of(where)).values)
    except (StoreError, ValueError) as error:
        print(error, file=sys.stderr)
        return codes.Timeline.BAD_INPUT
    print(*read.problems, sep="\n", end="\n" if read.problems else "", file=sys.stderr)
    found = chosen(merged(read.entries), wanted)
    if not found:
        print(f"no such events among the {len(read.entries)} in the log", file=sys.stderr)
        return codes.Timeline.NOTHING
    for line in map(as_json, found) if asked.json_out else lines(found):
        print(line)
    return codes.Timeline.SHOWN


def as_json(entry: Entry) -> str:
    """One line."""
    head = entry._asdict()
    del head["fields"]
    return json.dumps({**head, **entry.fields})
