"""What became of every connection, from clients' and servers' logs; and whether a stated fate explains its end. Pure.

The demo's ledger says which connections ended against the client's will, or were not what their client took them for.
Here each of those is held against the stated set (``fates``). What nothing explains is broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from topo.demo import ledger
from topo.demo.ledger import CLOCK_SLACK, OPEN_WINDOW, Endpoint, Index
from topo.demo.records import Connection, Served
from topo.soak import signals
from topo.soak.actors import ECHO_TIMEOUT
from topo.soak.editor import Done
from topo.soak.edits import Document
from topo.soak.fates import (
    SLACK,
    Links,
    PathChange,
    Period,
    Window,
    absences,
    deaths,
    edits_of,
    intent_windows,
    path_changes,
    periods,
    pool_of,
    server_windows,
    vip_name,
)
from topo.soak.flaps import Flap
from topo.soak.outages import Outage, leaderless, outages
from topo.soak.signals import TableChange
from topo.soak.stage import MEMORY_TIMEOUT, Stage

REPORT_WINDOW = 0.5
"""Seconds from a packet that is an exception until its pin is on every lb switch, on a busy machine: some hundredths of
a second where there is nothing else to do (``evenkeel bench pins``). ``Evidence.lag`` is added."""
RETRIES = 5.5
"""Seconds from a packet until TCP has sent it for the last time within ``ECHO_TIMEOUT``, less a little: what only
begins later does not explain that nothing came back."""
SETTLED = 1.0
"""Seconds from a new table until every switch has it; from a path's change until packets take the new one.
``Evidence.lag`` is added."""
ONE_RETURN = 5.0
"""Seconds within which a cable that is mended and the hellos that arrive again are one return."""
KILLING = 0.5
"""Seconds from when a kill is noted until the server is dead."""
NEAR = 0.3
"""Seconds within which a server's record most likely is of the connection that its client opened then."""
LONGEST_TRANSITION = 9.0
"""Seconds: the schedule's longest."""
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
    notes: tuple[tuple[float, str], ...] = ()
    """Things the controller said that people want to see beside a broken connection."""
    probe: tuple[float, int, int] = (1.0, 2, 3)
    """Of the pools' health checks: the shortest interval in seconds, rise, fall."""
    lag: float = 0.0
    """The worst lateness of the load programs in seconds: nobody else on the machine was in time either."""
    flaps: tuple[Flap, ...] = ()
    """What switches logged of BFD."""


class Judge:
    """Judges connections of one run."""

    def __init__(self, evidence: Evidence, served: Iterable[Served]) -> None:
        self._evidence = evidence
        stage, done = evidence.stage, evidence.done
        self._endpoints = {one.listener: one for one in stage.long}
        self._index = FullnatIndex(served, stage.long)
        self._periods: list[Period] = periods(stage, evidence.start, edits_of(done))
        self._deaths = deaths(done)
        self._away = absences(done, evidence.away)
        self._paths = path_changes(
            stage,
            done,
            evidence.admitted,
            Links(evidence.left, evidence.relinked, evidence.written),
            self._away,
            evidence.flaps,
        )
        unled = leaderless(stage, self._away, evidence.connected, evidence.lag)
        self._outages = outages(stage, done, unled, evidence.admitted)
        self._windows: dict[tuple[str, str], list[Window]] = {}
        self._reported = REPORT_WINDOW + evidence.lag
        self._settled = SETTLED + evidence.lag

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
        for one in recent:
            table = self._unheard(connection, endpoint, one, at)
            if table is not None:
                return (
                    f"unheard: {one.what} {one.t - last:.1f} s after its last answer, "
                    f"pool {table.pool} changed {table.t - last:.1f} s after it"
                )
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
        spans = self._absences_of(path, self._evidence.stage.edges.get(connection.client, ""))
        ends = [left for left, _ in spans[1:]] + [path.t]
        # One that lived on in between is one that the lb switch had not taken over.
        spoke = [echo.t for echo in connection.echoes]
        return mine != {path.lb} and any(
            left - slack <= opened <= used + slack and not any(used + slack < t < end - slack for t in spoke)
            for (left, used), end in zip(spans, ends, strict=False)
        )

    def _absences_of(self, path: PathChange, edge: str) -> list[tuple[float, float]]:
        """From when to when an edge did not use an lb switch, the last time until a return."""
        found: list[tuple[float, float]] = []
        left: float | None = None
        for one in self._paths:
            if one.lb != path.lb or one.t > path.t or one.edge not in ("", edge):
                continue
            used = one.t + one.takes
            if one.gone:
                left = one.t if left is None else left
            elif left is not None:
                found.append((left, used))
                left = None
            elif found and one.t <= found[-1][1] + ONE_RETURN:
                found[-1] = (found[-1][0], used)
        return found

    def _unheard(
        self, connection: Connection, endpoint: Endpoint, path: PathChange, at: float
    ) -> TableChange | None:
        """A change of its pool's table since which no packet of it had been reported when its path changed.

        Of a connection that is older than the change every switch knows the former owner until the window ends.
        """
        opened = connection.opened or 0.0
        for table in self._evidence.tables:
            if table.t > at or opened > self._while_away(table.t + LONGEST_TRANSITION) + self._settled:
                continue
            pool = self._pool(endpoint, table)
            if pool is None or (opened < table.t and at < table.t + signals.seconds(pool["transition"])):
                continue
            known = max(table.written, table.t) + self._settled
            if not self._heard(connection, known, path.t - self._reported):
                return table
        return None

    def _pool(self, endpoint: Endpoint, table: TableChange) -> dict[str, Any] | None:
        """The pool that got the table, if it was the listener's around that time, and its table.

        One that listeners have to themselves is called by the first of them; others have it if the VIP was off.
        """
        then = [
            span.document
            for span, end in zip(
                self._periods, [*(span.settled for span in self._periods[1:]), float("inf")], strict=True
            )
            if span.start <= table.t <= end
        ]
        if table.vip and not self._shares(endpoint, table, then):
            return None
        pools = (pool_of(each, endpoint) for each in then)
        return next((pool for pool in pools if pool is not None and pool["name"] == table.pool), None)

    def _shares(self, endpoint: Endpoint, table: TableChange, then: Sequence[Document]) -> bool:
        """Whether a table that some listeners have to themselves is this one's. ``then``: the intent at that time."""
        if table.vip not in {vip_name(each, endpoint) for each in then}:
            return False
        before = [span.document for span in self._periods if span.start <= table.t]
        return table.port == endpoint.port or any(vip_name(each, endpoint) is None for each in before)

    def _heard(self, connection: Connection, start: float, end: float) -> bool:
        """Whether it sent a packet in that time that a controller could take a report of."""
        sent = [t for t in (connection.opened, *(echo.t for echo in connection.echoes)) if t is not None]
        return any(start <= t <= end and not self._nobody(t) for t in sent)

    def _nobody(self, t: float) -> bool:
        return any(start - self._reported <= t <= end + self._settled for start, end in self._away)

    def _while_away(self, t: float) -> float:
        """When what is due at ``t`` is done: a controller ends windows, and one that is away does so on its return."""
        return next((end for start, end in self._away if start - self._settled <= t <= end), t)

    def _suspects(self, last: float, at: float) -> tuple[str, ...]:
        seen = self._evidence
        near = [(one.start, f"{one.step.kind}: {one.step.title}") for one in seen.done]
        near += [(t, f"controller: {text}") for t, text in seen.notes]
        return tuple(
            f"{at - t:.1f} s before: {text}"
            for t, text in sorted(near, reverse=True)
            if last - 6.0 <= t <= at + 0.1
        )


def last_answer(connection: Connection) -> float | None:
    """When its client last knew that all was well; None: it was never open."""
    answers = [echo.answered for echo in connection.echoes]
    return max(answers) if answers else connection.opened


class FullnatIndex(Index):
    """Server logs by the client's address; in mode fullnat, where servers see an lb switch, by server and time."""

    def __init__(self, served: Iterable[Served], endpoints: Sequence[Endpoint]) -> None:
        records = list(served)
        super().__init__(records, endpoints)
        self._modes = {one.listener: one for one in endpoints}
        self._by_port: dict[tuple[str, int], list[Served]] = {}
        ports = {one.backend_port for one in endpoints if one.mode == "fullnat"}
        for one in records:
            if one.local[1] in ports:
                self._by_port.setdefault((one.server, one.local[1]), []).append(one)

    def matches(self, connection: Connection) -> list[Served]:
        """The server records of this client connection; of a fullnat one the record that fits its end best."""
        if self._modes[connection.listener].mode != "fullnat":
            return super().matches(connection)
        found = self._candidates(connection)
        end = connection.proof.t if connection.proof else last_answer(connection) or 0.0
        open_then = [one for one in found if one.closed is None or one.closed >= end - CLOCK_SLACK]
        return (open_then or found)[:1]

    def lb_switches(self, connection: Connection, stage: Stage) -> set[str]:
        """lb switches whose addresses the connection may have had at its server; empty: not known."""
        found = self._candidates(connection)
        near = [one for one in found if abs(one.opened - (connection.opened or 0.0)) < NEAR]
        peers = {ip_address(one.peer[0]) for one in near or found}
        return {
            name
            for name, prefixes in stage.local.items()
            if any(peer in ip_network(prefix) for prefix in prefixes for peer in peers)
        }

    def _candidates(self, connection: Connection) -> list[Served]:
        endpoint, server = self._modes[connection.listener], connection.server
        if server is None or connection.begin is None:
            return []
        end = (connection.opened or connection.begin) + OPEN_WINDOW
        return [
            one
            for one in self._by_port.get((server, endpoint.backend_port), ())
            if connection.begin - CLOCK_SLACK <= one.opened <= end
        ]
