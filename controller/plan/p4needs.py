"""What a P4 switch has to know beyond its duty: next hops that live, routes, how long to remember."""

from __future__ import annotations

from collections.abc import Mapping

from controller.model.types import Switch
from controller.plan.duty import World, pool_number
from controller.plan.numbers import Space
from controller.plan.spec import Duty
from p4src.spec import FIRST_GROUP, UPLINKS, Group, P4Needs, RouteSpec, Secret


def p4_needs(world: World, switch: Switch, duty: Duty, secret: Secret) -> P4Needs:
    """The P4 half of a switch's duty."""
    neighbours = {port.number: port.to for port in switch.ports}
    by_name: dict[str, list[int]] = {}
    for number, to in neighbours.items():
        by_name.setdefault(to, []).append(number)
    routes, sets = [], set()
    for route in switch.routes:
        ports = tuple(sorted(n for via in route.via for n in by_name.get(via, ())))
        sets.add(ports)
        routes.append(RouteSpec(route.to, _group(world, switch, ports), route.mac))
    ways = {}
    for pool in duty.pools.values():
        for real in pool.backends:
            if real.ports:
                sets.add(real.ports)
                ways[real.ports] = _group(world, switch, real.ports)
    groups = [
        Group(_group(world, switch, ports), _living(world, ports, neighbours)) for ports in sorted(sets)
    ]
    if duty.uplinks:
        groups.insert(0, Group(UPLINKS, tuple(up.port for up in duty.uplinks if up.admitted)))
    keep = {
        pool_number(world, state.key): world.intent.pool(state.name).memory_timeout
        for state in world.pools.values()
    }
    return P4Needs(secret, tuple(groups), tuple(routes), ways, keep)


def _living(world: World, ports: tuple[int, ...], neighbours: Mapping[int, str]) -> tuple[int, ...]:
    """Ports that lead to switches that are there; all, if none does: then it is more likely we who see nothing."""
    return tuple(n for n in ports if neighbours[n] not in world.absent) or ports


def _group(world: World, switch: Switch, ports: tuple[int, ...]) -> int:
    name = f"{switch.name} {','.join(map(str, ports))}"
    return FIRST_GROUP + world.numbers.of(Space.GROUP, name, world.now)
