"""What a P4 switch has to know beyond its duty: next hops that live, routes, segments, how long to remember."""

from __future__ import annotations

from collections import Counter

from controller.plan.duty import World, pool_number
from controller.plan.ids import Space
from controller.plan.paths import Ways, cables
from controller.plan.segments import floods
from controller.spec.switch import Duty
from controller.spec.types import Switch
from p4src.spec import FIRST_GROUP, UPLINKS, Group, P4Needs, RouteSpec, Secret

_Want = tuple[tuple[int, ...], tuple[int, ...]]
"""Ports, and those of them to use."""


def p4_needs(world: World, switch: Switch, duty: Duty, secret: Secret) -> P4Needs:
    """The P4 half of a switch's duty."""
    known = Ways(world)
    groups = _Groups(world, switch)
    by_name: dict[str, list[int]] = {}
    for port in switch.ports:
        by_name.setdefault(port.to, []).append(port.number)
    wanted = []
    for route in switch.routes:
        ports = tuple(sorted(n for via in route.via for n in by_name.get(via, ())))
        wanted.append(groups.want(ports, known.living(switch, ports, route.to)))
    reals = {real.ports for pool in duty.pools.values() for real in pool.backends if real.ports}
    ways = {ports: groups.want(ports, known.living(switch, ports)) for ports in sorted(reals)}
    numbers = groups.number()
    routes = [RouteSpec(r.to, numbers[want], r.mac) for r, want in zip(switch.routes, wanted, strict=True)]
    made = sorted(Group(number, leading) for (_, leading), number in numbers.items())
    if duty.uplinks:
        admitted = tuple(up.port for up in duty.uplinks if up.admitted)
        made.insert(0, Group(UPLINKS, known.uplinks(switch, admitted)))
    keep = {
        pool_number(world, state.key): world.intent.pool(state.name).memory_timeout
        for state in world.pools.values()
    }
    neighbours = tuple(end.port for end in cables(world.intent) if end.switch == switch.name)
    return P4Needs(
        secret,
        tuple(made),
        tuple(routes),
        {ports: numbers[want] for ports, want in ways.items()},
        keep,
        floods=floods(world.intent, switch),
        neighbours=neighbours,
    )


class _Groups:
    """Groups of next hops of one switch: one for each set of ports, and more where only some of a set lead on."""

    def __init__(self, world: World, switch: Switch) -> None:
        self._world = world
        self._switch = switch
        self._wanted: Counter[_Want] = Counter()

    def want(self, ports: tuple[int, ...], leading: tuple[int, ...]) -> _Want:
        """Somebody's packets may leave by ``ports``, of which those in ``leading`` are to be used."""
        self._wanted[ports, leading] += 1
        return ports, leading

    def number(self) -> dict[_Want, int]:
        """Numbers: what most of those with the same ports want has the number that it always had."""
        usual: dict[tuple[int, ...], tuple[int, ...]] = {}
        for (ports, leading), _ in self._wanted.most_common():
            usual.setdefault(ports, leading)
        out = {}
        for ports, leading in self._wanted:
            name = f"{self._switch.name} {_words(ports)}"
            if leading != usual[ports]:
                name += f" by {_words(leading)}"
            out[ports, leading] = FIRST_GROUP + self._world.numbers.of(Space.GROUP, name, self._world.now)
        return out


def _words(ports: tuple[int, ...]) -> str:
    return ",".join(map(str, ports))
