"""Who serves the clients of one place, in which order and proportion: pools and verdicts -> localities. Pure.

    backends of a cluster ─► priority groups, in each the sites in the client's order ─► who serves now   priority 0
                                                                                     └─► who could        1, 2, ...
                                                                 down, draining ─► parked, behind all others

Who serves now is what the planner's rule for priority groups says (``plan/groups.py``): a site, like a group, takes all
while ``spill_below`` of its weight lives, and less below. Those who could serve follow in groups and sites of their
own, so that a client whose first choice dies need not wait for us.

Priorities have no gaps: clients refuse them. Backends of one site, zone and weight are one locality, whose weight is
the sum of theirs: gRPC goes by weights of localities alone, Envoy by both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from math import gcd
from typing import NamedTuple

from controller.plan import groups
from controller.plan.members import Health
from controller.plan.tuned import AS_CONFIGURED, UNTUNED, Tunings, factors
from controller.spec.types import Address, Backend, Pool

PARKED = "parked"
"""The part of a site whose servers take nothing."""
MOST = 2**31 - 1
"""The largest weight of a locality: clients add them up in 32 bits."""


class State(StrEnum):
    """Of a server, towards clients."""

    UNKNOWN = "unknown"
    """No verdict, or none that is heeded."""
    UP = "up"
    DOWN = "down"
    DRAINING = "draining"


@dataclass(frozen=True)
class Endpoint:
    """One server."""

    name: str
    address: Address
    port: int
    weight: int
    state: State


@dataclass(frozen=True)
class Locality:
    """Servers of one site, zone and weight."""

    site: str
    """Empty: not known."""
    zone: str
    part: str
    """What tells localities of a site and zone apart: the weight of each server, or ``parked``."""
    priority: int
    weight: int
    """Share of the priority; 0: none."""
    endpoints: tuple[Endpoint, ...]


class Judged(NamedTuple):
    """What is known of a pool's backends."""

    health: Mapping[str, Health]
    tuned: Tunings = UNTUNED
    writer: str | None = None
    """Of a pool with ``failover``: who serves."""

    @property
    def up(self) -> dict[str, bool]:
        """Verdicts by name."""
        return {name: each.up for name, each in self.health.items()}

    def drains(self, real: Backend, pool: Pool) -> bool:
        """Whether new requests leave it, by the intent or its own word."""
        return real.drain or not pool.weight_of(real) or self.tuned.get(real.name, AS_CONFIGURED).drains


def serving(backends: Iterable[Backend], pool: Pool, judged: Judged) -> groups.Serving:
    """Who serves, and by which weights, of backends of a pool."""
    members = [_draining(real, judged.drains(real, pool)) for real in backends]
    if pool.failover is not None:
        able = (real for real in members if real.name == judged.writer and not real.drain)
        return groups.Serving({real.name: 1 for real in able}, panicked=False)
    return groups.serving(members, judged.up, pool, factors(judged.tuned))


def _draining(real: Backend, drains: bool) -> Backend:
    return real if real.drain is drains else replace(real, drain=drains)


def localities(
    backends: Sequence[Backend],
    pool: Pool,
    port: int,
    judged: Judged,
    sites: Mapping[str, str],
    order: Sequence[str],
) -> tuple[Locality, ...]:
    """Those of a cluster. ``sites``: of backends, by name; ``order``: sites, the client's first one first."""
    ranks = {site: rank for rank, site in enumerate(dict.fromkeys(order))}
    whole = len(ranks) + 1

    def ranked(real: Backend) -> Backend:
        return replace(real, group=real.group * whole + ranks.get(sites.get(real.name, ""), whole - 1))

    members = [ranked(real) for real in _distinct(backends)]
    now = serving(members, pool, judged)
    builder = _Builder(port, judged, sites, now.panicked)
    tiers = [[(real, now.weights[real.name]) for real in members if now.weights.get(real.name)]]
    spare = [real for real in members if not now.weights.get(real.name)]
    could = {real.name for real in spare if _could(real, pool, judged)}
    able = [real for real in spare if real.name in could]
    tiers += [
        [(real, pool.weight_of(real)) for real in able if real.group == group]
        for group in sorted({real.group for real in able})
    ]
    tiers = [tier for tier in tiers if tier]
    out = [each for rank, tier in enumerate(tiers) for each in builder.tier(rank, tier)]
    idle = [(real, judged.drains(real, pool)) for real in spare if real.name not in could]
    return (*out, *builder.parked(len(tiers), idle))


def _distinct(backends: Iterable[Backend]) -> Iterable[Backend]:
    """One for each address: clients refuse a server that is named twice."""
    seen: dict[Address, Backend] = {}
    for real in backends:
        seen.setdefault(real.addresses[0], real)
    return seen.values()


def _could(real: Backend, pool: Pool, judged: Judged) -> bool:
    """Whether a backend that does not serve could, if those before it were gone. Of one writer only we make another."""
    verdict = judged.health.get(real.name)
    lives = verdict is None or verdict.up
    return lives and pool.failover is None and not judged.drains(real, pool)


@dataclass(frozen=True)
class _Builder:
    port: int
    judged: Judged
    sites: Mapping[str, str]
    panicked: bool

    def tier(self, priority: int, members: Sequence[tuple[Backend, int]]) -> list[Locality]:
        weights = _small([weight for _, weight in members])
        parts: dict[tuple[str, str, int], list[Endpoint]] = {}
        for (real, _), weight in zip(members, weights, strict=True):
            key = (self.sites.get(real.name, ""), real.zone or "", weight)
            parts.setdefault(key, []).append(self._endpoint(real, weight, self._state(real)))
        return [
            Locality(site, zone, f"weight-{weight}", priority, weight * len(of), _sorted(of))
            for (site, zone, weight), of in sorted(parts.items())
        ]

    def parked(self, priority: int, members: Sequence[tuple[Backend, bool]]) -> list[Locality]:
        parts: dict[tuple[str, str], list[Endpoint]] = {}
        for real, drains in members:
            state = State.DRAINING if drains else State.DOWN
            place = self.sites.get(real.name, ""), real.zone or ""
            parts.setdefault(place, []).append(self._endpoint(real, 1, state))
        return [Locality(*place, PARKED, priority, 0, _sorted(of)) for place, of in sorted(parts.items())]

    def _endpoint(self, real: Backend, weight: int, state: State) -> Endpoint:
        return Endpoint(real.name, real.addresses[0], self.port, weight, state)

    def _state(self, real: Backend) -> State:
        verdict = self.judged.health.get(real.name)
        return State.UP if verdict is not None and verdict.up and not self.panicked else State.UNKNOWN


def _sorted(of: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(sorted(of, key=lambda each: each.name))


def _small(weights: Sequence[int]) -> list[int]:
    """The same proportions in small numbers; none is 0, and all together fit into 31 bits."""
    total = sum(weights)
    if total > MOST:
        weights = [max(1, weight * (MOST // 2) // total) for weight in weights]
    common = gcd(*weights)
    return [weight // common for weight in weights]


def shares(pool: Pool, judged: Judged) -> dict[str, Fraction]:
    """Which share of a pool's requests each of its subsets takes now; those of backups are the subset ``""``.

    All are 0 if none serves. A pool without ``split`` is one subset, ``""``.
    """
    weights = serving(pool.backends, pool, judged).weights
    found = dict.fromkeys((*pool.subsets, *([""] if has_rest(pool) else [])), 0)
    for real in pool.backends:
        found[pool.subset_of(real) or ""] += weights.get(real.name, 0)
    total = sum(found.values())
    return {name: Fraction(weight, total or 1) for name, weight in found.items()}


def has_rest(pool: Pool) -> bool:
    """Whether a pool has backends of no subset."""
    return not pool.split or any(pool.subset_of(real) is None for real in pool.backends)


def part(pool: Pool, subset: str) -> tuple[tuple[Backend, ...], Pool]:
    """The backends of a subset (``""``: of none), and the rules among them: what the split gives a part is shared
    within it by weight alone."""
    if not pool.split:
        return pool.backends, pool
    return tuple(real for real in pool.backends if (pool.subset_of(real) or "") == subset), replace(
        pool, split=()
    )
