"""What a P4 switch has to know beyond its duty: next hops that live, routes, segments, how long to remember."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_network

from controller.plan.duty import PlanInput, pool_number, ports_towards, vips_of, world_of
from controller.plan.ids import Space
from controller.plan.paths import Paths, cables
from controller.plan.pins import PinBook
from controller.plan.progress import with_groups
from controller.plan.segments import floods
from controller.plan.tables import Tables
from controller.spec.kinds import Protocol as Speaks
from controller.spec.switch import SwitchSpec
from controller.spec.types import Address, Intent, Role, Switch
from p4src.spec import FIRST_GROUP, UPLINKS, Group, P4Needs, RouteSpec, Secret

_Want = tuple[tuple[int, ...], tuple[int, ...]]
"""Ports, and those of them to use."""


def p4_needs(world: PlanInput, switch: Switch, duty: SwitchSpec, secret: Secret) -> P4Needs:
    """The P4 half of a switch's duty."""
    wanted = _Wanted.of(_Reals(world), switch)
    numbers = {
        want: FIRST_GROUP + world.ids.id(Space.GROUP, name) for want, name in wanted.groups.names().items()
    }
    routes = [
        RouteSpec(r.to, numbers[want], r.mac) for r, want in zip(switch.routes, wanted.routes, strict=True)
    ]
    made = sorted(Group(number, leading) for (_, leading), number in numbers.items())
    if duty.uplinks:
        made.insert(0, Group(UPLINKS, tuple(up.port for up in duty.uplinks if up.admitted)))
    keep = {pool_number(world, key): seconds for key, seconds in world.memory.items()}
    transition = {
        pool_number(world, key): world.intent.pool(state.name).transition
        for key, state in world.pools.items()
    }
    neighbours = tuple(end.port for end in cables(world.intent) if end.switch == switch.name)
    return P4Needs(
        secret,
        tuple(made),
        tuple(routes),
        {ports: numbers[want] for ports, want in wanted.ways.items()},
        keep,
        floods=floods(world.intent, switch, world.absent, world.dead_links),
        frames=tuple((mac, numbers[want]) for mac, want in wanted.frames.items()),
        neighbours=neighbours,
        transition=transition,
    )


class Needs:
    """The P4 half of one switch's duty through time: made again when what it is made of changes."""

    def __init__(self) -> None:
        self._basis: tuple[object, ...] = ()
        self._made: P4Needs | None = None

    def of(self, world: PlanInput, switch: Switch, duty: SwitchSpec, secret: Secret) -> P4Needs:
        """As ``p4_needs`` says."""
        intent = world.intent
        basis = (
            intent.switches,
            intent.sites,
            intent.vips,
            # Whether an lb switch reaches all servers is asked where cables are cut.
            intent.pools if world.dead_links else None,
            [pool.transition for pool in intent.pools],
            _Reals(world).elsewhere(switch),
            world.ids,
            world.bound,
            world.memory,
            world.absent,
            world.dead_links,
            duty.uplinks,
            frozenset(real.ports for pool in duty.pools.values() for real in pool.backends),
            switch,
            secret,
        )
        if self._made is None or any(
            old is not new and old != new for old, new in zip(self._basis, basis, strict=True)
        ):
            self._basis, self._made = basis, p4_needs(world, switch, duty, secret)
        return self._made


def group_names(world: PlanInput) -> set[str]:
    """Names of all groups of next hops that P4 switches need now: they have ids before anything is planned."""
    p4 = (switch for switch in world.intent.switches if switch.of_kind.protocol is Speaks.P4RUNTIME)
    reals = _Reals(world)
    return {name for switch in p4 for name in _Wanted.of(reals, switch).groups.names().values()}


def grouped(
    tables: Tables,
    intent: Intent,
    now: float,
    absent: frozenset[str] = frozenset(),
    dead_links: frozenset[tuple[str, int]] = frozenset(),
) -> Tables:
    """The tables with ids for all groups of next hops that are needed when these switches and links are gone."""
    world = world_of(intent, tables, PinBook(), frozenset(), {}, absent, dead_links)
    return with_groups(tables, group_names(world), now)


class _Reals:
    """Where backends are, by the site whose switches lead to them: asked of all its switches."""

    def __init__(self, world: PlanInput) -> None:
        self.ways = Paths(world)
        self._world = world
        self._served: dict[str, dict[str | None, set[str]]] = {}
        """Names of servers by the switch that they are at."""

    def seen_from(self, switch: Switch) -> set[tuple[int, ...]]:
        """Sets of ports that lead to the backends of what a switch serves."""
        if switch.site not in self._served:
            world = self._world
            keys = {world.state_key(item) for vip in vips_of(world, switch) for item in vip.listeners}
            members = (member.backend for key in keys for member in world.pools[key].members)
            served = self._served[switch.site] = {}
            for real in members:
                served.setdefault(real.at, set()).add(real.name)
        to = {port.to for port in switch.ports}
        named: set[tuple[str | None, str | None]] = set()
        for at, names in self._served[switch.site].items():
            behind, direct = at if at in to else None, names & to
            named |= {(behind, name) for name in direct}
            if len(direct) < len(names):
                named.add((behind, None))
        return {ports_towards(switch, *each) for each in named}

    def elsewhere(self, switch: Switch) -> dict[str, Address]:
        """MACs of servers at other switches, and an address of each: those on our segments.

        Frames to them cross as they are, as those of mode ``dr`` must, which carry the VIP as address. Of a fabric of
        several sites: in one of one site, lb switches lead to all servers, as here to those behind a port.
        """
        world = self._world
        if len(world.intent.sites) == 1:
            return {}
        known = {port.to for port in switch.ports} if Role.LB in switch.roles else frozenset()
        away = {s.name for s in world.intent.switches} - {switch.name} - known
        near = [prefix for subnet in world.intent.site(switch.site).subnets for prefix in subnet.prefixes]
        return {
            real.mac: real.addresses[0]
            for state in world.pools.values()
            for real in (member.backend for member in state.members)
            if real.at in away
            and real.mac
            and (not near or any(real.addresses[0] in prefix for prefix in near))
        }


@dataclass(frozen=True)
class _Wanted:
    """Groups of next hops that one switch needs."""

    groups: _Groups
    routes: list[_Want]
    """In the order of the switch's routes."""
    frames: dict[str, _Want]
    """By the MACs of servers at other sites."""
    ways: dict[tuple[int, ...], _Want]
    """By the ports that lead to a backend."""

    @staticmethod
    def of(reals: _Reals, switch: Switch) -> _Wanted:
        known = reals.ways
        groups = _Groups(switch)
        by_name: dict[str, list[int]] = {}
        for port in switch.ports:
            by_name.setdefault(port.to, []).append(port.number)
        routes = []
        for route in switch.routes:
            ports = tuple(sorted(n for via in route.via for n in by_name.get(via, ())))
            routes.append(groups.want(ports, known.usable_ports(switch, ports, route.to)))
        frames = {}
        for mac, address in reals.elsewhere(switch).items():
            leading = known.route(switch, ip_network(address))
            vias = () if leading is None else leading.via
            ports = tuple(sorted(n for via in vias for n in by_name.get(via, ())))
            if ports:
                frames[mac] = groups.want(ports, known.usable_ports(switch, ports, ip_network(address)))
        seen = sorted(reals.seen_from(switch) - {()})
        ways = {ports: groups.want(ports, known.usable_ports(switch, ports)) for ports in seen}
        return _Wanted(groups, routes, frames, ways)


class _Groups:
    """Groups of next hops of one switch: one for each set of ports, and more where only some of a set lead on."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._wanted: Counter[_Want] = Counter()

    def want(self, ports: tuple[int, ...], leading: tuple[int, ...]) -> _Want:
        """Packets may leave by ``ports``, of which those in ``leading`` are to be used."""
        self._wanted[ports, leading] += 1
        return ports, leading

    def names(self) -> dict[_Want, str]:
        """Names: what most of those with the same ports want has the name that it always had."""
        usual: dict[tuple[int, ...], tuple[int, ...]] = {}
        for (ports, leading), _ in self._wanted.most_common():
            usual.setdefault(ports, leading)
        out = {}
        for ports, leading in self._wanted:
            name = f"{self._switch.name} {_words(ports)}"
            if leading != usual[ports]:
                name += f" by {_words(leading)}"
            out[ports, leading] = name
        return out


def _words(ports: tuple[int, ...]) -> str:
    return ",".join(map(str, ports))
