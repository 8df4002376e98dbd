"""What became of every connection, from clients' and servers' logs; and whether a stated fate explains its end. Pure.

The demo's ledger says which connections ended against the client's will, or were not what their client took them for.
Here each of those is held against the stated set (``fates``). What nothing explains is broken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from topo.demo import ledger
from topo.demo.ledger import CLOCK_SLACK, Endpoint
from topo.demo.records import Connection, Served
from topo.soak.actors import ECHO_TIMEOUT
from topo.soak.editor import Done
from topo.soak.fates import (
    RECONNECT,
    SLACK,
    Links,
    PathChange,
    Period,
    Window,
    deaths,
    edits_of,
    intent_windows,
    path_changes,
    periods,
    pool_of,
    server_windows,
)
from topo.soak.flaps import Flap
from topo.soak.led import absences, unled, unwritten
from topo.soak.logs import FullnatIndex, last_answer
from topo.soak.outages import Outage, leaderless, outages
from topo.soak.signals import TableChange, seconds
from topo.soak.stage import MEMORY_TIMEOUT, Stage
from topo.soak.unheard import SETTLED, Unheard

RETRIES = 5.5
"""Seconds from a packet until TCP has sent it for the last time within ``ECHO_TIMEOUT``, less a little: what only
begins later does not explain that nothing came back."""
ONE_RETURN = 5.0
"""Seconds within which a cable that is mended and the hellos that arrive again are one return."""
KILLING = 0.5
"""Seconds from when a kill is noted until the server is dead."""
FATES = ("server_died", "server_unreachable", "drained", "service_removed")
RISKS = ("unheard", "fullnat", "too_silent", "unnoticed")
VERDICTS = ("ok", *FATES, "at_risk", "broken", "not_opened", "unproven")
"""Every verdict, as the report counts them."""


@dataclass(frozen=True)
class Judged:
    """One connection's end."""

    id: str
    client: str
    listener: str
    kind: str
    verdict: str
    """One of ``VERDICTS``."""
    server: str | None
    cause: str
    """What was seen, in words; empty for ok."""
    reason: str
    """Which fate or risk explains it, and by what evidence; empty where none does."""
    at: float | None
    last: float | None
    """When the client last had an answer."""
    suspects: tuple[str, ...] = ()
    """Of a broken one: what happened from shortly before its last answer to its end, the latest first."""


@dataclass(frozen=True)
class Evidence:
    """What a run left behind that explains ends."""

    stage: Stage
    start: float
    done: tuple[Done, ...]
    tables: tuple[TableChange, ...] = ()
    admitted: tuple[tuple[float, str], ...] = ()
    """When edges began to use an lb switch again, and which."""
    left: tuple[tuple[float, str], ...] = ()
    """When the controller found that a cable of a switch carries nothing, and which switch."""
    relinked: tuple[tuple[float, str], ...] = ()
    """When it found that a cable of a switch carries again, and which switch."""
    away: tuple[tuple[float, float], ...] = ()
    """When there was no controller: from its death until the next one said that it had started."""
    written: tuple[tuple[float, str], ...] = ()
    """When edges had been written, and which: packets follow an lb switch's return or absence no later."""
    connected: tuple[tuple[float, str], ...] = ()
    """When switches connected to a controller, and which."""
    synced: tuple[tuple[float, str], ...] = ()
    """When a controller had read and written a switch that had connected, and which."""
    notes: tuple[tuple[float, str], ...] = ()
    """Things the controller said that people want to see beside a broken connection."""
    probe: tuple[float, int, int] = (1.0, 2, 3)
    """Of the pools' health checks: the shortest interval in seconds, rise, fall."""
    lag: float = 0.0
    """The worst lateness of the load programs in seconds: nobody else on the machine was in time either."""
    flaps: tuple[Flap, ...] = ()
    """What switches logged of BFD."""
    withdrawn: tuple[tuple[float, str], ...] = ()
    """When a controller took an lb switch out of use, and which."""
    starved: tuple[tuple[float, float], ...] = ()
    """When the controller stood still although it was not stopped: the machine had no time for it."""


class Judge:
    """Judges connections of one run."""

    def __init__(self, evidence: Evidence, served: Iterable[Served]) -> None:
        self._evidence = evidence
        stage, done = evidence.stage, evidence.done
        self._endpoints = {one.listener: one for one in stage.long}
        self._index = FullnatIndex(served, stage.long)
        self._periods: list[Period] = periods(stage, evidence.start, edits_of(done), evidence.tables)
        self._deaths = deaths(done)
        self._away = absences(done, [*evidence.away, *evidence.starved])
        self._paths = path_changes(
            stage,
            done,
            evidence.admitted,
            Links(evidence.left, evidence.relinked, evidence.written, self._withdrawn()),
            self._away,
            evidence.flaps,
        )
        led = leaderless(stage, self._away, evidence.connected, evidence.synced, evidence.lag)
        deaf = unwritten(self._away, evidence.connected, evidence.synced, stage.lbs, evidence.lag)
        self._unled = {lb: unled(evidence.away, evidence.synced, lb) for lb in stage.lbs}
        self._unheard = Unheard(evidence.tables, self._periods, deaf, evidence.lag)
        self._outages = outages(stage, done, led, evidence.admitted, evidence.left, evidence.lag)
        self._windows: dict[tuple[str, str], list[Window]] = {}
        self._settled = SETTLED + evidence.lag

    def _withdrawn(self) -> list[tuple[float, str]]:
        """lb switches that lived, and lost their streams, since a controller without a processor answered nothing."""
        seen = self._evidence
        return [
            (t, lb)
            for t, lb in seen.withdrawn
            if any(start <= t <= end + RECONNECT for start, end in seen.starved)
        ]

    def judge(self, connection: Connection) -> Judged:
        """Decide one connection."""
        found = ledger.judge(connection, self._index, {})
        verdict = {
            ledger.Verdict.OK: "ok",
            ledger.Verdict.NOT_OPENED: "not_opened",
            ledger.Verdict.CLIENT_CLOSED: "unproven",
            ledger.Verdict.UNPROVEN: "unproven",
        }.get(found.verdict, "broken")
        last = last_answer(connection)
        reason, suspects = "", tuple[str, ...]()
        if verdict == "broken" and found.at is not None and last is not None:
            verdict, reason = self._explain(connection, found.server, found.cause, last, found.at)
            suspects = self._suspects(last, found.at) if verdict == "broken" else ()
        return Judged(
            connection.id,
            connection.client,
            connection.listener,
            connection.kind,
            verdict,
            found.server,
            found.cause,
            reason,
            found.at,
            last,
            suspects,
        )

    def _explain(
        self, connection: Connection, server: str | None, cause: str, last: float, at: float
    ) -> tuple[str, str]:
        """A verdict and the evidence for it."""
        endpoint = self._endpoints[connection.listener]
        sent = at - ECHO_TIMEOUT if cause.startswith("timeout") else None
        if sent is not None:
            at = sent + RETRIES
        if "misdirected" in cause:
            return "broken", ""
        if server is not None:
            for died in self._deaths.get(server, ()):
                if (connection.opened or 0.0) - KILLING <= died <= at + CLOCK_SLACK:
                    return "server_died", f"{server} was killed {at - died:.1f} s before"
            for window in self._fates(endpoint, server):
                if window.covers(connection.opened or 0.0, last, at):
                    return (
                        window.reason,
                        f"{window.why} for {at - window.start:.1f} s longer than is promised",
                    )
        risk = self._risk(connection, endpoint, last, at)
        if not risk and sent is not None:
            risk = self._unnoticed(connection, server, sent)
        return ("at_risk", risk) if risk else ("broken", "")

    def _fates(self, endpoint: Endpoint, server: str) -> list[Window]:
        key = (endpoint.listener, server)
        if key not in self._windows:
            seen = self._evidence
            self._windows[key] = intent_windows(self._periods, endpoint, server)
            if server in seen.stage.server_cables:
                self._windows[key] += server_windows(seen.stage, seen.done, server, seen.probe)
        return self._windows[key]

    # -- risks

    def _risk(self, connection: Connection, endpoint: Endpoint, last: float, at: float) -> str:
        if at - last > MEMORY_TIMEOUT + ECHO_TIMEOUT or connection.longest_silence() > MEMORY_TIMEOUT:
            return f"too_silent: {max(at - last, connection.longest_silence()):.1f} s without a packet"
        edge = self._evidence.stage.edges.get(connection.client, "")
        # An answer that took long says nothing of the way after its question was sent.
        asked = max((echo.t for echo in connection.echoes), default=last)
        recent = [
            one
            for one in self._paths
            if one.edge in ("", edge) and asked - self._follows(one) - one.takes <= one.t <= at
        ]
        if endpoint.mode == "fullnat":
            mine = self._index.lb_switches(connection, self._evidence.stage)
            for one in recent:
                if self._takes(one, mine, connection):
                    return f"fullnat: {one.what} {at - one.t:.1f} s before"
            if risk := self._forgotten(endpoint, mine, at):
                return risk
        for one in recent:
            table = self._unheard.table(connection, endpoint, one.t, at)
            if table is not None:
                return (
                    f"unheard: {one.what} {one.t - last:.1f} s after its last answer, "
                    f"opened {(connection.opened or 0.0) - table.t:.1f} s after pool {table.pool} changed"
                )
        return ""

    def _forgotten(self, endpoint: Endpoint, mine: set[str], at: float) -> str:
        """Whether the memory of its lb switch ended, since no controller began another generation of it."""
        if not self._evidence.stage.watches:
            return ""
        for lb in mine or self._unled:
            for gone, led in self._unled.get(lb, ()):
                then = [span.document for span in self._periods if span.start <= gone]
                pool = pool_of(then[-1], endpoint) if then else None
                lasts = MEMORY_TIMEOUT if pool is None else seconds(pool["memory_timeout"])
                # Until the turn that was due, and for as long again as one may be late, nothing ends.
                if gone + 2 * lasts <= at <= led + SETTLED:
                    return f"fullnat: {lb} had no controller for {at - gone:.1f} s"
        return ""

    def _follows(self, path: PathChange) -> float:
        """Seconds from a path's change until packets take the new one."""
        return SLACK + self._evidence.lag if path.edge else self._settled

    def _unnoticed(self, connection: Connection, server: str | None, sent: float) -> str:
        """Whether a packet sent then, and all its repetitions, may be lost where nothing knew that all is lost."""
        for one in self._outages:
            if self._leads_over(connection, server, one) and one.start - SETTLED <= sent <= one.end - RETRIES:
                return f"unnoticed: {one.what} {sent - one.start:.1f} s before, and no controller to know"
        return ""

    def _leads_over(self, connection: Connection, server: str | None, outage: Outage) -> bool:
        """Whether the way to its server, or back to its client, may lead over a cable or an lb switch."""
        stage = self._evidence.stage
        if outage.ends <= set(stage.lbs):
            mine = self._index.lb_switches(connection, stage)  # known in mode fullnat alone
            return not mine or bool(outage.ends & mine)
        cable = stage.server_cables.get(server or "", "")
        return bool(outage.ends & {cable.rpartition("-")[2], stage.edges.get(connection.client, "")})

    def _takes(self, path: PathChange, mine: set[str], connection: Connection) -> bool:
        """Whether a change takes a connection away from its lb switch.

        Edges hash by rendezvous: a switch that comes back gets what was opened while it was away, and nothing else.
        """
        if path.gone:
            return not mine or path.lb in mine
        opened, slack = connection.opened or 0.0, self._follows(path)
        edge = self._evidence.stage.edges.get(connection.client, "")
        if mine and path.lb not in mine and all(self._out(lb, path, edge) for lb in mine):
            return (
                True  # left out when no other one was there to take over: it passed its own until this return
            )
        # What one cause ended another may keep up: either may be so.
        spoke = [echo.t for echo in connection.echoes]
        return mine != {path.lb} and any(
            self._opened_meanwhile(spans, opened, slack, spoke, path.t)
            for spans in (self._absences_of(path, edge), self._absences_of(path, edge, whole=True))
        )

    @staticmethod
    def _opened_meanwhile(
        spans: list[tuple[float, float]], opened: float, slack: float, spoke: list[float], until: float
    ) -> bool:
        """Whether it was opened in one of these, and not seen to live on when that was over.

        One that lived on in between is one that the lb switch had not taken over.
        """
        ends = [left for left, _ in spans[1:]] + [until]
        return any(
            left - slack <= opened <= used + slack and not any(used + slack < t < end - slack for t in spoke)
            for (left, used), end in zip(spans, ends, strict=False)
        )

    def _out(self, lb: str, path: PathChange, edge: str) -> bool:
        """Whether an edge has left an lb switch out, for whatever cause, and does not use it again by that change."""
        latest: dict[str, bool] = {}
        for one in self._paths:
            if one.lb == lb and one.edge in ("", edge) and one.t < path.t:
                latest[one.cause] = one.gone or one.t + one.takes > path.t + path.takes
        return any(latest.values())

    def _absences_of(self, path: PathChange, edge: str, whole: bool = False) -> list[tuple[float, float]]:
        """From when to when an edge did not use an lb switch, the last time until a return.

        ``whole``: until every cause of its absence is over; else until one is.
        """
        found: list[tuple[float, float]] = []
        left: float | None = None
        causes = set[str]()
        for one in self._paths:
            if one.lb != path.lb or one.t > path.t or one.edge not in ("", edge):
                continue
            used = one.t + one.takes
            if one.gone:
                left = one.t if left is None else left
                causes.add(one.cause)
                continue
            causes.discard(one.cause)
            if left is not None and not (whole and causes):
                found.append((left, used))
                left = None
            elif left is None and found and one.t <= found[-1][1] + ONE_RETURN:
                found[-1] = (found[-1][0], used)
        return found

    def _suspects(self, last: float, at: float) -> tuple[str, ...]:
        seen = self._evidence
        near = [(one.start, f"{one.step.kind}: {one.step.title}") for one in seen.done]
        near += [(t, f"controller: {text}") for t, text in seen.notes]
        return tuple(
            f"{at - t:.1f} s before: {text}"
            for t, text in sorted(near, reverse=True)
            if last - 6.0 <= t <= at + 0.1
        )
