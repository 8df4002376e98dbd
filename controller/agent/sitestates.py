"""How fit each site is, from what its agents say of it. Pure.

own switches, fences ─► report ─┐
beats of others ─► reports ─────┴─► conditions ─► (GRACE) ─► fit since when
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.sites import fitness
from controller.sites.fitness import Name, SiteReport
from controller.sites.placement import SiteState

NOT_HEARD = SiteReport()
"""Of a site of which no agent is heard."""


class SiteStates:
    """All sites, as of the last look."""

    def __init__(self) -> None:
        self._lost: dict[str, Mapping[Name, float]] = {}
        self.states: Mapping[str, SiteState] = {}

    def look(
        self, reports: Mapping[str, SiteReport], unsynced: Mapping[str, int], now: float
    ) -> tuple[str, ...]:
        """Take what is known now; the sites that have become fit or unfit. ``reports``: of every site."""
        before, after = self.states, dict[str, SiteState]()
        for site, report in reports.items():
            state = before.get(site, SiteState())
            conditions = fitness.judge(report, owner=True)
            conditions, self._lost[site] = fitness.forgiven(conditions, self._lost.get(site, {}), now)
            followed = fitness.followed(state.fitness, conditions, now)
            after[site] = SiteState(followed, unsynced.get(site, 0))
        self._lost = {site: lost for site, lost in self._lost.items() if site in after}
        self.states = after
        return tuple(s for s in after if s not in before or before[s].fitness.fit != after[s].fitness.fit)

    def deadline(self) -> float:
        """When a condition that is not met begins to count, at the soonest."""
        ends = (since + fitness.GRACE for lost in self._lost.values() for since in lost.values())
        return min(ends, default=float("inf"))
