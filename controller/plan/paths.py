"""Which ports of a P4 switch lead somewhere, as far as is known: switches that are gone, cables that hellos found cut.

    port ─► its cable carries, its switch is there ─► and that switch has a way on to where the packet goes ─► used
    none of a route's ports is ─► those on the shortest way to its host over what carries

Never none: if no port is good, those are used whose cable carries, and if there are none of these either, all: then it
is more likely we who see nothing.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from controller.spec.kinds import Protocol as Speaks
from controller.spec.types import Intent, Network, Role, Route, Switch


class End(NamedTuple):
    """A port of a switch."""

    switch: str
    port: int


class Known(Protocol):
    """What paths are made from."""

    @property
    def intent(self) -> Intent:
        """The switches, and where servers are."""
        ...

    @property
    def absent(self) -> frozenset[str]:
        """Switches that are gone."""
        ...

    @property
    def dead_links(self) -> frozenset[tuple[str, int]]:
        """Ports whose cables carry nothing."""
        ...


class Paths:
    """What is known now; to be made again for every plan."""

    def __init__(self, world: Known) -> None:
        self._world = world
        self._behind = {s.name: {port.number: port.to for port in s.ports} for s in world.intent.switches}
        self._routes: dict[str, dict[Network, Route]] = {}
        self._far: dict[Network, dict[str, int]] = {}

    def usable_ports(
        self, switch: Switch, ports: tuple[int, ...], to: Network | None = None
    ) -> tuple[int, ...]:
        """Of these ports, those to use for packets to a prefix (None: to what is behind the ports)."""
        here = tuple(port for port in ports if self._carries(switch, port))
        if to is None or not self._world.dead_links:
            return here or ports
        leading = tuple(
            port for port in here if self._leads(self._behind[switch.name][port], to, {switch.name})
        )
        return leading or self._detour(switch, to) or here or ports

    def _detour(self, switch: Switch, to: Network) -> tuple[int, ...]:
        """Ports that lead to a host by the shortest way over what lives, where none of its route's does.

        Where routes are shortest ways, a switch whose route leads goes down the same distances, and no packet goes
        round.
        """
        distance = self._distances(to)
        if switch.name not in distance:
            return ()
        ports = (p for p in switch.ports if distance.get(p.to) == distance[switch.name] - 1)
        return tuple(sorted(p.number for p in ports if self._carries(switch, p.number)))

    def _distances(self, to: Network) -> dict[str, int]:
        """Cables that carry, from each switch to the one that has a host, or whose own addresses these are."""
        if to not in self._far:
            switches = {s.name: s for s in self._world.intent.switches if s.name not in self._world.absent}
            own = [name for name, s in switches.items() if self._is_at(s, to)]
            found, frontier = dict.fromkeys(own, 0), own
            while frontier:
                frontier = [
                    name
                    for name, s in switches.items()
                    if name not in found
                    and any(p.to in frontier and self._carries(s, p.number) for p in s.ports)
                ]
                found |= dict.fromkeys(frontier, max(found.values()) + 1)
            self._far[to] = found
        return self._far[to]

    def _is_at(self, switch: Switch, to: Network) -> bool:
        route = self.route(switch, to)
        if route is not None and route.mac is not None:
            return True
        return any(n.version == to.version and to.network_address in n for n in switch.local)

    def uplinks(self, switch: Switch, ports: tuple[int, ...]) -> tuple[int, ...]:
        """Of an edge's ports to lb switches, those to use: behind them are all servers."""
        here = tuple(port for port in ports if (switch.name, port) not in self._world.dead_links)
        fit = tuple(port for port in here if self._reaches_servers(self._behind[switch.name][port]))
        return fit or here or ports

    def _carries(self, switch: Switch, port: int) -> bool:
        world = self._world
        return (switch.name, port) not in world.dead_links and self._behind[switch.name][
            port
        ] not in world.absent

    def _leads(self, name: str, to: Network, seen: set[str]) -> bool:
        """Whether a neighbour has a way on; hosts are there, and who names no route knows better."""
        switch = self._world.intent.switch_named(name)
        route = self.route(switch, to) if switch is not None else None
        if switch is None or route is None:
            return True
        if name in seen:
            return False
        return any(
            self._carries(switch, port.number) and self._leads(port.to, to, {*seen, name})
            for port in switch.ports
            if port.to in route.via
        )

    def route(self, switch: Switch, to: Network) -> Route | None:
        """The route that packets to a prefix take: the longest that covers it."""
        if switch.name not in self._routes:
            self._routes[switch.name] = {route.to: route for route in switch.routes}
        known = self._routes[switch.name]
        lengths = {route.prefixlen for route in known if route.version == to.version}
        for length in sorted((n for n in lengths if n <= to.prefixlen), reverse=True):
            found = known.get(to.supernet(new_prefix=length))
            if found is not None:
                return found
        return None

    def _reaches_servers(self, name: str) -> bool:
        """Whether an lb switch has a cable that carries to each server, or to the switch where it is."""
        switch = self._world.intent.switch_named(name)
        cut = any(dead == name for dead, _ in self._world.dead_links)
        if switch is None or Role.LB not in switch.roles or not cut:
            return True
        sets = {
            tuple(port.number for port in switch.ports if port.to in (real.at, real.name))
            for pool in self._world.intent.pools
            for real in pool.backends
        }
        return all(not ports or any(self._carries(switch, port) for port in ports) for ports in sets)


def cables(intent: Intent) -> dict[End, str]:
    """Ports that lead from one P4 switch to another which has a port back, and where to."""
    p4 = {s.name: s for s in intent.switches if s.of_kind.protocol is Speaks.P4RUNTIME}
    leads = {name: {port.to for port in switch.ports} for name, switch in p4.items()}
    return {
        End(name, port.number): port.to
        for name, switch in p4.items()
        for port in switch.ports
        if name in leads.get(port.to, ())
    }
