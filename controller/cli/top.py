"""``evenkeel top``: pools and their backends, live, from the status that the API gives; q or SIGINT ends it."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from controller.cli.codes import Verb
from controller.cli.columns import style
from controller.cli.contexts import BadPlace
from controller.cli.kinds import whole_numbers
from controller.cli.place import Chosen
from controller.cli.reaching import failed, opened
from controller.cli.tables import Status, connections, health, packets, span
from controller.client import ApiError

EVERY = 1.0
"""Seconds between two looks."""
HEADS = (
    "pool",
    "backend",
    "weight",
    "slots",
    "state",
    "health",
    "for",
    "packets",
    "packets/s",
    "live",
    "new/s",
)
_NOTHING = ("",) * 5
"""Of a pool itself: what stands behind its health."""
_LEFT = 4
"""Lines besides the rows."""


class Seen(NamedTuple):
    """A status, and when it was seen."""

    at: float
    """Seconds of a clock that only grows."""
    status: Status


def top(chosen: Chosen, pools: list[str]) -> int:
    """Show until q or SIGINT. ``pools``: these alone; empty: all. Returns an exit code."""
    to = Console()
    try:
        if not (to.is_terminal and sys.stdin.isatty()):
            raise BadPlace("evenkeel top needs a terminal; for programs: evenkeel status --json")
        with opened(chosen) as client, _keys() as pressed:
            before = seen = Seen(time.monotonic(), whole_numbers(client.status()))
            _check(seen.status, pools)
            problem = ""
            with Live(console=to, screen=True, auto_refresh=False) as live:
                while True:
                    live.update(shown(before, seen, pools, problem, to.height), refresh=True)
                    if pressed(EVERY):
                        return Verb.DONE
                    try:
                        status = whole_numbers(client.status())
                    except ApiError as error:
                        problem = str(error)
                        continue
                    before, seen, problem = seen, Seen(time.monotonic(), status), ""
    except KeyboardInterrupt:
        return Verb.DONE
    except Exception as error:
        return failed(error)


def _check(status: Status, pools: list[str]) -> None:
    known = {key.rpartition("/")[0] for key in status["pools"]}
    for each in pools:
        if each not in known:
            raise BadPlace(f'no listener uses a pool "{each}"; in use: {", ".join(sorted(known)) or "none"}')


def shown(before: Seen, seen: Seen, pools: list[str], problem: str, height: int) -> Group:
    """One screen."""
    status = seen.status
    table = Table(*HEADS, box=None, pad_edge=False)
    rows = list(_rows(before, seen, pools))
    room = max(height - _LEFT, 1)
    for row in rows[:room]:
        table.add_row(*(Text(cell, style=style(cell)) for cell in row))
    left = len(rows) - room
    foot = f"{left} more rows; name pools to see fewer" if left > 0 else ""
    return Group(_head(status), Text(problem or foot, style="red" if problem else ""), table)


def _head(status: Status) -> Text:
    risk = status["at_risk"]
    switches = status["switches"].values()
    used = sum(bool(row["connected"] and row["synced"]) for row in switches)
    return Text(
        f"revision {status['revision']}, term {status['term']}; {used} of {len(switches)} switches in step; "
        f"pins {status['pins']}, unsynced {status['unsynced']}; "
        f"slots moving {sum(risk['moving_slots'].values())}, tracked {sum(risk['tracked_slots'].values())}; q ends"
    )


def _rows(before: Seen, seen: Seen, pools: list[str]) -> Iterator[tuple[str, ...]]:
    for key, pool in seen.status["pools"].items():
        name = key.rpartition("/")[0]
        if pools and name not in pools:
            continue
        yield (key, "", "", str(pool["slots"]), _moves(pool), "panic" if pool["panicked"] else "", *_NOTHING)
        for backend, row in pool["backends"].items():
            count = packets(seen.status, name, backend)["packets"]
            counted = connections(seen.status, name, backend)
            yield (
                "",
                backend,
                str(row["weight"]),
                str(row["slots"]),
                row["state"],
                health([row]),
                span(row["since"]),
                str(count),
                rate(before, seen, name, backend),
                *(("", "") if counted is None else (counted.shown, f"{counted.new:.1f}")),
            )


def rate(before: Seen, seen: Seen, pool: str, backend: str) -> str:
    """Packets a second between two looks; empty: not known yet, or a counter began again."""
    passed = seen.at - before.at
    grown = packets(seen.status, pool, backend)["packets"] - packets(before.status, pool, backend)["packets"]
    return f"{grown / passed:.0f}" if passed > 0 and grown >= 0 else ""


def _moves(pool: Mapping[str, Any]) -> str:
    if not pool["tracked"]:
        return "all settled"
    return f"{pool['moving']} moving, {pool['tracked']} tracked"


@contextmanager
def _keys() -> Iterator[Any]:
    """A function that waits for seconds, and says whether q was pressed."""
    descriptor = sys.stdin.fileno()
    former = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([descriptor], [], [], left)
            if ready:
                octets = os.read(descriptor, 64)
                if not octets or b"q" in octets.lower():
                    return True
        return False

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, former)
