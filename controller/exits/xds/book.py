"""All resources at one moment, for clients of every place. Pure, but for what it remembers of what it made.

Clusters, listeners and routes are the same for all clients; endpoints depend on the site where a client is. What has
not changed is not made again. A cluster that is no longer wanted stays for a while: routes that clients still go by
may name it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar, cast

from controller.exits.xds import messages, plan
from controller.exits.xds.endpoints import Judged, Locality, localities, part
from controller.exits.xds.kinds import Kind, Resource
from controller.plan.tables import Tables, Verdicts
from controller.plan.tuned import UNTUNED
from controller.spec.discovery import Discovery
from controller.spec.types import Intent, Pool

RETIRES = 15.0
"""Seconds for which a cluster stays that no route leads to any more."""
ELSEWHERE = ""
"""The region of clients that are at no site of ours."""
T = TypeVar("T")
Rows = Mapping[str, Resource]


class Inputs(NamedTuple):
    """What resources are made of."""

    revision: int
    intent: Intent
    tables: Tables
    verdicts: Verdicts
    drained: frozenset[str]


class Assignment(NamedTuple):
    """The servers of a cluster for clients of one place."""

    localities: tuple[Locality, ...]
    resource: Resource


@dataclass(frozen=True)
class Book:
    """Never changed; what is remembered in it follows from it."""

    revision: int
    """Of the store, from which it was made. It is no part of any version."""
    common: Mapping[Kind, Rows]
    """Resources that are the same for all clients, by name."""
    assignments: Mapping[str, Mapping[str, Assignment]]
    """Region of the client -> cluster -> its servers."""
    clusters: Mapping[str, plan.Cluster]
    """That routes may lead to."""
    routes: Mapping[str, plan.Routes]
    """By service."""
    opened: frozenset[str]
    """Names of listeners that Envoys open: what one gets that asks for all listeners."""
    retired: Mapping[str, float]
    """Clusters that no route leads to any more, and since when."""
    _rows: dict[str, Rows] = field(default_factory=dict, repr=False, compare=False)

    def rows(self, kind: Kind, region: str) -> Rows:
        """Resources of a kind, for clients of a region."""
        if kind is not Kind.ENDPOINTS:
            return self.common[kind]
        region = region if region in self.assignments else ELSEWHERE
        if region not in self._rows:
            found = self.assignments[region]
            self._rows[region] = {name: each.resource for name, each in found.items()}
        return self._rows[region]

    def all(self, kind: Kind) -> Iterable[str]:
        """Names that one gets who asks for all of a kind; that can be clusters or listeners."""
        return self.opened if kind is Kind.LISTENERS else self.common[kind]


EMPTY = Book(
    0, {kind: {} for kind in Kind if kind is not Kind.ENDPOINTS}, {ELSEWHERE: {}}, {}, {}, frozenset(), {}
)


class _Memo:
    """What was made last time, and of what."""

    def __init__(self) -> None:
        self._last: dict[Hashable, tuple[object, object]] = {}
        self._now: dict[Hashable, tuple[object, object]] = {}

    def kept(self, key: Hashable, basis: object, make: Callable[[], T]) -> T:
        """What is made of ``basis``, the same object as long as that is equal."""
        known = self._now.get(key) or self._last.get(key)
        if known is None or known[0] != basis:
            known = basis, make()
        self._now[key] = known
        return cast(T, known[1])

    def turn(self) -> None:
        """Forget what was not asked for since the last time."""
        self._last, self._now = self._now, {}


class Maker:
    """Makes one book after the other. For one thread at a time."""

    def __init__(self) -> None:
        self._memo = _Memo()

    def make(self, of: Inputs, before: Book, now: float) -> Book:
        """The book of now. ``now``: seconds, by which clusters retire."""
        discovery = of.intent.discovery
        if discovery is None:
            return EMPTY
        pools = {pool.name: pool for pool in of.intent.pools}
        judged = {name: _judged(of, name) for service in discovery.services for name in service.pools}
        wanted: dict[str, plan.Cluster] = {}
        for service in discovery.services:
            wanted |= plan.clusters(service, pools)
        routes = {each.name: plan.routes(each, pools, judged) for each in discovery.services}
        common, opened = self._common(wanted, routes)
        assignments = self._assignments(of, discovery, wanted, pools, judged)
        retired = {
            name: since for name, since in _leaving(before, wanted, now).items() if now < since + RETIRES
        }
        for name in retired:
            common[Kind.CLUSTERS][name] = before.common[Kind.CLUSTERS][name]
            for region, rows in assignments.items():
                rows[name] = before.assignments.get(region, before.assignments[ELSEWHERE])[name]
        self._memo.turn()
        return Book(of.revision, common, assignments, wanted, routes, opened, retired)

    def _common(
        self, wanted: Mapping[str, plan.Cluster], routes: Mapping[str, plan.Routes]
    ) -> tuple[dict[Kind, dict[str, Resource]], frozenset[str]]:
        kept = self._memo.kept
        clusters = {
            name: kept((Kind.CLUSTERS, name), each, partial(messages.cluster, each))
            for name, each in wanted.items()
        }
        rows = {
            name: kept((Kind.ROUTES, name), each, partial(messages.routes, each))
            for name, each in routes.items()
        }
        listeners = {
            name: kept((Kind.LISTENERS, name), name, partial(messages.listener, each))
            for name, each in routes.items()
        }
        opened = [
            kept((Kind.LISTENERS, name, "opened"), each.listen, partial(messages.socket_listener, each))
            for name, each in routes.items()
            if each.listen is not None
        ]
        sockets = {each.name: each for each in opened}
        common = {Kind.CLUSTERS: clusters, Kind.LISTENERS: listeners | sockets, Kind.ROUTES: rows}
        return common, frozenset(sockets)

    def _assignments(
        self,
        of: Inputs,
        discovery: Discovery,
        wanted: Mapping[str, plan.Cluster],
        pools: Mapping[str, Pool],
        judged: Mapping[str, Judged],
    ) -> dict[str, dict[str, Assignment]]:
        basis = of.intent.switches, of.intent.pools
        sites = self._memo.kept("sites", basis, lambda: _sites_of(of.intent))
        out: dict[str, dict[str, Assignment]] = {}
        for region, orders in plan.orders(of.intent, discovery, of.drained).items():
            out[region] = {
                name: self._assignment(each, pools[each.pool], judged[each.pool], sites, orders[each.service])
                for name, each in wanted.items()
            }
        return out

    def _assignment(
        self,
        cluster: plan.Cluster,
        pool: Pool,
        judged: Judged,
        sites: Mapping[str, str],
        order: tuple[str, ...],
    ) -> Assignment:
        def make() -> Assignment:
            backends, rules = part(pool, cluster.subset)
            found = localities(backends, rules, cluster.port, judged, sites, order)
            return Assignment(found, messages.endpoints(cluster.name, found))

        basis = cluster, pool, judged, sites
        return self._memo.kept((Kind.ENDPOINTS, cluster.name, order), basis, make)


def _judged(of: Inputs, pool: str) -> Judged:
    tuned, writer = of.tables.tuned.get(pool, UNTUNED), of.tables.writers.get(pool)
    return Judged(of.verdicts.get(pool, {}), tuned, writer)


def _leaving(before: Book, wanted: Mapping[str, plan.Cluster], now: float) -> dict[str, float]:
    """Clusters of the last book that are not wanted now, and since when."""
    gone = (name for name in before.common[Kind.CLUSTERS] if name not in wanted)
    return {name: before.retired.get(name, now) for name in gone}


def _sites_of(intent: Intent) -> dict[str, str]:
    """Backend -> its site, where that is known."""
    at = {switch.name: switch.site for switch in intent.switches}
    return {
        real.name: at[real.at]
        for pool in intent.pools
        for real in pool.backends
        if real.at is not None and real.at in at
    }
