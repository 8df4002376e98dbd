"""Decides what weights are made of besides those of the intent. Owns nothing: the tables hold what is decided.

what servers say ─► tunings ─► pools.tune ─► tables (stored, then planned)
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.agentwords import agent_words
from controller.core.cells import Readable
from controller.core.pools import Pools
from controller.core.servers import Servers
from controller.core.state import SaidBy
from controller.plan.tables import Tables
from controller.plan.tuned import AS_CONFIGURED, UNTUNED, Tuned, Tunings, kept, said
from controller.spec.types import Intent, Pool


class Tuning:
    """Of the controller that leads: no other one has tables."""

    def __init__(
        self,
        pools: Pools,
        tables: Readable[Tables],
        intent: Readable[Intent],
        told: Readable[SaidBy],
        servers: Servers,
    ) -> None:
        self._pools, self._tables, self._intent, self._told = pools, tables, intent, told
        self._servers = servers
        for cell in (intent, told):
            cell.subscribe(self.step)

    def step(self) -> None:
        """Bring weights up to now."""
        made = {pool.name: self._tuned(pool) for pool in self._intent.value.pools}
        self._pools.tune({name: rows for name, rows in made.items() if rows})

    def words(self, pool: str, backend: str) -> str:
        """What a backend's weight is made of besides that of the intent, and what its agent says; empty: nothing."""
        found = self._tables.value.tuned.get(pool, UNTUNED).get(backend, AS_CONFIGURED)
        shown = self._servers.shown((pool, backend))
        parts = [] if found.factor == 1 else [f"weight x {float(found.factor):.3g}: {found.why}"]
        if shown is not None:
            parts.append(f"agent: {agent_words(shown)}")
        return "; ".join(parts)

    def _tuned(self, pool: Pool) -> Tunings:
        before: Mapping[str, Tuned] = self._tables.value.tuned.get(pool.name, {})
        told = self._told.value.get(pool.name, {})
        return kept({real.name: said(before.get(real.name), told.get(real.name)) for real in pool.backends})
