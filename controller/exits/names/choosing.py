"""Choices for the balanced names of a zone: from who asks to a chain's tree, and to the records picked from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller.exits.names.candidates import Facts
from controller.exits.names.content import Asker, Chosen, RecordSet
from controller.exits.names.ends import Pick
from controller.exits.names.memory import Memory
from controller.exits.names.policies import Where
from controller.exits.names.regions import Regions
from controller.exits.names.rtt import BITS, Shared
from controller.spec.names import Policy, Service

MOST = 4096
"""Classes of askers of which a choice keeps what the chain leaves, at most."""
LISTED_REGIONS = 32
"""Regions for which that is made beforehand, at most."""

Picked = Callable[[Where], Pick]


@dataclass(frozen=True)
class Ground:
    """What a service's choices go by besides state."""

    regions: Regions
    names: tuple[str, ...]
    """Of regions."""
    shared: Shared
    memory: Memory


class Balanced:
    """The choice of one name and type."""

    def __init__(self, service: Service, sites: frozenset[str], ground: Ground, picked: Picked) -> None:
        """``sites``: of the candidates. ``picked``: what the chain leaves to askers of a kind, ready to be asked."""
        self._regions = ground.regions if Policy.REGION in service.policies else None
        self._rtt = Policy.RTT in service.policies
        self._sites = tuple(sorted(sites))
        self._ground, self._picked = ground, picked
        names = ground.names if self._regions is not None else ()
        self._beforehand = ("", *names[:LISTED_REGIONS])
        self._by_region = {name: picked(Where(name)) for name in self._beforehand}
        self._by_times: dict[tuple[str, tuple[float, ...]], Pick] = {}

    def __call__(self, asker: Asker) -> Chosen:
        """Choose."""
        region, scope = "", 0
        if self._regions is not None:
            region, scope = self._regions.of(asker.address)
        if self._rtt:
            return self._near(asker, region, scope)
        known = self._by_region.get(region)
        if known is None:
            known = self._by_region[region] = self._picked(Where(region))
        return Chosen(known.pick(), scope)

    @property
    def possible(self) -> tuple[RecordSet, ...]:
        """Sets that can be chosen, as far as they can be listed."""
        found: dict[frozenset[str], RecordSet] = {}
        for records in self._possible():
            found.setdefault(frozenset((records.type, *records.values)), records)
        return tuple(found.values())

    def _possible(self) -> Iterator[RecordSet]:
        for name in self._beforehand:
            yield from self._by_region[name].possible()
            for site in self._sites if self._rtt else ():
                yield from self._picked(Where(name, {site: 0.0})).possible()

    def _near(self, asker: Asker, region: str, scope: int) -> Chosen:
        bits = BITS[asker.address.version]
        memory = self._ground.memory
        memory.rtts.asks(asker.resolver)
        client = asker.address if asker.prefix >= bits else None
        row = self._ground.shared.near(memory.rtts, client, asker.resolver)
        times = tuple(round(row.get(site, -1.0), 4) for site in self._sites)
        known = self._by_times.get((region, times))
        if known is None:
            near = {site: row[site] for site in self._sites if site in row}
            known = self._picked(Where(region, near))
            if len(self._by_times) >= MOST:
                self._by_times.clear()
            self._by_times[region, times] = known
        return Chosen(known.pick(), max(scope, bits))


def sites_of(facts: Facts) -> frozenset[str]:
    """Where candidates are."""
    return frozenset(each.site for each in facts if each.site)
