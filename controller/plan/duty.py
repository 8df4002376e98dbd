"""Put together what one switch has to know: numbers, next hops, pins. Names in, numbers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from controller.hashes import Slotting
from controller.plan.demand import meter_name
from controller.plan.ecmp import ecmp
from controller.plan.ids import IdAllocator, Space
from controller.plan.paths import Paths
from controller.plan.pins import Pin, PinBook
from controller.plan.pool import PoolState
from controller.plan.segments import responds
from controller.plan.tables import Tables, entry_lives, remembered, served, shared_key
from controller.plan.turns import pin_lasts
from controller.spec.spread import Spread
from controller.spec.switch import (
    NO_ECMP,
    BackendSpec,
    Ecmp,
    Fate,
    GuardSpec,
    HeldPin,
    ListenerSpec,
    PinRole,
    PinSpec,
    PoolSpec,
    SwitchSpec,
    Uplink,
    VipSpec,
)
from controller.spec.types import (
    Access,
    Address,
    Affinity,
    Backend,
    Intent,
    Listener,
    Mode,
    Network,
    Protocol,
    Role,
    Site,
    Switch,
    Vip,
)


@dataclass(frozen=True, eq=False)
class PlanInput:
    """All that planning needs to know besides the switch. Frozen but for the pins, which live on switches."""

    intent: Intent
    """As switches carry it out: with the listeners that drain."""
    ids: IdAllocator
    pools: Mapping[str, PoolState]
    """By state key."""
    pins: PinBook
    admitted: frozenset[str]
    """lb switches that edges may use."""
    owners: Mapping[str, str]
    """VIP -> site that owns it now."""
    absent: frozenset[str] = frozenset()
    """Switches that are gone or not yet what they should be: P4 switches send nothing there."""
    dead_links: frozenset[tuple[str, int]] = frozenset()
    """Ports (switch, number) between P4 switches behind which hellos get lost."""
    bound: Mapping[str, str] = field(default_factory=dict)
    """Listener name -> state key; one that is not there has the state that its pool's listeners share."""
    generations: Mapping[str, int] = field(default_factory=dict)
    """VIP name -> number of its memory's generation."""
    memory: Mapping[str, float] = field(default_factory=dict)
    """State key -> seconds for which silent connections are remembered."""
    entry_lives: Mapping[str, float] = field(default_factory=dict)
    """VIP name -> seconds that Open vSwitch keeps an entry of a generation of its memory."""
    revision: int = 0
    """Of the commit; every event and write that follows from it carries it as change id."""

    def state_key(self, listener: Listener) -> str:
        """Key of the state that serves a listener."""
        return self.bound.get(listener.name) or shared_key(listener)

    def state_of(self, listener: Listener) -> PoolState:
        """The state that serves a listener."""
        return self.pools[self.state_key(listener)]


def world_of(
    intent: Intent,
    tables: Tables,
    pins: PinBook,
    admitted: frozenset[str],
    owners: Mapping[str, str],
    absent: frozenset[str] = frozenset(),
    dead_links: frozenset[tuple[str, int]] = frozenset(),
    revision: int = 0,
) -> PlanInput:
    """What planning needs, from the tables."""
    return PlanInput(
        served(intent, tables),
        tables.ids,
        tables.pools,
        pins,
        admitted,
        owners,
        absent,
        dead_links,
        tables.bound,
        {name: turn.number for name, turn in tables.turns.items()},
        remembered(intent, tables),
        entry_lives(intent, tables),
        revision,
    )


class PinRule(NamedTuple):
    """How a switch holds the pins of a listener."""

    idle: int
    """Seconds without a packet after which one ends."""
    slotting: Slotting | None = None
    """How the slot is found that its entries name; None: they name none."""


_KEPT = (Fate.NORMAL, Fate.DRAIN)


def kept_backends(world: PlanInput) -> dict[int, frozenset[int]]:
    """By the number of each listener: backends that keep its connections. Pins of others end."""
    return {
        listener_number(world, item): frozenset(
            number for number, fate in world.state_of(item).fates.items() if fate in _KEPT
        )
        for item in world.intent.listeners()
    }


def listener_number(world: PlanInput, listener: Listener) -> int:
    """Number of a listener."""
    return world.ids.id(Space.LISTENER, listener.name)


def vips_of(world: PlanInput, switch: Switch) -> list[Vip]:
    """VIPs that a switch of this site serves."""
    return [vip for vip in world.intent.vips if switch.site in vip.owners]


def duty(world: PlanInput, switch: Switch) -> SwitchSpec:
    """What ``switch`` has to know now."""
    made, rules = switch_spec_without_pins(world, switch), pin_rules(world, switch)
    pins = (entry for entry in world.pins.pins.values() if entry.key.listener in rules)
    return replace(made, pins=tuple(held_pin(entry, switch, rules[entry.key.listener]) for entry in pins))


def pin_rules(world: PlanInput, switch: Switch) -> dict[int, PinRule]:
    """By the number of each listener whose pins the switch holds."""
    if Role.LB not in switch.roles:
        return {}
    return {
        listener_number(world, item): PinRule(
            int(pin_lasts(world.memory[world.state_key(item)], switch.of_kind.ends_pins)),
            slotting(world, switch, item) if spread_of(world, switch, item) is not Spread.OWN else None,
        )
        for vip in vips_of(world, switch)
        for item in vip.listeners
    }


def memory_times(world: PlanInput) -> dict[int, float]:
    """Seconds without a packet after which a pin ends on any kind of switch, by the number of each listener."""
    return {
        listener_number(world, item): pin_lasts(world.memory[world.state_key(item)], alone=True)
        for item in world.intent.listeners()
    }


def held_pin(entry: Pin, switch: Switch, rule: PinRule) -> HeldPin:
    """A pin as ``switch`` holds it."""
    key = entry.key
    slot = None if rule.slotting is None else rule.slotting.slot(key.source, key.port)
    spec = PinSpec(entry.id, key.listener, entry.protocol, key.source, key.port, entry.backend, slot)
    return HeldPin(spec, PinRole.REPORTER if entry.reporter == switch.name else PinRole.SIBLING, rule.idle)


def switch_spec_without_pins(world: PlanInput, switch: Switch) -> SwitchSpec:
    """What ``switch`` has to know besides pins, which are many and change one by one."""
    vips = vip_specs(world, switch)
    specs, keys = listener_specs(world, switch, vips)
    pools = [pool_spec(world, switch, key) for key in keys]
    return SwitchSpec(
        switch,
        tuple(vips.values()),
        tuple(specs),
        {pool.id: pool for pool in pools},
        uplinks=uplinks_of(world, switch),
        ecmp=ecmp_of(world, switch),
        bypass=bypass_of(world, switch),
        responder=responds_here(world, switch),
    )


def vip_specs(world: PlanInput, switch: Switch) -> dict[str, VipSpec]:
    """The VIPs that a switch serves, by name."""
    return {vip.name: _vip(world, switch, vip) for vip in vips_of(world, switch)}


def listener_specs(
    world: PlanInput, switch: Switch, vips: Mapping[str, VipSpec]
) -> tuple[list[ListenerSpec], list[str]]:
    """The listeners of these VIPs, and the keys of the states that serve them.

    Without those of which it is not known how they are spread: it is when the first lb switch has been asked.
    """
    served = [(vip, item) for vip in vips_of(world, switch) for item in vip.listeners if _known(world, item)]
    specs = [_listener(world, switch, vips[item.vip], item, vip.access_of(item)) for vip, item in served]
    return specs, list(dict.fromkeys(world.state_key(item) for _, item in served))


def _known(world: PlanInput, item: Listener) -> bool:
    return world.state_of(item).spread is not None


def bypass_of(world: PlanInput, switch: Switch) -> tuple[Network, ...]:
    """Hosts whose packets no switch of the site rewrites."""
    return world.intent.site(switch.site).bypass


def responds_here(world: PlanInput, switch: Switch) -> bool:
    """Whether the switch answers for its VIPs."""
    return responds(world.intent, switch, world.absent)


def _vip(world: PlanInput, switch: Switch, vip: Vip) -> VipSpec:
    # Where agents own VIPs, the flows that answer are theirs.
    mine = world.owners.get(vip.name) == switch.site and not world.intent.by_agents
    number = world.ids.id(Space.VIP, vip.name)
    turn = world.generations.get(vip.name, 0)
    return VipSpec(number, vip.address, vip.mac, int(vip.authority) if mine else 0, turn)


def _listener(world: PlanInput, switch: Switch, vip: VipSpec, item: Listener, access: Access) -> ListenerSpec:
    guards = []
    if item.guard.rate is not None:
        guards.append(GuardSpec(_meter(world, meter_name(item)), item.guard.rate))
    guards += [
        GuardSpec(_meter(world, meter_name(item, row.prefix)), row.rate, row.prefix)
        for row in item.guard.prefixes
    ]
    spread = spread_of(world, switch, item)
    return ListenerSpec(
        listener_number(world, item),
        vip,
        item.protocol,
        item.port,
        item.backend_port,
        pool_number(world, world.state_key(item)),
        item.mode,
        item.affinity is Affinity.SOURCE,
        tuple(guards),
        not tracks(world, switch, item),
        local_address(world, switch, item, vip.address.version) if item.mode is Mode.FULLNAT else None,
        spread,
        0 if spread is Spread.OWN else len(world.state_of(item).now),
        access,
    )


def tracks(world: PlanInput, switch: Switch, item: Listener) -> bool:
    """Whether a switch remembers a listener's connections of tracked slots alone.

    Datagrams do not tell what is new, affinity lasts longer than a connection, a fullnat connection has a port of the
    switch, and of a pool with one writer every connection has to be known: it is reset when another one serves.
    """
    by_slot = item.affinity is not Affinity.SOURCE and item.mode is not Mode.FULLNAT
    return by_slot and _tracks_slots(world, switch, item.protocol, item.pool)


def _tracks_slots(world: PlanInput, switch: Switch, protocol: Protocol, pool: str) -> bool:
    return switch.of_kind.tracks and protocol is Protocol.TCP and world.intent.pool(pool).failover is None


def spread_of(world: PlanInput, switch: Switch, item: Listener) -> Spread:
    """From what a switch takes the slots of a listener's connections; while that is not known, nothing is written."""
    return world.state_of(item).spread or Spread.OWN if tracks(world, switch, item) else Spread.OWN


def slotting(world: PlanInput, switch: Switch, item: Listener) -> Slotting:
    """How a switch finds the slots of a listener's connections."""
    address = next(vip.address for vip in world.intent.vips if vip.name == item.vip)
    slots, spread = len(world.state_of(item).now), spread_of(world, switch, item)
    return Slotting(spread, slots, switch.hash_name, address, item.port, item.protocol)


def pool_number(world: PlanInput, key: str) -> int:
    """Number of a pool's state."""
    return world.ids.id(Space.POOL, key)


def pool_slots(world: PlanInput) -> dict[int, int]:
    """Number of slots by pool number."""
    return {pool_number(world, key): len(state.now) for key, state in world.pools.items()}


def _meter(world: PlanInput, name: str) -> int:
    return world.ids.id(Space.METER, name)


def local_address(world: PlanInput, switch: Switch, item: Listener, version: int) -> Address | None:
    """What servers of a fullnat listener see as source from this switch; None if its range is too small."""
    space = Space.LOCAL4 if version == 4 else Space.LOCAL6
    index = world.ids.id(space, item.name) - 1
    for network in (n for n in switch.local if n.version == version):
        address = _nth(network, index)
        if address is not None:
            return address
        index -= _usable(network)
    return None


def _usable(network: Network) -> int:
    """How many addresses ``hosts`` yields."""
    reserved = 2 if network.version == 4 else 1
    return network.num_addresses - (reserved if network.prefixlen < network.max_prefixlen - 1 else 0)


def _nth(network: Network, index: int) -> Address | None:
    hosts: Iterator[Address] = iter(network.hosts())
    return next(islice(hosts, index, None), None)


def pool_spec(world: PlanInput, switch: Switch, key: str) -> PoolSpec:
    """A pool as a switch reaches it."""
    state, site = world.pools[key], world.intent.site(switch.site)
    number = pool_number(world, key)
    specs = []
    for member in state.members:
        real = member.backend
        specs.append(
            BackendSpec(
                member.id,
                number,
                real.addresses,
                _frame_to(switch, site, real),
                ports_to(switch, real),
                state.fates[member.id],
            )
        )
    if _tracks_slots(world, switch, state.protocol, state.name):
        period, spread = state.tracking.period, state.spread or Spread.OWN
        return PoolSpec(number, len(state.now), tuple(specs), state.tracked_table, period, spread)
    return PoolSpec(number, len(state.now), tuple(specs), state.table)


def ports_to(switch: Switch, real: Backend) -> tuple[int, ...]:
    """Ports of a switch that lead to a backend: to the switch where it is, then to itself."""
    return ports_towards(switch, real.at, real.name)


def ports_towards(switch: Switch, *names: str | None) -> tuple[int, ...]:
    """Ports of a switch that lead to the first of these, then to the others; None: to nothing."""
    towards = [to for to in dict.fromkeys(names) if to]
    return tuple(number for to in towards for number in switch.leading_to(to))


def _frame_to(switch: Switch, site: Site, real: Backend) -> str | None:
    near = not site.subnets or any(
        address in prefix
        for subnet in site.subnets
        for prefix in subnet.prefixes
        for address in real.addresses
        if address.version == prefix.version
    )
    return real.mac if near and real.mac else switch.gateway_mac


def uplinks_of(world: PlanInput, switch: Switch) -> tuple[Uplink, ...]:
    """The lb switches behind an edge's ports; those that do not reach all servers count as not admitted."""
    lbs = {s.name for s in world.intent.switches if Role.LB in s.roles}
    ports = sorted((p for p in switch.ports if p.to in lbs), key=lambda p: p.number)
    admitted = tuple(p.number for p in ports if p.to in world.admitted)
    used = Paths(world).uplinks(switch, admitted) if world.dead_links else admitted
    return tuple(Uplink(p.number, p.number in used) for p in ports)


def ecmp_of(world: PlanInput, switch: Switch) -> Ecmp:
    """How an edge spreads packets: by the ids of lb switches, which names and ports at other edges do not change."""
    if Role.EDGE not in switch.roles or Role.LB in switch.roles:
        return NO_ECMP
    ids = {s.name: s.id for s in world.intent.switches if Role.LB in s.roles}
    made, cables = [], Counter[str]()
    for port in sorted((p for p in switch.ports if p.to in ids), key=lambda p: p.number):
        made.append((port.number, f"{ids[port.to]:x}/{cables[port.to]}"))
        cables[port.to] += 1
    return ecmp(tuple(made))
