"""Who lost what: every long-lived connection judged from its client's log against the servers' logs.

Pure: the controller is not asked. A connection counts as broken unless it was proven alive at the end by
the server that accepted it, or that server was killed before the connection failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from topo.demo.records import Connection, Served

CLOCK_SLACK = 0.05
"""Seconds by which two processes' time stamps of one event may be in the wrong order."""
OPEN_WINDOW = 5.0
"""Seconds from a client's first SYN until the server must have accepted it."""


class Verdict(StrEnum):
    """What became of a connection."""

    OK = "ok"
    SERVER_DIED = "server_died"
    BROKEN = "broken_with_live_backend"
    CLIENT_CLOSED = "client_closed"
    """The client left before the end without having met a failure: nothing is proven either way."""
    UNPROVEN = "unproven"
    """Established, but the client's log stops without proof, failure or close."""
    NOT_OPENED = "not_opened"
    """Never established, so not broken: a lost new connection."""


@dataclass(frozen=True)
class Endpoint:
    """How a listener's connections look to the servers."""

    listener: str
    mode: str
    address: str
    port: int
    backend_port: int


@dataclass(frozen=True)
class Judgement:
    """One connection's verdict."""

    id: str
    client: str
    listener: str
    kind: str
    verdict: Verdict
    server: str | None
    """The server that accepted it, by the servers' logs; by the first answer where they are silent."""
    cause: str
    """Empty for ok; else what was seen, in words."""
    at: float | None
    """When it failed (CLOCK_MONOTONIC seconds)."""


class Index:
    """Server logs by the client's address and port."""

    def __init__(self, served: Iterable[Served], endpoints: Iterable[Endpoint]) -> None:
        self._by_peer: dict[tuple[str, int], list[Served]] = defaultdict(list)
        for one in served:
            self._by_peer[one.peer].append(one)
        self._endpoints = {one.listener: one for one in endpoints}
        self._vips = {one.address for one in self._endpoints.values()}

    def matches(self, connection: Connection) -> list[Served]:
        """The server records of this client connection, oldest first.

        dr and tun leave the VIP as the server's local address, nat puts the server's own there: that tells
        apart connections that left one client port for two listeners.
        """
        if connection.local is None or connection.begin is None:
            return []
        endpoint = self._endpoints[connection.listener]
        keeps_vip = endpoint.mode in ("dr", "tun")
        port = endpoint.port if keeps_vip else endpoint.backend_port
        end = (connection.opened or connection.begin) + OPEN_WINDOW
        return sorted(
            (
                one
                for one in self._by_peer.get(connection.local, ())
                if one.local[1] == port
                and (one.local[0] == endpoint.address if keeps_vip else one.local[0] not in self._vips)
                and connection.begin - CLOCK_SLACK <= one.opened <= end
            ),
            key=lambda one: one.opened,
        )


def _broken_though_proven(connection: Connection, records: list[Served], server: str) -> str:
    """What contradicts a client's proof; empty if nothing does."""
    assert connection.proof is not None
    names = {echo.server for echo in [*connection.echoes, connection.proof]}
    if names != {server}:
        others = ", ".join(sorted(names - {server}))
        return f"misdirected: accepted by {server}, answered by {others}"
    gone = [one for one in records if one.server == server and one.closed is not None]
    early = [one for one in gone if (one.closed or 0.0) < connection.proof.t - CLOCK_SLACK]
    if early:
        return f"{server} had closed it ({early[0].reason}) before the client's proof"
    return ""


def judge(connection: Connection, index: Index, deaths: Mapping[str, float]) -> Judgement:
    """Decide one connection; ``deaths`` maps servers killed on purpose to when that was."""
    records = index.matches(connection)
    accepted = records[0].server if records else None
    server = accepted or connection.server

    def verdict(kind: Verdict, cause: str = "", at: float | None = None) -> Judgement:
        return Judgement(
            connection.id, connection.client, connection.listener, connection.kind, kind, server, cause, at
        )

    failure = connection.failure
    if connection.opened is None:
        cause = f"{failure.kind} during {failure.during}" if failure else "never tried"
        return verdict(Verdict.NOT_OPENED, cause, failure.t if failure else None)
    if failure is not None:
        cause = f"{failure.kind} during {failure.during}"
        died = deaths.get(server) if server else None
        if died is not None and failure.t >= died - CLOCK_SLACK and failure.kind != "misdirected":
            return verdict(Verdict.SERVER_DIED, cause, failure.t)
        return verdict(Verdict.BROKEN, cause, failure.t)
    if connection.proof is not None:
        if accepted is None:
            return verdict(Verdict.BROKEN, "no server logged it", connection.proof.t)
        cause = _broken_though_proven(connection, records, accepted)
        return verdict(Verdict.BROKEN, cause, connection.proof.t) if cause else verdict(Verdict.OK)
    if connection.closed is not None:
        return verdict(Verdict.CLIENT_CLOSED, "closed before the end", connection.closed)
    return verdict(Verdict.UNPROVEN, "the client's log stops")


def judge_all(
    connections: Iterable[Connection],
    served: Iterable[Served],
    endpoints: Iterable[Endpoint],
    deaths: Mapping[str, float],
) -> list[Judgement]:
    """Judge every connection."""
    index = Index(served, endpoints)
    return [judge(one, index, deaths) for one in connections]
