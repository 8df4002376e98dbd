"""How fit each site is to own VIPs, as the one controller sees it that leads. Owns nothing but what it has seen.

    absent switches, fences, pins ─► look ─► conditions of each site ─► (GRACE) ─► fit since when, unsynced

Health has one place from which it is seen, so that the servers' condition would be the same for all sites: it is left
out, and a pool that is dead everywhere keeps no VIP at a dead site.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.journal import Journal
from controller.sites import fitness
from controller.sites.fitness import Fitness, Name, SiteReport
from controller.sites.placement import SiteState
from controller.spec.types import Intent, Role, Switch

LOOK = 0.25
"""Seconds between two looks."""


class Fitting:
    """Looks at all sites."""

    def __init__(
        self,
        name: str,
        intent: Readable[Intent],
        absent: Readable[frozenset[str]],
        journal: Journal,
        clock: Clock,
    ) -> None:
        """``name``: of this controller."""
        self._name = name
        self._intent = intent
        self._absent = absent
        self._journal = journal
        self._clock = clock
        self._lost: dict[str, Mapping[Name, float]] = {}
        self._states: dict[str, SiteState] = {}
        self._next = clock.now()
        self.fenced: Callable[[Switch], bool] = lambda _: True
        """Whether an edge can be given authority, and would fall silent without it; set by the one who assembles."""
        self.unsynced: Callable[[str], int] = lambda _: 0
        """Pins that not every lb switch of a site holds; set by the one who assembles."""

    @property
    def states(self) -> Mapping[str, SiteState]:
        """All sites, as of the last look; drained ones are not told apart."""
        return self._states

    def deadline(self) -> float:
        """When to look again."""
        return self._next

    def look(self) -> bool:
        """Look at all sites; whether anything has changed that decides where VIPs belong."""
        now = self._clock.now()
        self._next = now + LOOK
        before, self._states = self._states, {}
        for site in (each.name for each in self._intent.value.sites):
            self._states[site] = self._site(site, before.get(site, SiteState()), now)
            self._say(site, before.get(site), self._states[site])
        self._lost = {site: lost for site, lost in self._lost.items() if site in self._states}
        return _deciding(before) != _deciding(self._states)

    def _site(self, site: str, before: SiteState, now: float) -> SiteState:
        conditions = fitness.judge(self._report(site), owner=True)
        conditions, self._lost[site] = fitness.forgiven(conditions, self._lost.get(site, {}), now)
        return SiteState(fitness.followed(before.fitness, conditions, now), self.unsynced(site))

    def _report(self, site: str) -> SiteReport:
        switches = [each for each in self._intent.value.switches if each.site == site]
        edges = [each for each in switches if Role.EDGE in each.roles]
        lbs = [each for each in switches if Role.LB in each.roles]
        here = [each for each in edges if each.name not in self._absent.value]
        return SiteReport(
            leader=self._name,
            edges=(len(here), len(edges)),
            fences=(sum(map(self.fenced, here)), len(here)),
            routed=any(each.switch in {lb.name for lb in lbs} for each in self._intent.value.routes.speakers),
            lbs=(sum(each.name not in self._absent.value for each in lbs), len(lbs)),
        )

    def _say(self, site: str, before: SiteState | None, after: SiteState) -> None:
        if before is None or before.fitness.fit == after.fitness.fit:
            return
        if after.fitness.fit:
            self._journal.event("site_fit", site=site)
        else:
            self._journal.event("site_unfit", site=site, why=after.fitness.why)


def _deciding(states: Mapping[str, SiteState]) -> dict[str, tuple[Fitness | None, bool]]:
    """Since when sites are fit, what the others lack, and whether connections are safe there."""
    return {
        site: (
            Fitness(since=state.fitness.since) if state.fitness.fit else state.fitness,
            state.unsynced == 0,
        )
        for site, state in states.items()
    }
