"""The stated set: when which connections may end although nothing is wrong, and when which are at risk. Pure.

Everything is built from what the soak did itself and from clients' logs; only that a table changed, or that edges use
an lb switch, is taken from the controller's journal, and whom switches heard by BFD from their own logs (``flaps``), as
evidence for a risk. Reasons, the keys of the report:

``server_died``         its server was killed while it was open
``server_unreachable``  its server was cut off for longer than a verdict and ``keep_for`` take, or had been dead for so
                        long and was not yet found to live
``drained``             its backend drained, or was taken out of the pool or the listener, beyond ``drain_timeout``
``service_removed``     its listener or VIP was off for longer than ``drain_timeout``

At risk: ``unheard`` (opened on a slot that had moved, its packets came to another lb switch before it was heard),
``fullnat`` (its lb switch died or was cut off, or another one came back that took it over: its source port was the
former's own), ``too_silent`` (for longer than ``memory_timeout``), ``unnoticed`` (its packets led over a cable that was
cut, or to a P4 lb switch that died, while no controller ran, and every repetition of one was sent before there was one
that could know, or the cable was mended).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from topo.demo.ledger import Endpoint
from topo.soak.editor import Done
from topo.soak.edits import Document
from topo.soak.flaps import BFD_UP, FOREVER, Flap, down, unprovoked
from topo.soak.signals import TableChange
from topo.soak.stage import DRAIN_TIMEOUT, KEEP_FOR, MEMORY_TIMEOUT, Stage
from topo.soak.steps import EDITS

SETTLE = 1.5
"""Seconds from when the controller took a file until the last switch follows."""
SLACK = 0.1
"""Seconds by which time stamps of two processes may differ."""
RECONNECT = 9.0
"""Seconds from a controller's start within which a switch that lives connects: an Open vSwitch tries every 8 s."""


@dataclass(frozen=True)
class Window:
    """A time in which connections of one listener and server may end. CLOCK_MONOTONIC seconds."""

    reason: str
    start: float
    end: float
    why: str
    lasting: bool = False
    """What was open before its end may end later too: it was given up, but no packet came before it was wanted again.

    Its lb switch still knows it, and nothing else does: it ends when its packets come to another one.
    """

    def covers(self, opened: float, last: float, at: float) -> bool:
        """Whether it lets a connection end at ``at`` that was opened and answered for the last time then."""
        return self.start <= at and (opened if self.lasting else last) <= self.end


@dataclass(frozen=True)
class PathChange:
    """Packets of some connections come to another lb switch."""

    t: float
    what: str
    lb: str
    gone: bool
    """Packets no longer come to that lb switch; else they come to it again."""
    takes: float = 0.0
    """Seconds that may pass until they do, besides what switches take to be written."""
    edge: str = ""
    """The only edge whose packets do so, by its own decision and at once; empty: those of all."""
    cause: str = ""
    """What it has in common with the change that ends it: a cable, a pause."""


@dataclass(frozen=True)
class Links:
    """What a controller says of cables, and when edges were written. Each: seconds, and which switch."""

    left: Sequence[tuple[float, str]] = ()
    """A cable of it carries nothing."""
    relinked: Sequence[tuple[float, str]] = ()
    """It carries again."""
    written: Sequence[tuple[float, str]] = ()
    withdrawn: Sequence[tuple[float, str]] = ()
    """An lb switch was taken out of use by a controller that had stood still: its stream had ended meanwhile."""


@dataclass(frozen=True)
class Period:
    """A time in which the intent said the same."""

    start: float
    """When it was written."""
    settled: float
    """When all switches followed it."""
    document: Document


def periods(
    stage: Stage, start: float, done: Iterable[Done], tables: Iterable[TableChange] = ()
) -> list[Period]:
    """What was in force when. An edit that was refused or skipped changed nothing.

    ``tables``: those that edits changed say when the slowest lb switch had them.
    """
    written = [(one.t, one.written) for one in tables]
    found = [Period(start, start, stage.document)]
    for one in done:
        if one.document is not None and one.outcome in ("accepted", "unresolved"):
            # Who took long to take it may have said so of the text before, and takes as long to carry it out.
            resolved = one.end if one.resolved is None else one.resolved
            settled = resolved + (resolved - one.end) + SETTLE
            settled = max([settled, *(late + SETTLE for t, late in written if abs(t - resolved) <= SLACK)])
            found.append(Period(one.start, max(settled, one.end), one.document))
    return found


def pool_of(document: Document, endpoint: Endpoint) -> dict[str, Any] | None:
    """The pool behind a listener; None while there is no such listener."""
    for vip in document["vips"]:
        for row in vip["listeners"]:
            if vip["address"] == endpoint.address and int(row["port"]) == endpoint.port:
                pools: list[dict[str, Any]] = document["pools"]
                return next(pool for pool in pools if pool["name"] == row["pool"])
    return None


def vip_name(document: Document, endpoint: Endpoint) -> str | None:
    """What a listener's VIP is called; None while there is none."""
    return next((str(vip["name"]) for vip in document["vips"] if vip["address"] == endpoint.address), None)


def _state(document: Document, endpoint: Endpoint, server: str) -> str:
    pool = pool_of(document, endpoint)
    if pool is None:
        return "off"
    row = next((one for one in pool["backends"] if one["name"] == server), None)
    if row is None:
        return "gone"
    return "draining" if row.get("drain") or not int(row.get("weight", 1)) else "serving"


def _allowed_after(state: str, keeps: bool) -> float:
    """Seconds after which a connection of a backend in such a state may end."""
    if state == "draining" and keeps:
        return FOREVER
    return DRAIN_TIMEOUT + (MEMORY_TIMEOUT if state == "gone" and keeps else 0.0)


_REASONS = {"draining": "drained", "gone": "drained", "off": "service_removed"}


def intent_windows(spans: Sequence[Period], endpoint: Endpoint, server: str) -> list[Window]:
    """When what was written lets connections of a server end; never, of one that has not served before."""
    found: list[Window] = []
    since: float | None = None
    keeps, home = True, None
    for number, span in enumerate(spans):
        state, pool = _state(span.document, endpoint, server), pool_of(span.document, endpoint)
        if pool is not None and state == "serving":
            since, keeps, home = None, pool.get("drain_then", "keep") == "keep", pool["name"]
        if home is None or state == "serving":
            continue
        since = span.start if since is None else since
        moved = pool is not None and state == "gone" and pool["name"] != home
        if state == "draining" and pool is not None:
            keeps = pool.get("drain_then", "keep") == "keep"
        start = since + _allowed_after(state, keeps and not moved) - SLACK
        end = spans[number + 1].settled if number + 1 < len(spans) else FOREVER
        if start < end:
            found.append(Window(_REASONS[state], start, end, f"{server} {state}", lasting=state == "off"))
    return found


def server_windows(
    stage: Stage, done: Iterable[Done], server: str, probe: tuple[float, int, int]
) -> list[Window]:
    """When a server's cable was cut, or it was dead, for so long that it counts as down and is given up."""
    interval, rise, fall = probe
    found, cut = [], None
    for one in done:
        if one.step.target not in (stage.server_cables[server], server):
            continue
        if one.step.action in ("cut", "kill"):
            cut = one.start
        elif cut is not None and one.step.action in ("mend", "heal"):
            up_again = one.end + (rise + 1) * interval
            given_up = cut + (fall - 1) * interval + KEEP_FOR
            if given_up < up_again:
                end = up_again + 2 * SETTLE
                what = "cut off" if one.step.kind == "cable" else "dead until just now"
                found.append(Window("server_unreachable", given_up, end, f"{server} {what}"))
            cut = None
    return found


def deaths(done: Iterable[Done]) -> Mapping[str, list[float]]:
    """When each server was killed."""
    found: dict[str, list[float]] = {}
    for one in done:
        if one.step.kind == "server" and one.step.action == "kill":
            found.setdefault(one.step.target, []).append(one.start)
    return found


def path_changes(
    stage: Stage,
    done: Sequence[Done],
    admitted: Iterable[tuple[float, str]],
    links: Links | None = None,
    absent: Sequence[tuple[float, float]] = (),
    flaps: Sequence[Flap] = (),
) -> list[PathChange]:
    """Deaths, returns and pauses of lb switches, and what happened to cables between switches.

    What a controller says of cables comes long after the cut, if it was away meanwhile; where no cable was cut, or
    silent for another reason, it means nothing: a switch that starts has none at first. An edge that is not connected,
    or whose controller is ``absent``, follows later; what an edge finds itself, by BFD (``flaps``), it follows at once.
    """
    links = links or Links()
    found = _by_edges(stage, flaps)
    for one in done:
        step = one.step
        if step.kind == "pause" and step.target in stage.lbs:
            found += [
                PathChange(one.start, step.title, step.target, True, cause="pause"),
                PathChange(one.end, f"{step.title}: over", step.target, False, cause="pause"),
            ]
        elif step.kind == "cable" and step.target in stage.cables:
            lb = next(end for end in step.target.split("-") if end in stage.lbs)
            gone = step.action == "cut"
            takes = 0.0 if gone or not stage.watches else BFD_UP
            if not gone:  # what a controller has to find is used when it has
                latest = _latest(one.start, absent)
                known = [
                    t for t, by in links.relinked if _known(stage, by) == lb and one.start <= t <= latest
                ]
                takes = max([takes, *(t - one.start for t in known)])
            found.append(PathChange(one.start, step.title, lb, gone, takes, cause=step.target))
    for said, gone in ((links.left, True), (links.relinked, False)):
        for t, switch in said:
            lb = _known(stage, switch)
            what = f"{switch} was {'left out' if gone else 'used again'}"
            for ends, start, end, said_by in _interruptions(stage, done, flaps):
                if (
                    lb in stage.lbs
                    and lb in ends
                    and start <= t <= (said_by if gone else _latest(end, absent))
                ):
                    takes = _followed(t, links.written, absent)
                    found.append(PathChange(t, what, lb, gone, takes, cause="links"))
    found += [
        PathChange(
            t, f"{switch} was withdrawn", lb, True, _followed(t, links.written, absent), cause="stream"
        )
        for t, switch, lb in of_lbs(stage, links.withdrawn)
    ]
    kills = [
        PathChange(one.start, one.step.title, one.step.target, True)
        for one in done
        if one.step.kind == "lb" and one.step.action == "kill"
    ]
    used = [
        PathChange(t, f"{switch} was used again", lb, False, _followed(t, links.written, absent))
        for t, switch, lb in of_lbs(stage, admitted)
    ]
    return while_used(list(dict.fromkeys(found)), kills, used)


def _by_edges(stage: Stage, flaps: Iterable[Flap]) -> list[PathChange]:
    """When clients' edges left an lb switch out, or used it again, because of what they heard of it."""
    edges = set(stage.edges.values())
    return [
        PathChange(
            one.t,
            f"{one.switch} {'heard' if one.up else 'did not hear'} {one.neighbour} by BFD",
            one.neighbour,
            not one.up,
            edge=one.switch,
            cause=f"BFD of {one.switch}",
        )
        for one in flaps
        if one.switch in edges and one.neighbour in stage.lbs
    ]


def _interruptions(
    stage: Stage, done: Sequence[Done], flaps: Sequence[Flap]
) -> list[tuple[set[str], float, float, float]]:
    """When cables of an lb switch carried nothing: of which switches, from when to when, and until when that was said.

    They were cut; or the switch was stopped, and says so when it goes on; or BFD was not in time.
    """
    found = [(set(target.split("-")), start, mended, mended) for target, start, mended in cuts(stage, done)]
    found += [
        ({one.step.target}, one.start, one.end, one.end + SETTLE)
        for one in done
        if one.step.kind == "pause" and one.step.target in stage.lbs
    ]
    return found + [
        ({flap.switch, flap.neighbour}, flap.t - SLACK, end, end + SETTLE)
        for flap, end in down(flaps, unprovoked(stage, done, flaps))
    ]


def of_lbs(stage: Stage, said: Iterable[tuple[float, str]]) -> list[tuple[float, str, str]]:
    """What was said of lb switches, and their names in the stage."""
    found = [(t, switch, _known(stage, switch)) for t, switch in said]
    return [each for each in found if each[2] in stage.lbs]


def while_used(
    others: Sequence[PathChange], kills: Sequence[PathChange], admitted: Sequence[PathChange]
) -> list[PathChange]:
    """All of them in order, without what happened to an lb switch that was killed and is not used again yet.

    No packets come there, so none change their path when it is stopped and goes on, or its cable is cut and mended.
    A cable that is still cut when the switch is used again keeps packets away from then on.
    """
    found, out = [], set[str]()
    meanwhile: dict[tuple[str, str], PathChange] = {}
    ranked = [(one.t, rank, one) for rank, each in enumerate((kills, admitted, others)) for one in each]
    for t, rank, one in sorted(ranked, key=lambda each: each[:2]):
        if rank == 0:
            out.add(one.lb)
        elif rank == 1:
            out.discard(one.lb)
        elif one.lb in out and one.gone:
            meanwhile[one.lb, one.cause] = one
        elif not one.gone:
            meanwhile.pop((one.lb, one.cause), None)
        if rank < 2 or one.lb not in out:
            found.append(one)
        if rank == 1:
            still = [key for key in meanwhile if key[0] == one.lb]
            found += [replace(meanwhile.pop(key), t=t) for key in still]
    return found


def _followed(t: float, written: Sequence[tuple[float, str]], absent: Sequence[tuple[float, float]]) -> float:
    """Seconds from ``t`` until each edge was written for the first time since, as a controller gets round to it."""
    latest, since = _latest(t, absent), t
    for gone, back in sorted(absent):
        if since <= gone <= since + SETTLE:  # it may have written a part
            since = back
    first: dict[str, float] = {}
    for when, edge in written:
        if since <= when <= latest:
            first.setdefault(edge, when)
    return max(first.values(), default=t) - t


def _latest(t: float, absent: Sequence[tuple[float, float]]) -> float:
    """When a controller has got round to what happened at ``t``: it has its switches, and has not been away since."""
    latest = t + RECONNECT + SETTLE
    for gone, back in sorted(absent):
        if t <= back and gone <= latest:
            latest = back + RECONNECT + SETTLE
    return latest


def cuts(stage: Stage, done: Sequence[Done]) -> list[tuple[str, float, float]]:
    """Cables between switches, and from when to when they were cut."""
    found = []
    for one in done:
        if one.step.kind == "cable" and one.step.action == "cut" and one.step.target in stage.cables:
            later = (
                each.end for each in done if each.step.target == one.step.target and each.start > one.start
            )
            found.append((one.step.target, one.start, min(later, default=FOREVER)))
    return found


def _known(stage: Stage, switch: str) -> str:
    """The name that an lb switch has in the stage: while it is renamed, the journal calls it otherwise."""
    return max((name for name in stage.lbs if switch.startswith(name)), key=len, default=switch)


def edits_of(done: Iterable[Done]) -> list[Done]:
    """Those that edited the file."""
    return [one for one in done if one.step.kind in EDITS]
