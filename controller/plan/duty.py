"""Put together what one switch has to know: numbers, next hops, pins. Names in, numbers out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from controller.plan.ids import Numbers, Space
from controller.plan.pins import Pin, PinBook
from controller.plan.pool import Health as Verdict
from controller.plan.pool import PoolState, fates
from controller.plan.segments import responds
from controller.spec.switch import (
    BackendSpec,
    Duty,
    GuardSpec,
    HeldPin,
    ListenerSpec,
    PinRole,
    PinSpec,
    PoolSpec,
    Uplink,
    VipSpec,
)
from controller.spec.types import (
    Address,
    Affinity,
    Backend,
    Intent,
    Listener,
    Mode,
    Network,
    Role,
    Site,
    Switch,
    Vip,
)


@dataclass
class World:
    """All that planning needs to know besides the switch."""

    intent: Intent
    numbers: Numbers
    pools: Mapping[str, PoolState]
    """By ``PoolState.key``."""
    health: Mapping[str, Mapping[str, Verdict]]
    """Pool -> backend -> verdict."""
    pins: PinBook
    admitted: frozenset[str]
    """lb switches that edges may use."""
    owners: Mapping[str, str]
    """VIP -> site that owns it now."""
    now: float
    absent: frozenset[str] = frozenset()
    """Switches that are gone or not yet what they should be: P4 switches send nothing there."""
    dead_links: frozenset[tuple[str, int]] = frozenset()
    """Ports (switch, number) between P4 switches behind which hellos get lost."""


def listener_number(world: World, listener: Listener) -> int:
    """Number of a listener."""
    return world.numbers.of(Space.LISTENER, listener.name, world.now)


def pool_key(listener: Listener) -> str:
    """Key of the state that serves a listener."""
    return f"{listener.pool}/{listener.protocol}"


def generation(now: float, period: float) -> int:
    """How often the period has passed since the epoch."""
    return int(now // period)


def memory_timeout(intent: Intent, vip: Vip) -> float:
    """The longest memory that a pool behind the VIP asks for."""
    return max((intent.pool(item.pool).memory_timeout for item in vip.listeners), default=900.0)


def vips_of(world: World, switch: Switch) -> list[Vip]:
    """VIPs that a switch of this site serves."""
    return [vip for vip in world.intent.vips if switch.site in vip.owners]


def duty(world: World, switch: Switch) -> Duty:
    """What ``switch`` has to know now."""
    made, idle = duty_without_pins(world, switch), idle_times(world, switch)
    pins = (entry for entry in world.pins.pins.values() if entry.key.listener in idle)
    return replace(made, pins=tuple(held_pin(entry, switch, idle[entry.key.listener]) for entry in pins))


def idle_times(world: World, switch: Switch) -> dict[int, int]:
    """Seconds without a packet after which a pin ends, by the number of each listener whose pins the switch holds."""
    if Role.LB not in switch.roles:
        return {}
    return {
        listener_number(world, item): int(world.intent.pool(item.pool).memory_timeout)
        for vip in vips_of(world, switch)
        for item in vip.listeners
    }


def held_pin(entry: Pin, switch: Switch, idle: int) -> HeldPin:
    """A pin as ``switch`` holds it."""
    key = entry.key
    spec = PinSpec(entry.id, key.listener, entry.protocol, key.source, key.port, entry.backend)
    return HeldPin(spec, PinRole.REPORTER if entry.reporter == switch.name else PinRole.SIBLING, idle)


def duty_without_pins(world: World, switch: Switch) -> Duty:
    """What ``switch`` has to know besides pins, which are many and change one by one."""
    site = world.intent.site(switch.site)
    vips = {vip.name: _vip(world, switch, vip) for vip in vips_of(world, switch)}
    listeners = [item for vip in vips_of(world, switch) for item in vip.listeners]
    specs = [_listener(world, switch, vips[item.vip], item) for item in listeners]
    pools = {}
    for key in dict.fromkeys(pool_key(item) for item in listeners):
        spec = _pool(world, switch, site, world.pools[key])
        pools[spec.id] = spec
    return Duty(
        switch,
        tuple(vips.values()),
        tuple(specs),
        pools,
        uplinks=_uplinks(world, switch),
        bypass=site.bypass,
        responder=responds(world.intent, switch, world.absent),
    )


def _vip(world: World, switch: Switch, vip: Vip) -> VipSpec:
    mine = world.owners.get(vip.name) == switch.site
    number = world.numbers.of(Space.VIP, vip.name, world.now)
    turn = generation(world.now, memory_timeout(world.intent, vip))
    return VipSpec(number, vip.address, vip.mac, int(vip.authority) if mine else 0, turn)


def _listener(world: World, switch: Switch, vip: VipSpec, item: Listener) -> ListenerSpec:
    guards = []
    if item.guard.rate is not None:
        guards.append(GuardSpec(_meter(world, meter_name(item)), item.guard.rate))
    for row in item.guard.prefixes:
        guards.append(GuardSpec(_meter(world, meter_name(item, row.prefix)), row.rate, row.prefix))
    return ListenerSpec(
        listener_number(world, item),
        vip,
        item.protocol,
        item.port,
        item.backend_port,
        pool_number(world, pool_key(item)),
        item.mode,
        item.affinity is Affinity.SOURCE,
        tuple(guards),
        local_address(world, switch, item, vip.address.version) if item.mode is Mode.FULLNAT else None,
    )


def pool_number(world: World, key: str) -> int:
    """Number of a pool's state."""
    return world.numbers.of(Space.POOL, key, world.now)


def meter_name(item: Listener, prefix: Network | None = None) -> str:
    """Name of a guard's meter."""
    return f"{item.name} {prefix or 'all'}"


def meter_names(intent: Intent) -> list[str]:
    """Names of all guards' meters."""
    items = intent.listeners()
    everybody = [meter_name(item) for item in items if item.guard.rate is not None]
    return everybody + [meter_name(item, row.prefix) for item in items for row in item.guard.prefixes]


def _meter(world: World, name: str) -> int:
    return world.numbers.of(Space.METER, name, world.now)


def local_address(world: World, switch: Switch, item: Listener, version: int) -> Address | None:
    """What servers of a fullnat listener see as source from this switch; None if its range is too small."""
    space = Space.LOCAL4 if version == 4 else Space.LOCAL6
    index = world.numbers.of(space, item.name, world.now) - 1
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


def _pool(world: World, switch: Switch, site: Site, state: PoolState) -> PoolSpec:
    pool = world.intent.pool(state.name)
    fate = fates(state, pool, world.health.get(state.name, {}), world.now)
    number = pool_number(world, state.key)
    ports: dict[str, list[int]] = {}
    for port in switch.ports:
        ports.setdefault(port.to, []).append(port.number)
    specs = []
    for member in state.members:
        real = member.backend
        specs.append(
            BackendSpec(
                member.id,
                number,
                real.addresses,
                _frame_to(switch, site, real),
                tuple(n for to in dict.fromkeys((real.at, real.name)) if to for n in ports.get(to, ())),
                fate[member.id],
            )
        )
    return PoolSpec(number, len(state.now), tuple(specs), state.table())


def _frame_to(switch: Switch, site: Site, real: Backend) -> str | None:
    near = not site.subnets or any(
        address in prefix
        for subnet in site.subnets
        for prefix in subnet.prefixes
        for address in real.addresses
        if address.version == prefix.version
    )
    return real.mac if near and real.mac else switch.gateway_mac


def _uplinks(world: World, switch: Switch) -> tuple[Uplink, ...]:
    lbs = {s.name for s in world.intent.switches if Role.LB in s.roles}
    ports = sorted((p for p in switch.ports if p.to in lbs), key=lambda p: p.number)
    return tuple(Uplink(p.number, p.to in world.admitted) for p in ports)
