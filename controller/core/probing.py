"""Asks servers whether they live, and keeps what is believed of them. Owns ``verdicts``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from operator import is_

from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.health.judge import Verdict
from controller.health.service import HealthService
from controller.health.targets import targets_of
from controller.plan.pool import Health
from controller.plan.tables import Tables, Verdicts, probed
from controller.spec.types import Intent

ROUTES = 5.0
"""Seconds that the first probes wait for switches that lead to the servers."""
_LOOK = 0.1


class Probing:
    """Probes all backends that connections may be on: those of the intent, and those that drain."""

    def __init__(
        self,
        verdicts: Cell[Verdicts],
        intent: Readable[Intent],
        tables: Readable[Tables],
        service: Callable[[Callable[[list[Verdict]], None]], HealthService],
        journal: Journal,
    ) -> None:
        self._verdicts = verdicts
        self._intent = intent
        self._tables = tables
        self._journal = journal
        self._service = service(self._take)
        self._asked: tuple[object, ...] = ()
        self._service.seed(
            Verdict(pool, name, each.up, each.since, each.reason)
            for pool, rows in verdicts.value.items()
            for name, each in rows.items()
        )
        for cell in (intent, tables):
            cell.subscribe(self.follow)

    async def run(self, reachable: Callable[[], bool]) -> None:
        """Until cancelled; begins when servers can be reached, or after ``ROUTES`` seconds."""
        try:
            async with asyncio.timeout(ROUTES):
                while not reachable():
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            pass
        try:
            await self._service.start()
            await asyncio.Event().wait()
        finally:
            await self._service.stop()

    def follow(self) -> None:
        """Ask the servers that are, or were, in a pool."""
        tables = self._tables.value
        members = tuple(state.members for state in tables.pools.values())
        basis = (self._intent.value, tables.bound, tables.retained, tables.former, *members)
        if len(basis) == len(self._asked) and all(map(is_, basis, self._asked)):
            return
        self._asked = basis
        wanted = probed(self._intent.value, tables)
        self._service.set_targets(targets_of(wanted))
        self._keep(self._service.verdicts().values())

    def doubt(self) -> None:
        """Nothing was heard for a while: what counts from when a server was last known to be down begins again."""
        self._service.forget_failures()
        self._keep(self._service.verdicts().values())

    @property
    def service(self) -> HealthService:
        """What probes and judges, to be looked at."""
        return self._service

    def pending(self) -> int:
        """Backends whose first probe is still to come."""
        return len(self._service.pending())

    def problems(self) -> list[str]:
        """Why some verdicts stand still: probes that cannot be asked, or a place from where everything fails."""
        status = self._service.status()
        out = [f"{item.probe.address}: {item.reason}" for item in status.unasked]
        if status.doubted is not None:
            out.append(
                f"all {status.doubted.servers} servers fail at once: this controller's own place is doubted"
            )
        if not status.probing:
            out.append("no prober runs")
        return out

    def _take(self, verdicts: list[Verdict]) -> None:
        for v in verdicts:
            known = self._verdicts.value.get(v.pool, {}).get(v.backend)
            if known is None or known.up is not v.up:
                self._journal.event("verdict", pool=v.pool, backend=v.backend, up=v.up, reason=v.reason)
        self._keep(self._service.verdicts().values())

    def _keep(self, verdicts: Iterable[Verdict]) -> None:
        made: dict[str, dict[str, Health]] = {}
        for v in verdicts:
            made.setdefault(v.pool, {})[v.backend] = Health(v.up, v.since, v.reason, v.confirmed)
        old: Verdicts = self._verdicts.value
        kept: Mapping[str, Mapping[str, Health]] = {
            pool: old[pool] if pool in old and old[pool] == rows else rows for pool, rows in made.items()
        }
        self._verdicts.put(kept)
