"""What is known of every candidate, from what the controller knows. Pure.

By its site's word a VIP serves while a site owns it, that site is fit, and every pool behind the listeners that are
meant has a server that lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from controller.exits.base import Seen
from controller.exits.names.inputs import State, state_key
from controller.plan.members import Health
from controller.plan.tuned import UNTUNED
from controller.spec.names import COUNTS, Candidate, Service, probe_key
from controller.spec.types import Intent, Pool, Vip

Connections = Callable[[str, str], int | None]
"""Of a server, by pool and backend; None: not known."""


def gathered(seen: Seen, connections: Connections) -> Mapping[str, State]:
    """By ``state_key``: every candidate of every zone."""
    return dict(_Gathering(seen, connections).all())


def counted(intent: Intent) -> tuple[tuple[str, str], ...]:
    """Servers whose connections count: (pool, backend)."""
    vips = {vip.name: vip for vip in intent.vips}
    meant = {
        item.pool: None
        for zone in intent.zones
        for service in zone.services
        if COUNTS & set(service.policies)
        for each in service.candidates
        if each.vip is not None
        for item in vips[each.vip].listeners
        if service.port in (None, item.port)
    }
    return tuple((name, real.name) for name in meant for real in intent.pool(name).backends)


class _Gathering:
    def __init__(self, seen: Seen, connections: Connections) -> None:
        self._seen, self._connections = seen, connections
        self._vips = {vip.name: vip for vip in seen.intent.vips}
        self._living: dict[str, frozenset[str]] = {}

    def all(self) -> Iterator[tuple[str, State]]:
        for zone in self._seen.intent.zones:
            for service in zone.services:
                verdicts = self._seen.verdicts.get(probe_key(zone, service), {})
                for each in service.candidates:
                    state = self._state(service, each, verdicts.get(each.name))
                    yield state_key(zone, service.name, each.name), state

    def _state(self, service: Service, candidate: Candidate, verdict: Health | None) -> State:
        up, why = (None, "") if verdict is None or service.health is None else (verdict.up, verdict.reason)
        vip = self._vips.get(candidate.vip or "")
        if vip is None:
            assert candidate.address is not None, "check sees to it that VIPs exist"
            return State(candidate.address, candidate.site or "", up, why)
        pools = self._pools(vip, service.port)
        living = {pool.name: self._live(pool) for pool in pools}
        site = self._seen.owners.get(vip.name, "")
        return State(
            vip.address,
            site,
            up,
            why,
            self._word(site, living),
            sum(map(len, living.values())),
            self._sessions(pools) if COUNTS & set(service.policies) else None,
            self._capacity(pools),
        )

    def _pools(self, vip: Vip, port: int | None) -> list[Pool]:
        names = dict.fromkeys(each.pool for each in vip.listeners if port in (None, each.port))
        return [self._seen.intent.pool(name) for name in names]

    def _word(self, site: str, living: Mapping[str, frozenset[str]]) -> str:
        if not site:
            return "no site owns it"
        if not self._seen.is_fit(site):
            drained = site in self._seen.drained
            return f"site {site} is {'drained' if drained else 'not fit'}"
        empty = next((name for name, servers in living.items() if not servers), None)
        return "" if empty is None else f"no server of pool {empty} lives"

    def _live(self, pool: Pool) -> frozenset[str]:
        """Servers that take new connections."""
        known = self._living.get(pool.name)
        if known is None:
            known = self._living[pool.name] = frozenset(self._serving(pool))
        return known

    def _serving(self, pool: Pool) -> Iterator[str]:
        verdicts = self._seen.verdicts.get(pool.name, {})
        tuned = self._seen.tables.tuned.get(pool.name, UNTUNED)
        writer = self._seen.tables.writers.get(pool.name)
        for real in pool.backends:
            said, verdict = tuned.get(real.name), verdicts.get(real.name)
            drains = real.drain or pool.weight_of(real) == 0 or (said is not None and said.drains)
            refused = pool.failover is not None and real.name != writer
            if not drains and not refused and (verdict is None or verdict.up):
                yield real.name

    def _sessions(self, pools: list[Pool]) -> int | None:
        """What is known of them, added up; None: nothing is."""
        counts = (self._connections(pool.name, real.name) for pool in pools for real in pool.backends)
        known = [each for each in counts if each is not None]
        return sum(known) if known else None

    @staticmethod
    def _capacity(pools: list[Pool]) -> int | None:
        sizes = [pool.capacity for pool in pools]
        return sum(each for each in sizes if each is not None) if sizes and None not in sizes else None
