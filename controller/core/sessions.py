"""Connections by listener and backend, from what lb switches and servers count. Owns the tally.

    audits read switches ─► counters ─┐
    agents ask servers ─► connections ┴─► tally (pure) ─► status, metrics, schedulers

No switch is read for this: audits do that every two seconds and more. It is all in memory: a controller that starts
begins with what switches have counted since they began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.servers import Servers
from controller.health.targets import BackendRef
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.plan.sessions import Live, Pair, Tally
from controller.southbound.driver import Counts
from controller.spec.types import Protocol, Role

LOOK = 1.0
"""Seconds between looks at what was read."""


@dataclass(frozen=True)
class _Known:
    """Of the intent that was committed last."""

    listeners: Mapping[int, str] = field(default_factory=dict)
    """Those of TCP, by number: their pools."""
    names: Mapping[str, int] = field(default_factory=dict)
    silent_after: Mapping[int, float] = field(default_factory=dict)
    """Seconds, by listener."""
    backends: Mapping[str, int] = field(default_factory=dict)
    numbers: frozenset[int] = frozenset()
    """Of ``backends``."""
    switches: frozenset[int] = frozenset()

    @staticmethod
    def of(world: PlanInput) -> _Known:
        """From names to numbers, once for each commit."""
        tcp = [item for item in world.intent.listeners() if item.protocol is Protocol.TCP]
        names = {item.name: world.ids.id(Space.LISTENER, item.name) for item in tcp}
        backends = world.ids.ids(Space.BACKEND)
        return _Known(
            {names[item.name]: item.pool for item in tcp},
            names,
            {names[item.name]: world.memory[world.state_key(item)] for item in tcp},
            backends,
            frozenset(backends.values()),
            frozenset(switch.id for switch in world.intent.switches),
        )


class Sessions:
    """Of all lb switches together."""

    def __init__(
        self,
        committed: Readable[PlanInput | None],
        fleet: Fleet,
        servers: Servers,
        now: Callable[[], float],
    ) -> None:
        self._committed, self._fleet, self._servers, self._now = committed, fleet, servers, now
        self._tally = Tally()
        self._world: PlanInput | None = None
        self._known = _Known()
        self._taken: dict[int, object] = {}
        """What was read of each switch last."""
        self._said: dict[BackendRef, float] = {}
        """When each server's last answer was given."""
        self._looked = now()

    def deadline(self) -> float:
        """When to look next."""
        return self._looked + LOOK

    def look(self) -> None:
        """Take what was read and said since."""
        self._looked = now = self._now()
        self._follow()
        for task in self._fleet:
            driver = task.driver
            if Role.LB not in task.switch.roles or not isinstance(driver, Counts):
                continue
            if self._taken.get(task.switch.id) is not driver.sessions:
                self._taken[task.switch.id] = driver.sessions
                self._tally.take(task.switch.id, driver.packets, driver.sessions, now)
        self._tally.settle(now, self._silent_after)
        self._correct()

    def live(self, listener: str, backend: str) -> Live | None:
        """Of one backend for one listener; None: not TCP's, or nothing was counted yet."""
        pool = self._known.listeners.get(self._known.names.get(listener, -1))
        return None if pool is None else self._tally.live(pool, self._pairs(backend, [listener]))

    def of_backend(self, ref: BackendRef) -> Live | None:
        """Of a backend for all listeners of its pool."""
        return self._tally.live(ref[0], self._pairs(ref[1], self._known.names, ref[0]))

    def _follow(self) -> None:
        world = self._committed.value
        if world is None or world is self._world:
            return
        self._world, self._known = world, _Known.of(world)
        self._tally.keep(self._known.switches, {pool.name for pool in world.intent.pools})
        self._taken = {number: each for number, each in self._taken.items() if number in self._known.switches}

    def _silent_after(self, pair: Pair) -> float | None:
        return self._known.silent_after.get(pair[0]) if pair[1] in self._known.numbers else None

    def _pairs(self, backend: str, listeners: Iterable[str], pool: str | None = None) -> list[Pair]:
        known = self._known
        number = known.backends.get(backend)
        if number is None:
            return []
        found = (known.names[name] for name in listeners)
        return [(each, number) for each in found if pool is None or known.listeners[each] == pool]

    def _correct(self) -> None:
        """By what servers have said since the last look."""
        said = {}
        for ref, heard in self._servers.gauges():
            said[ref] = heard.at
            if heard.at != self._said.get(ref):
                pairs = self._pairs(ref[1], self._known.names, ref[0])
                self._tally.correct(ref[0], pairs, heard.connections, learns=ref in self._said)
        self._said = said
