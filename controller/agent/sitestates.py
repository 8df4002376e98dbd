"""Which agent acts for its site, and how fit each site is, from what agents say. Pure.

own switches, fences ─► report ─┐              ┌─► who acts for our site
beats of others ─► reports ─────┴─► surveyed ──┴─► report of each site ─► conditions ─► (GRACE) ─► fit since when
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from controller.sites import fitness
from controller.sites.fitness import Name, SiteReport
from controller.sites.placement import SiteState

NOT_HEARD = SiteReport()
"""Of a site of which no agent is heard."""


class Speaker(NamedTuple):
    """An agent that is heard, or this one."""

    name: str
    site: str
    ready: bool
    """It has had all that it needs to act for its site."""
    report: SiteReport
    """What it knows of its site."""


class Survey(NamedTuple):
    """What follows from all that are heard."""

    leader: str
    """The agent that acts for our site; empty: none is ready."""
    reports: Mapping[str, SiteReport]
    """Of every site, by the agent that acts for it."""


def surveyed(site: str, sites: Iterable[str], speakers: Collection[Speaker]) -> Survey:
    """Who acts for ``site``, and the reports of all ``sites``.

    Of those that are ready the first by name acts, and one that reaches an edge before one that does not.
    """
    first: dict[str, Speaker] = {}
    for each in sorted(speakers, key=lambda one: (one.report.edges[0] == 0, one.name)):
        if each.ready:
            first.setdefault(each.site, each)
    reports = {
        name: replace(first[name].report, leader=first[name].name) if name in first else NOT_HEARD
        for name in sites
    }
    return Survey(first[site].name if site in first else "", reports)


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
            if report.leader is None:  # nothing is known of the others
                conditions = tuple(each for each in conditions if each.name is Name.CONTROLLER)
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
