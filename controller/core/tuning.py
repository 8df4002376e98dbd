"""Decides what weights are made of besides those of the intent. Owns nothing: the tables hold what is decided.

what servers say ─┐
verdicts, drains ─┼─► tunings ─► pools.tune ─► tables (stored, then planned)
schedulers, time ─┘
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from controller.core.agentwords import agent_words
from controller.core.cells import Readable
from controller.core.journal import Journal
from controller.core.pools import Pools
from controller.core.schedulers import Schedulers
from controller.core.servers import Servers
from controller.core.storedcells import SaidBy
from controller.plan.tables import Tables, Verdicts
from controller.plan.tuned import (
    AS_CONFIGURED,
    PERCENT_EVERY,
    UNIT,
    UNTUNED,
    Tuned,
    Tunings,
    differs,
    kept,
    ramp_due,
    ramped,
    said,
)
from controller.spec.serveragent import NOTHING_TOLD, Told
from controller.spec.types import Backend, Intent, Pool


class Tuning:
    """Of the controller that leads: no other one has tables."""

    def __init__(
        self,
        pools: Pools,
        tables: Readable[Tables],
        intent: Readable[Intent],
        verdicts: Readable[Verdicts],
        told: Readable[SaidBy],
        servers: Servers,
        schedulers: Schedulers,
        journal: Journal,
        now: Callable[[], float],
    ) -> None:
        self._pools, self._tables, self._intent, self._verdicts = pools, tables, intent, verdicts
        self._told, self._servers, self._schedulers = told, servers, schedulers
        self._journal, self._now = journal, now
        self._stepped = now()
        self._shared: dict[str, float] = {}
        """By pool: when a share that a server asks for was taken last."""
        for cell in (intent, verdicts, told):
            cell.subscribe(self.step)

    def look(self) -> None:
        """Take note of what was measured, and step."""
        self._schedulers.look()
        self.step()

    def step(self) -> None:
        """Bring weights up to now."""
        self._stepped = now = self._now()
        tuned = self._tables.value.tuned
        made = {
            pool.name: self._tuned(pool, now)
            for pool in self._intent.value.pools
            if pool.name in tuned or pool.agent is not None or pool.slow_start or pool.scheduler.adapts
        }
        self._pools.tune({name: rows for name, rows in made.items() if rows})

    def deadline(self) -> float | None:
        """When time moves a weight next."""
        tuned = self._tables.value.tuned
        due = (
            ramp_due(each, pool.slow_start, self._stepped)
            for pool in self._intent.value.pools
            for each in tuned.get(pool.name, UNTUNED).values()
        )
        return min((each for each in (*due, *self._waiting()) if each is not None), default=None)

    def _waiting(self) -> Iterator[float]:
        """When shares that servers ask for, and that wait for the last change, are taken."""
        tuned = self._tables.value.tuned
        for pool, rows in self._told.value.items():
            known = tuned.get(pool, UNTUNED)
            if any(differs(known.get(name, AS_CONFIGURED), word) for name, word in rows.items()):
                yield self._shared.get(pool, self._stepped) + PERCENT_EVERY

    def words(self, pool: str, backend: str) -> str:
        """What a backend's weight is made of besides that of the intent, and what its agent says; empty: nothing."""
        found = self._tables.value.tuned.get(pool, UNTUNED).get(backend, AS_CONFIGURED)
        shown = self._servers.shown((pool, backend))
        parts = [] if found.factor == 1 else [f"weight x {float(found.factor):.3g}: {found.why}"]
        if shown is not None:
            parts.append(f"agent: {agent_words(shown)}")
        return "; ".join(parts)

    def _tuned(self, pool: Pool, now: float) -> Tunings:
        before: Mapping[str, Tuned] = self._tables.value.tuned.get(pool.name, {})
        told = self._told.value.get(pool.name, {})
        held = now < self._shared.get(pool.name, float("-inf")) + PERCENT_EVERY
        made = {}
        for real in pool.backends:
            was, word = before.get(real.name, AS_CONFIGURED), told.get(real.name, NOTHING_TOLD)
            spoken = said(was, word, held)
            if spoken.percent != was.percent:
                self._shared[pool.name] = now
            one = ramped(spoken, self._takes(pool, real, word), pool.slow_start, now)
            if one.ramp_since is not None and was.ramp_since is None:
                self._journal.event(
                    "slow_start", pool=pool.name, backend=real.name, seconds=round(pool.slow_start, 3)
                )
            made[real.name] = one
        return kept(self._scheduled(pool, made, told))

    def _scheduled(self, pool: Pool, made: dict[str, Tuned], told: Mapping[str, Told]) -> dict[str, Tuned]:
        """With the factors of the pool's scheduler."""
        if not pool.scheduler.adapts:
            return {name: replace(each, adapted=UNIT) for name, each in made.items()}
        takes = [real for real in pool.backends if self._takes(pool, real, told.get(real.name, NOTHING_TOLD))]
        factors = self._schedulers.factors(pool, made, takes)
        return {name: replace(each, adapted=factors.get(name, each.adapted)) for name, each in made.items()}

    def _takes(self, pool: Pool, real: Backend, told: Told) -> bool:
        """Whether a backend can take connections."""
        verdict = self._verdicts.value.get(pool.name, {}).get(real.name)
        down = verdict is not None and not verdict.up
        return not (down or real.drain or not pool.weight_of(real) or told.drain or not told.percent)
