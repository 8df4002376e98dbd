"""Figures from client logs: repair times, stalls, and how new connections follow the weights. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from topo.demo.chisquare import Fit, fit, together
from topo.demo.events import Fleet, Happened, Kind
from topo.demo.records import Connection, Request

SLOW_CONNECT = 0.9
"""Seconds; who needed longer to connect lost the first SYN: the kernel sends the next after a second."""
SETTLE = 4.0
"""Seconds after an event that are not held against the weights."""
QUIET = 3.0
"""The shortest stretch, in seconds, that is compared with the weights."""


IN_FLIGHT = 0.1
"""Seconds; who begins so shortly before an event may still have the first packet on the way when it happens."""

_AT_ONCE = frozenset({"refused", "reset", "eof"})
"""Results that come when something happens; silence is noticed later."""


@dataclass(frozen=True)
class Span:
    """The time from one event to the next, and who should get new connections in it."""

    happened: Happened | None
    """None: before the first event."""
    start: float
    end: float
    fleet: Fleet
    last: bool = False

    @property
    def name(self) -> str:
        """The event it follows."""
        return self.happened.step.kind.value if self.happened else "start"


def spans(fleet: Fleet, happened: Sequence[Happened], start: float, end: float) -> list[Span]:
    """Cut the run at its events."""
    edges = [*(one.t for one in happened), end]
    cut = [Span(None, start, edges[0], fleet)]
    for one, until in zip(happened, edges[1:], strict=True):
        fleet = fleet.after(one.step)
        cut.append(Span(one, one.t, until, fleet, one is happened[-1]))
    return cut


@dataclass(frozen=True)
class Trouble:
    """A new connection that was not right."""

    t: float
    """When the attempt began."""
    listener: str
    what: str
    """lost, delayed or misdirected, and by whom."""


def trouble(request: Request, fleet: Fleet) -> Trouble | None:
    """What was wrong with a short request, given who should have got it; None: nothing."""
    if request.result != "ok" or request.connect is None:
        return Trouble(request.t, request.listener, f"lost: {request.result}")
    if request.server not in fleet.serving():
        return Trouble(request.t, request.listener, f"misdirected to {request.server}")
    if request.connect > SLOW_CONNECT:
        return Trouble(request.t, request.listener, f"delayed: connected after {request.connect:.2f} s")
    return None


def troubles(span: Span, requests: Iterable[Request]) -> list[Trouble]:
    """Everything wrong with requests begun in ``span``, in order.

    What was lost or delayed is the next event's if it was begun right before it: a packet on its way to a switch that
    dies says nothing about what happened ten seconds earlier. An attempt that was refused or cut belongs to what had
    happened by then, however long it had been under way.
    """
    lead = IN_FLIGHT if span.happened else 0.0
    tail = 0.0 if span.last else IN_FLIGHT
    found = []
    for one in requests:
        wrong = trouble(one, span.fleet)
        if wrong is None:
            continue
        if one.result == "ok" and one.server not in span.fleet.serving():
            at, start, end = one.t, span.start, span.end
        elif one.result in _AT_ONCE:
            at, start, end = one.t + one.total, span.start, math.inf if span.last else span.end
        else:
            at, start, end = one.t, span.start - lead, span.end - tail
        if start <= at < end:
            found.append(wrong)
    return sorted(found, key=lambda one: one.t)


def repair_ms(span: Span, wrong: Sequence[Trouble]) -> float:
    """From the event to the beginning of the last attempt that went wrong after it; 0.0: none did.

    At least 0.1 if one did: it may have been on the way when the event happened.
    """
    return max(0.1, round((wrong[-1].t - span.start) * 1000.0, 1)) if wrong else 0.0


def longest_stall_ms(connections: Iterable[Connection], start: float, end: float) -> float:
    """The slowest echo that was under way at any time from ``start`` to ``end``."""
    return round(
        1000.0
        * max(
            (
                echo.rtt
                for connection in connections
                for echo in connection.echoes
                if echo.t < end and echo.answered >= start
            ),
            default=0.0,
        ),
        1,
    )


@dataclass(frozen=True)
class Spread:
    """New connections of one listener in one quiet phase against the weights."""

    phase: str
    listener: str
    weights: dict[str, int]
    observed: dict[str, int]
    fit: Fit


def spreads(cut: Sequence[Span], requests: Sequence[Request], listeners: Sequence[str]) -> list[Spread]:
    """Every quiet phase of every listener; misdirected and lost requests are left to ``troubles``."""
    rows: list[Spread] = []
    for span in cut:
        quiet = span.start + SETTLE
        if span.end - quiet < QUIET or (span.happened and span.happened.step.kind is Kind.SABOTAGE):
            continue
        weights = span.fleet.serving()
        for listener in listeners:
            counts = Counter(
                one.server
                for one in requests
                if quiet <= one.t < span.end
                and one.listener == listener
                and one.result == "ok"
                and one.server in weights
            )
            observed = {name: counts[name] for name in sorted(weights)}
            rows.append(Spread(span.name, listener, weights, observed, fit(observed, weights)))
    return rows


def overall(rows: Sequence[Spread]) -> Fit:
    """All phases and listeners as one test, so that many rows do not fail by chance more often than one."""
    return together([row.fit for row in rows])
