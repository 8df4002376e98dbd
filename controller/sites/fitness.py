"""Whether a site can serve a group: a list of named conditions, each with the value that decides it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

GRACE = 1.0
"""Seconds for which a condition may fail before it counts: a switch whose stream broke is back within them."""


class Name(StrEnum):
    """What a site needs."""

    CONTROLLER = "controller"
    """A controller of the site leads it, and is heard."""
    STORE = "store"
    """It reaches the store. An owner that does not may go on by promises, so it is not asked for that."""
    EDGES = "edges"
    """An edge can answer for the group: it is connected, and its segment is up. A site without edges, whose VIPs are
    announced to routers, needs none."""
    FENCE = "fence"
    """Responders can be given authority, and would fall silent without it."""
    LBS = "lbs"
    """An lb switch is in use."""
    SERVERS = "servers"
    """Every pool of the group has a living server that the site's lb switches reach, at another site too."""


class Condition(NamedTuple):
    """One of them, as it is."""

    name: Name
    met: bool
    value: str
    """Such as ``1 of 2``."""


@dataclass(frozen=True)
class SiteReport:
    """What is known of a site, by its own leader or from outside."""

    leader: str | None = None
    """Name of the controller that leads it; None: none is heard."""
    store: bool = True
    edges: tuple[int, int] = (0, 0)
    """That can answer, of all."""
    fences: tuple[int, int] = (0, 0)
    """Of the edges that can answer: those that can be given authority."""
    lbs: tuple[int, int] = (0, 0)
    """In use, of all."""
    pools: Mapping[str, int] = field(default_factory=dict)
    """Living servers that can be reached, for each pool of the group."""
    routed: bool = False
    """Routers are told of its VIPs, and send to its lb switches."""


@dataclass(frozen=True)
class Fitness:
    """All conditions of one site for one group, and since when they have been met together."""

    conditions: tuple[Condition, ...] = ()
    since: float | None = None
    """By the own clock; None: not fit now."""

    @property
    def fit(self) -> bool:
        """All are met."""
        return bool(self.conditions) and all(each.met for each in self.conditions)

    @property
    def lacks(self) -> tuple[Condition, ...]:
        """Those that are not met."""
        return tuple(each for each in self.conditions if not each.met)

    @property
    def why(self) -> str:
        """What it lacks, to be shown."""
        if not self.conditions:
            return "nothing is known of it"
        return ", ".join(f"{each.name}: {each.value}" for each in self.lacks) or "fit"

    def for_seconds(self, now: float) -> float:
        """How long it has been fit without a break."""
        return 0.0 if self.since is None else now - self.since


def judge(report: SiteReport, owner: bool) -> tuple[Condition, ...]:
    """All conditions. ``owner``: of the site that owns the group now."""
    return tuple(_conditions(report, owner))


def followed(before: Fitness, conditions: tuple[Condition, ...], now: float) -> Fitness:
    """The same site a moment later."""
    later = replace(before, conditions=conditions)
    if not later.fit:
        return replace(later, since=None)
    return later if before.since is not None else replace(later, since=now)


def forgiven(
    conditions: tuple[Condition, ...], lost: Mapping[Name, float], now: float
) -> tuple[tuple[Condition, ...], Mapping[Name, float]]:
    """The conditions, with those counted as met that have not been for less than ``GRACE``; since when each is not met.

    A stream that breaks and comes back moves no VIP. A site of which no controller is heard is not waited for: what its
    lease has left is.
    """
    since = {each.name: lost.get(each.name, now) for each in conditions if not each.met}
    kept = tuple(
        each._replace(met=True) if not each.met and now < since[each.name] + _grace(each.name) else each
        for each in conditions
    )
    return kept, since


def _grace(name: Name) -> float:
    return 0.0 if name is Name.CONTROLLER else GRACE


def _conditions(report: SiteReport, owner: bool) -> Iterator[Condition]:
    yield Condition(Name.CONTROLLER, report.leader is not None, report.leader or "none is heard")
    reached = "reached" if report.store else "not reached"
    yield Condition(Name.STORE, report.store or owner, reached + (", not needed to stay" if owner else ""))
    for name, (there, of) in (
        (Name.EDGES, report.edges),
        (Name.FENCE, report.fences),
        (Name.LBS, report.lbs),
    ):
        none_needed = name is Name.FENCE or (name is Name.EDGES and report.routed)
        yield Condition(name, there > 0 or (none_needed and not of), f"{there} of {of}")
    empty = sorted(pool for pool, living in report.pools.items() if not living)
    living = f"{len(report.pools) - len(empty)} of {len(report.pools)} pools"
    yield Condition(Name.SERVERS, not empty, f"none for {', '.join(empty)}" if empty else living)
