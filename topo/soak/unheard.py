"""Whether a connection may have come to an lb switch that did not know it, when nothing of it had been reported. Pure.

What a switch does not remember goes to the owner that its slot had before it moved: a connection that was opened before
is at no risk, one that was opened since then is until it was reported for the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from topo.demo.ledger import Endpoint
from topo.demo.records import Connection
from topo.soak import signals
from topo.soak.edits import Document
from topo.soak.fates import Period, pool_of, vip_name
from topo.soak.signals import TableChange

REPORT_WINDOW = 1.5
"""Seconds from a packet that is to be reported until its pin is on every lb switch, on a busy machine: some hundredths
of a second where there is nothing else to do (``evenkeel bench pins``), and for a young one up to a second in which
others are waited for. The load programs' lateness is added."""
SETTLED = 1.0
"""Seconds from a new table until every switch has it; from a path's change until packets take the new one. The load
programs' lateness is added."""
LONGEST_TRACKED = 3.0
"""Times of ``memory_timeout`` for which a slot is tracked after a move: reports that may be lost prolong it."""


class Unheard:
    """Tables of a run, and what is known of when connections were heard on them."""

    def __init__(
        self,
        tables: Sequence[TableChange],
        periods: Sequence[Period],
        away: Sequence[tuple[float, float]],
        lag: float,
    ) -> None:
        """``away``: when no controller took reports in. ``lag``: the worst lateness of the load programs, seconds."""
        self._tables = tables
        self._periods = periods
        self._away = away
        self._reported = REPORT_WINDOW + lag
        self._settled = SETTLED + lag

    def table(self, connection: Connection, endpoint: Endpoint, path: float, at: float) -> TableChange | None:
        """A new table of its pool that explains why it ended at ``at``: its path had changed at ``path``."""
        for table in self._tables:
            if table.t <= at:
                pool = self._pool(endpoint, table)
                known = self._known(connection, table, pool)
                if known is not None and not self._heard(connection, known, path - self._reported):
                    return table
        return None

    def _known(self, connection: Connection, table: TableChange, pool: dict[str, Any] | None) -> float | None:
        """From when on switches would have reported it on a table; None: they did not have to."""
        opened, written = connection.opened or 0.0, max(table.written, table.t) + self._settled
        if pool is None:
            return None
        tracked = LONGEST_TRACKED * signals.seconds(pool["memory_timeout"])
        since = table.t - self._settled <= opened <= self._while_away(table.t + tracked) + self._settled
        return max(written, opened) if since else None

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
