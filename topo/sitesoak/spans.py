"""What follows from several faults at once: when sites were apart, when none could own a VIP. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from topo.sitesoak.faults import CONTROLLERS, OF_AGENTS, OF_MEMBERS, Fault, Kind, Setting

Span = tuple[float, float]
"""From when to when, CLOCK_MONOTONIC seconds."""


@dataclass(frozen=True)
class Did:
    """A fault that took place."""

    fault: Fault
    """With the names of those whom it was done to."""
    begin: float
    end: float
    """When it had been undone."""

    @property
    def site(self) -> str:
        """The site that it was done to; empty: none."""
        whole = (Kind.SITE, Kind.SITE_CUT, Kind.LBS, Kind.EDGES, Kind.SERVERS)
        return self.fault.target if self.fault.kind in whole else ""


def apart(did: Sequence[Did], setting: Setting) -> list[Span]:
    """When the stretch carried nothing, or only one way: by all its links, one by one or together."""

    def holds(going: Sequence[Did]) -> bool:
        cut = {one.fault.target for one in going if one.fault.kind is Kind.LINK}
        every = any(one.fault.kind in (Kind.LINKS, Kind.SITE_CUT) for one in going)
        return every or cut >= set(setting.links)

    return _when(did, holds)


def ownerless(did: Sequence[Did], setting: Setting) -> list[Span]:
    """When nothing is promised of owners: the store had no quorum, no controller (or agent, where these own VIPs) ran
    that could reach it, or no site
    was fit."""
    return _when(did, lambda going: _nobody(going, setting))


def _nobody(going: Sequence[Did], setting: Setting) -> bool:
    dead = {one.site for one in going if one.fault.kind is Kind.SITE}
    away = dead | {one.site for one in going if one.fault.kind is Kind.SITE_CUT}
    lost = {name for name, place in setting.members.items() if place in away}
    for one in going:
        if one.fault.kind is Kind.MEMBERS:
            lost |= set(setting.members) - {one.fault.target}
        elif one.fault.kind in OF_MEMBERS:
            lost.add(one.fault.target)
    owners, idling = (setting.agents, OF_AGENTS) if setting.agents else (setting.controllers, CONTROLLERS)
    idle = {node for node, site in owners.items() if site in away}
    idle |= {one.fault.target for one in going if one.fault.kind in idling}
    unfit = away | {one.site for one in going if one.fault.kind in (Kind.LBS, Kind.EDGES)}
    unfit |= {site for site in setting.sites if _all_dead(going, setting, site)}
    if setting.agents:
        unfit |= {
            site for site in setting.sites if idle >= {node for node, at in owners.items() if at == site}
        }
    quorum = 2 * (len(setting.members) - len(lost)) > len(setting.members)
    return not quorum or idle >= set(owners) or unfit >= set(setting.sites)


def _all_dead(going: Sequence[Did], setting: Setting, site: str) -> bool:
    dead = {one.fault.target for one in going if one.fault.kind is Kind.LB}
    return dead >= {name for name, at in setting.lbs.items() if at == site}


def _when(did: Sequence[Did], holds: Callable[[Sequence[Did]], bool]) -> list[Span]:
    """When it holds of the faults that were there together; spans that touch are one."""
    times = sorted({t for one in did for t in (one.begin, one.end)})
    found: list[Span] = []
    for since, until in pairwise(times):
        going = [one for one in did if one.begin <= since and one.end >= until]
        if going and holds(going):
            if found and found[-1][1] == since:
                found[-1] = (found[-1][0], until)
            else:
                found.append((since, until))
    return found


def seconds(spans: Iterable[Span]) -> float:
    """Of all together."""
    return sum(end - begin for begin, end in spans)
