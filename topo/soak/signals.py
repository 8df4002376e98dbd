"""Every name that the soak reads in the controller's journal and status, in one place; and what is counted from them.

Nothing here decides whether a connection broke: tables that changed are evidence for why one was at risk, counts show
that time passed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.model.units import parse_duration

STARTED = "started"
ACCEPTED = "intent_accepted"
REFUSED = "intent_refused"
TABLE = "table"
ADMITTED = "admitted"
CONNECTED = "switch_up"
LINKED = "link_up"
UNLINKED = "link_down"
FAILURE = "failure"
VERDICT = "verdict"
WITHDRAWN = "withdrawn"
SYNCED = "synced"
TURNED = "memory_turned"
DRAINING = ("listener_drains", "listener_returned", "listener_gone")
WRITTEN = "converged"
PAUSED = "paused"
LOST = ("switch_down", WITHDRAWN)

STARVED = 0.5
"""Share of a pause up to which a controller that stood still had worked: it did not hold itself up."""

LONGEST_WRITE = 10.0
"""Seconds after a new table within which a switch begins to write it; what it begins later is of something else."""

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


def digest(event: Event) -> str | None:
    """Of an intent that was accepted or refused: which text it is (``model.load.digest_of``); None: it is unknown."""
    return event.get("digest")


@dataclass(frozen=True)
class TableChange:
    """A pool got another table."""

    pool: str
    """Without its protocol."""
    t: float
    written: float = 0.0
    """When the last lb switch had it: later than ``t`` by a moment, or by seconds on a machine that is busy."""
    vip: str = ""
    """Of a table that some listeners have to themselves: the VIP of the first, by its name at that time. They have it
    since they got another pool, or were off."""
    port: int = 0
    """The port of that listener."""


def table_changes(events: Iterable[Event], lbs: Collection[str] = ()) -> tuple[TableChange, ...]:
    """All of TCP. ``lbs``: the lb switches that tables are written to."""
    found, events = [], tuple(events)
    writes = {lb: _Writes.of(events, lb) for lb in lbs}
    for event in events:
        if name(event) == TABLE:
            t, key = when(event), str(event.get("pool")).split()
            pool, _, protocol = key[min(1, len(key) - 1)].partition("/")
            vip, port = _first_listener(key[0]) if len(key) > 1 else ("", 0)
            moves = not vip or int(event.get("moving", 0)) > 0
            if protocol in ("", "tcp") and moves:
                found.append(TableChange(pool, t, _written(writes.values(), t), vip, port))
    return tuple(found)


def _first_listener(name: str) -> tuple[str, int]:
    """VIP and port of a listener's name, ``vip/protocol/port``."""
    vip, _, rest = name.partition("/")
    return vip, int(rest.rpartition("/")[2])


@dataclass(frozen=True)
class _Writes:
    """When one lb switch was written, under whatever name."""

    spans: tuple[tuple[float, float], ...]
    """From when to when."""
    gone: tuple[float, ...]
    """When it was gone, or its controller: what was being written then was not."""

    @staticmethod
    def of(events: Iterable[Event], lb: str) -> _Writes:
        """Those of a switch; while it is renamed, the journal calls it otherwise."""
        events = tuple(events)
        mine = [one for one in events if str(one.get("switch", "")).removesuffix("x") == lb]
        spans = [
            (when(one) - float(one.get("ms", 0.0)) / 1000.0, when(one))
            for one in mine
            if name(one) == WRITTEN
        ]
        gone = [when(one) for one in mine if name(one) in (*LOST, CONNECTED)]
        gone += [when(one) for one in events if name(one) == STARTED]
        return _Writes(tuple(sorted(spans)), tuple(sorted(gone)))

    def first(self, t: float) -> float | None:
        """When the first write ended that began after ``t``; None: none did so soon that it was of what changed then.

        It begins when the one before has ended.
        """
        free = max((end for began, end in self.spans if began < t < end), default=t)
        return next((end for began, end in self.spans if t <= began <= free + LONGEST_WRITE), None)

    def never(self, t: float) -> float | None:
        """Of one that began none soon after ``t``: until when it was busy with one before. None: it was not there."""
        gone = max((each for each in self.gone if each <= t), default=0.0)
        there = any(gone <= end <= t for _, end in self.spans)
        return min((each for each in self.gone if each > t), default=float("inf")) if there else None


def _written(writes: Iterable[_Writes], t: float) -> float:
    """When the slowest switch ended the first write that it began after ``t``; some have nothing to write."""
    writes = tuple(writes)
    ends = [each.first(t) for each in writes]
    if all(end is None for end in ends):
        return t
    late = [each.never(t) for each, end in zip(writes, ends, strict=True) if end is None]
    return max(end for end in (*ends, *late) if end is not None)


def starved(events: Iterable[Event]) -> tuple[tuple[float, float], ...]:
    """From when to when a controller stood still that did not hold itself up: it was stopped, or had no processor."""
    return tuple(
        (when(one) - float(one["seconds"]), when(one))
        for one in events
        if name(one) == PAUSED and float(one.get("worked", one["seconds"])) <= STARVED * float(one["seconds"])
    )


def admissions(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """When edges began to use an lb switch again, and which, by its name at that time."""
    return _said_of(events, ADMITTED)


def relinked(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """When a cable was found to carry again, and by which switch at its ends."""
    return _said_of(events, LINKED)


def departures(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """When a cable was found to carry nothing, and by which switch at its ends."""
    return _said_of(events, UNLINKED)


def withdrawals(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """When lb switches were taken out of use, and which, by their names at that time."""
    return _said_of(events, WITHDRAWN)


def connections(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """When switches connected, and which, by their names at that time."""
    return _said_of(events, CONNECTED)


def syncs(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """When switches held what they should for the first time since they connected, and which."""
    return _said_of(events, SYNCED)


def writes(events: Iterable[Event], switches: Collection[str]) -> tuple[tuple[float, str], ...]:
    """When these switches had been written, and which."""
    return tuple(one for one in _said_of(events, WRITTEN) if one[1] in switches)


def _said_of(events: Iterable[Event], *names: str) -> tuple[tuple[float, str], ...]:
    return tuple((when(one), str(one.get("switch"))) for one in events if name(one) in names)


def seconds(value: Any) -> float:
    """A duration as an intent file has it."""
    return float(value) if isinstance(value, int | float) else parse_duration(str(value))


def notes(events: Iterable[Event]) -> tuple[tuple[float, str], ...]:
    """What people want to see beside a broken connection: verdicts, lb switches in and out of use, defects."""
    return tuple(
        (when(one), " ".join(f"{key}={value}" for key, value in one.items() if key not in ("t", "at")))
        for one in events
        if name(one) in (VERDICT, FAILURE, ADMITTED, WITHDRAWN, *DRAINING)
    )


@dataclass
class Passing:
    """Counts of what only time brings about, from the controller's journal and looks at its status."""

    windows: int = 0
    """Transition windows that ended."""
    pins: int = 0
    """Pins made: what their number grew by between two looks, so a few are missed."""
    generations: int = 0
    """Generations of a VIP's memory that ended."""
    tracked: int = 0
    """Slots that became tracked: what their number grew by between two looks, so a few are missed."""
    settled: int = 0
    """Slots that settled again, counted likewise."""
    _moving: dict[str, int] = field(default_factory=dict)
    _tracked: dict[str, int] = field(default_factory=dict)
    _pins: int = 0

    def event(self, event: Event) -> None:
        """Take one event of the journal in."""
        self.generations += name(event) == TURNED

    def status(self, status: Mapping[str, Any]) -> None:
        """Take the controller's status in; an empty one says nothing."""
        if not status:
            return
        for key, pool in status.get("pools", {}).items():
            moving = int(pool.get("moving", 0))
            self.windows += moving == 0 and self._moving.get(key, 0) > 0
            self._moving[key] = moving
            tracked = int(pool.get("tracked", 0))
            grown = tracked - self._tracked.get(key, 0)
            self.tracked, self.settled = self.tracked + max(0, grown), self.settled + max(0, -grown)
            self._tracked[key] = tracked
        pins = int(status.get("pins", 0))
        self.pins += max(0, pins - self._pins)
        self._pins = pins
