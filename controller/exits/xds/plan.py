"""What clients are told, as data that no protocol shapes: services -> clusters and weighted routes. Pure.

    service ─► routes ─► targets (pool, or a part of it) ─► clusters, one for each part, with a share of the route

A cluster is ``SERVICE/POOL``, or ``SERVICE/POOL/SUBSET`` where the pool has a split. Backends of a split pool's backup
are the cluster ``SERVICE/POOL/+backup``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from controller.exits.xds.endpoints import Judged, has_rest, shares
from controller.spec.discovery import Discovery, Header, Limits, Service, Speaks, Target
from controller.spec.types import Intent, Pool

REST = "+backup"
"""The part of a pool whose backends belong to no subset. No subset can be called so."""
WHOLE = 1_000_000
"""What the shares of a route add up to, before they are made small."""


@dataclass(frozen=True)
class Cluster:
    """Servers of a service that clients choose among."""

    name: str
    service: str
    pool: str
    subset: str
    """Empty: the whole pool, or what belongs to no subset."""
    port: int
    speaks: Speaks
    limits: Limits


@dataclass(frozen=True)
class Weighted:
    """A cluster's share of a route."""

    cluster: str
    weight: int


@dataclass(frozen=True)
class Route:
    """Which requests go where."""

    path: str
    headers: tuple[Header, ...]
    clusters: tuple[Weighted, ...]
    """At least one; no weight is 0."""


@dataclass(frozen=True)
class Routes:
    """Of one service."""

    service: str
    listen: str | None
    """Where Envoys take requests for it."""
    routes: tuple[Route, ...]


def clusters(service: Service, pools: Mapping[str, Pool]) -> dict[str, Cluster]:
    """All that its routes may lead to, also those that take nothing now: clients know them before they are needed."""
    found = {}
    for route in service.routes:
        for target in route.to:
            for subset in _parts(target, pools[target.pool]):
                name = _cluster_name(service, target.pool, subset, pools)
                row = name, service.name, target.pool, subset
                found[name] = Cluster(*row, service.port, service.speaks, service.limits)
    return found


def _parts(target: Target, pool: Pool) -> tuple[str, ...]:
    if target.subset is not None:
        return (target.subset,)
    return (*pool.subsets, *([""] if has_rest(pool) else []))


def _cluster_name(service: Service, pool: str, subset: str, pools: Mapping[str, Pool]) -> str:
    if not pools[pool].split:
        return f"{service.name}/{pool}"
    return f"{service.name}/{pool}/{subset or REST}"


def routes(service: Service, pools: Mapping[str, Pool], judged: Mapping[str, Judged]) -> Routes:
    """Of a service. ``judged``: by pool, of all that it leads to."""
    made = []
    for route in service.routes:
        taken: dict[str, Fraction] = {}
        for target in route.to:
            for subset, share in _split(target, pools[target.pool], judged[target.pool]).items():
                name = _cluster_name(service, target.pool, subset, pools)
                taken[name] = taken.get(name, Fraction(0)) + share * target.weight
        made.append(Route(route.path, route.headers, weighted(taken)))
    return Routes(service.name, service.listen, tuple(made))


def _split(target: Target, pool: Pool, judged: Judged) -> dict[str, Fraction]:
    """Shares of a target's parts. If none serves, the first part that is meant to: its servers are named as down."""
    if target.subset is not None:
        return {target.subset: Fraction(1)}
    found = shares(pool, judged)
    if any(found.values()):
        return found
    meant = next((name for name, weight in pool.subsets.items() if weight), next(iter(found)))
    return {name: Fraction(name == meant) for name in found}


def weighted(taken: Mapping[str, Fraction]) -> tuple[Weighted, ...]:
    """Shares as whole numbers: the largest remainder decides, ties go by name; what takes anything has at least 1."""
    total = sum(taken.values())
    if not total:
        return ()
    exact = {name: share * WHOLE / total for name, share in sorted(taken.items()) if share}
    floors = {name: max(1, int(value)) for name, value in exact.items()}
    spare = max(0, WHOLE - sum(floors.values()))
    for name in sorted(exact, key=lambda each: floors[each] - exact[each])[:spare]:
        floors[name] += 1
    common = gcd(*floors.values())
    return tuple(Weighted(name, weight // common) for name, weight in floors.items())


def orders(intent: Intent, of: Discovery, drained: frozenset[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Sites in the order in which clients go there: region -> service -> sites. ``""``: clients of no site's region.

    Sites that an operator took out of service come last.
    """
    names = [site.name for site in intent.sites]
    return {
        region: {each.name: _order(each, region, names, drained) for each in of.services}
        for region in ("", *names)
    }


def _order(service: Service, region: str, names: Sequence[str], drained: frozenset[str]) -> tuple[str, ...]:
    first = (region,) if region and service.local_first else ()
    whole = dict.fromkeys((*first, *service.prefer, *names))
    return tuple(sorted(whole, key=lambda site: site in drained))
