"""What became of every long-lived connection, from clients' and servers' own logs and from what was done. Pure.

The stated set, besides servers that were killed: fullnat connections of lb switches that died or came back (their
ports are those switches' own; in a soak also of those that were cut off from controllers), connections of servers that
were cut off for longer than a verdict and ``keep_for`` take, and *at risk* ones: a slot moved before the lb switches of
their client's site died, or while these came back one after the other, and no packet of theirs was heard between, so
that no other switch had a pin. Nothing is heard while ``deaf``: there was no controller to hear it, or none that
reached the switches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from topo.demo.ledger import CLOCK_SLACK, Endpoint, Index
from topo.demo.records import Connection, Served
from topo.sitedemo.events import TRANSITION, Happened
from topo.sitedemo.stage import Stage

PINNED = 1.0
"""Seconds from a packet to when all switches hold the pin that it brought about."""


class Verdict(StrEnum):
    """What became of a connection."""

    OK = "ok"
    SERVER_DIED = "server_died"
    UNREACHABLE = "server_unreachable"
    LB_DIED = "lb_died"
    AT_RISK = "at_risk"
    BROKEN = "broken_with_live_backend"
    UNPROVEN = "unproven"
    NOT_OPENED = "not_opened"


@dataclass(frozen=True)
class Fate:
    """One connection's."""

    id: str
    client: str
    listener: str
    kind: str
    server: str | None
    verdict: Verdict
    cause: str = ""
    at: float | None = None
    """When it failed, CLOCK_MONOTONIC seconds."""


Times = Sequence[tuple[float, float]]
"""From when to when, CLOCK_MONOTONIC seconds."""


class Judge:
    """Judges one run."""

    def __init__(
        self,
        stage: Stage,
        happened: Sequence[Happened],
        tables: Sequence[float],
        served: Iterable[Served],
        deaf: Times = (),
        cuts: Times = (),
    ) -> None:
        """``tables``: when slots moved; ``cuts``: when the sites were cut off from each other."""
        self._stage = stage
        self._deaf = deaf
        self._given_up = [
            (since + stage.given_up - CLOCK_SLACK, until + stage.up_again)
            for since, until in cuts
            if until + stage.up_again > since + stage.given_up
        ]
        self._happened = happened
        self._tables = tables
        self._endpoints = {one.listener: one for one in stage.long}
        self._index = Index(served, stage.long)

    def judge(self, connection: Connection) -> Fate:
        """One connection."""
        endpoint = self._endpoints[connection.listener]
        server = self._accepted(connection, endpoint) or connection.server
        verdict, cause, at = self._verdict(connection, endpoint, server)
        return Fate(
            connection.id, connection.client, connection.listener, connection.kind, server, verdict, cause, at
        )

    def _accepted(self, connection: Connection, endpoint: Endpoint) -> str | None:
        """Who accepted it by the servers' logs; of fullnat these do not know the client."""
        if endpoint.mode == "fullnat":
            return None
        return next((one.server for one in self._index.matches(connection)), None)

    def _verdict(
        self, one: Connection, endpoint: Endpoint, server: str | None
    ) -> tuple[Verdict, str, float | None]:
        failure = one.failure
        if one.opened is None:
            return Verdict.NOT_OPENED, f"{failure.kind} during {failure.during}" if failure else "", None
        if failure is None:
            return self._ended_well(one, endpoint, server)
        cause = f"{failure.kind} during {failure.during}"
        last = max([one.opened, *(echo.answered for echo in one.echoes)])
        if failure.kind != "misdirected" and self._died(server, one.opened, failure.t):
            return Verdict.SERVER_DIED, cause, failure.t
        if failure.kind != "misdirected" and any(
            since <= failure.t and last <= until for since, until in self._given_up
        ):
            return Verdict.UNREACHABLE, cause, failure.t
        changes = self._path_changes(one.client, one.opened, failure.t)
        if changes and endpoint.mode == "fullnat":
            return Verdict.LB_DIED, cause, failure.t
        if any(last <= end and not self._heard(one, since) for since, end in changes):
            return Verdict.AT_RISK, cause, failure.t
        return Verdict.BROKEN, cause, failure.t

    def _ended_well(
        self, one: Connection, endpoint: Endpoint, server: str | None
    ) -> tuple[Verdict, str, float | None]:
        if one.proof is None:
            return Verdict.UNPROVEN, "the client's log stops", None
        answered = {echo.server for echo in (*one.echoes, one.proof)}
        if answered != {server}:
            others = ", ".join(sorted(answered - {server or ""}))
            return Verdict.BROKEN, f"accepted by {server}, answered by {others}", one.proof.t
        if endpoint.mode != "fullnat" and not self._index.matches(one):
            return Verdict.BROKEN, "no server logged it", one.proof.t
        return Verdict.OK, "", None

    def _died(self, server: str | None, opened: float, failed: float) -> bool:
        """Whether the server was killed while the connection was open."""
        return any(
            each.event.servers_die
            and server in each.cast.servers
            and opened <= each.begin + CLOCK_SLACK
            and failed >= each.begin - CLOCK_SLACK
            for each in self._happened
        )

    def _path_changes(self, client: str, opened: float, failed: float) -> list[tuple[float, float]]:
        """When packets of a connection came to other lb switches at its client's site: from the first change that met
        it to the last one."""
        site, found = self._stage.clients[client], []
        for each in self._happened:
            last = each.end if each.healthy is None else each.healthy
            if each.event.lbs_die and each.cast.site == site and opened <= last and each.begin <= failed:
                # Of one that was opened while they came back, any return may be the one that met it.
                found.append((each.begin if opened <= each.begin else last, last))
        return found

    def _heard(self, one: Connection, change: float) -> bool:
        """Whether a packet made the connection known to all switches before its path changed, if one was needed."""
        moved = [t for t in self._tables if t <= change]
        if not moved:
            return True
        assert one.opened is not None
        known_from = max(max(moved), one.opened) + TRANSITION
        return any(
            known_from <= echo.t <= change - PINNED and not self._unheard(echo.t) for echo in one.echoes
        )

    def _unheard(self, t: float) -> bool:
        """Whether nothing that was sent then, or shortly before, was made known to the switches."""
        return any(since - PINNED <= t <= until for since, until in self._deaf)
