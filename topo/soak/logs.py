"""What clients and servers logged of one connection; with fullnat, where servers know it by an lb switch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from topo.demo.ledger import CLOCK_SLACK, OPEN_WINDOW, Endpoint, Index
from topo.demo.records import Connection, Served
from topo.soak.stage import Stage

NEAR = 0.3
"""Seconds within which a server's record most likely is of the connection that its client opened then."""


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
        return (_open_at(found, end) or found)[:1]

    def lb_switches(self, connection: Connection, stage: Stage) -> set[str]:
        """lb switches whose addresses the connection may have had at its server; empty: not known."""
        found = self._candidates(connection)
        found = _open_at(found, last_answer(connection) or 0.0) or found
        # A client that is late notices that it is open long after its server did.
        begin, opened = connection.begin or 0.0, connection.opened or 0.0
        near = [one for one in found if begin - NEAR < one.opened < opened + NEAR]
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


def _open_at(records: Sequence[Served], t: float) -> list[Served]:
    """Those that had not ended then: one that had cannot have answered."""
    return [one for one in records if one.closed is None or one.closed >= t - CLOCK_SLACK]
