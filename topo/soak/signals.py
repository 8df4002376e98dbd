"""Every name that the soak reads in the controller's journal and status, in one place; and what is counted from them.

Nothing here decides whether a connection broke: tables that changed are evidence for why one was at risk, counts show
that time passed. Where the controller shows nothing, switches are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.model.units import parse_duration

STARTED = "started"
ACCEPTED = "intent_accepted"
REFUSED = "intent_refused"
TABLE = "table"
ADMITTED = "admitted"
FAILURE = "failure"
VERDICT = "verdict"
WITHDRAWN = "barred"
WRITTEN = "converged"
_ZONE = re.compile(
    r"priority=\d+,(?P<match>\S+) actions=.*load:(?P<zone>0x[0-9a-f]+)->NXM_NX_REG8\[0\.\.15\]"
)
"""Of a flow that claims a VIP's packets: the zone in which memory's present generation is."""
_BLOCK = 8
"""Zones of a VIP, beginning at a multiple of this."""
MEMORY_TABLE = 0
"""Where those flows are."""

Event = Mapping[str, Any]


def name(event: Event) -> str:
    """What happened."""
    return str(event.get("event"))


def when(event: Event) -> float:
    """CLOCK_MONOTONIC seconds."""
    return float(event.get("t", 0.0))


def reasons(event: Event) -> str:
    """Why an intent was refused, in one line."""
    return "; ".join(str(one) for one in event.get("errors", ()))


@dataclass(frozen=True)
class TableChange:
    """A pool got another table."""

    pool: str
    """Without its protocol."""
    t: float


def table_changes(events: Iterable[Event]) -> tuple[TableChange, ...]:
    """All of TCP."""
    found = []
    for event in events:
        if name(event) == TABLE:
            pool, _, protocol = str(event.get("pool")).partition("/")
            if protocol in ("", "tcp"):
                found.append(TableChange(pool, when(event)))
    return tuple(found)


def admissions(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """When edges began to use an lb switch again, and which, by its name at that time."""
    return tuple((when(one), str(one.get("switch"))) for one in events if name(one) == ADMITTED)


def seconds(value: Any) -> float:
    """A duration as an intent file has it."""
    return float(value) if isinstance(value, int | float) else parse_duration(str(value))


def notes(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """What people want to see beside a broken connection: verdicts, lb switches in and out of use, defects."""
    return tuple(
        (when(one), " ".join(f"{key}={value}" for key, value in one.items() if key not in ("t", "at")))
        for one in events
        if name(one) in (VERDICT, FAILURE, ADMITTED, WITHDRAWN)
    )


@dataclass
class Passing:
    """Counts of what only time brings about, from looks at the controller's status and at switches."""

    windows: int = 0
    """Transition windows that ended."""
    pins: int = 0
    """Pins made: what their number grew by between two looks, so a few are missed."""
    generations: int = 0
    """Turns of an Open vSwitch lb switch's memory from one zone to the next."""
    _moving: dict[str, int] = field(default_factory=dict)
    _pins: int = 0
    _zones: dict[tuple[str, str], int] = field(default_factory=dict)

    def status(self, status: Mapping[str, Any]) -> None:
        """Take the controller's status in; an empty one says nothing."""
        if not status:
            return
        for key, pool in status.get("pools", {}).items():
            moving = int(pool.get("moving", 0))
            self.windows += moving == 0 and self._moving.get(key, 0) > 0
            self._moving[key] = moving
        pins = int(status.get("pins", 0))
        self.pins += max(0, pins - self._pins)
        self._pins = pins

    def memory(self, switch: str, zones: Mapping[str, int]) -> None:
        """Take in what ``memory_zones`` found on a switch; a VIP that got other zones altogether has not turned."""
        for match, zone in zones.items():
            before = self._zones.get((switch, match), zone)
            self.generations += before != zone and before // _BLOCK == zone // _BLOCK
            self._zones[switch, match] = zone


def memory_zones(flows: str) -> dict[str, int]:
    """From ``ovs-ofctl dump-flows``: what each flow matches, and the zone that it remembers in."""
    return {one["match"]: int(one["zone"], 16) for one in map(_ZONE.search, flows.splitlines()) if one}
