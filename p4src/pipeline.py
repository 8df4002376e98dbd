"""The whole pipeline of one P4 switch: its duty as table entries.

A table's entries are made by the function of its name; ``shared/ids.p4`` and the tables' own files say what is legal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b

from controller.spec.switch import BackendSpec, Fate, HeldPin, ListenerSpec, PinRole, SwitchSpec
from controller.spec.types import Address, Mode, Network, Protocol, Role
from p4src.numbers import address, change, mac, prefix, ticks
from p4src.spec import BUCKETS, UPLINKS, Group, P4Needs
from p4src.target import BLOCK, Configuration, EntryBody, EntryKey, P4Target, Rate

Entry = tuple[EntryKey, EntryBody]

EMBRYO, CLOSING, CLOSED = 20.0, 120.0, 5.0
"""Seconds that a cell lasts: after a first packet; after a FIN (fullnat: longer than TIME_WAIT); after an RST."""
TUNNEL_MTU = {4: 1480, 6: 1460}
"""Largest IP packet that fits a 1,500-byte frame behind an outer header of the version."""
LIMITS = {
    1: 2000,
    2: 5000,
    3: 1000,
    4: 1000,
    5: 200,
    6: 100,
    7: 100,
    8: 100,
    9: 2000,
    10: 500,
    11: 2000,
    12: 50,
    15: 50_000,
}
"""Reports (and promotions) a second, by REASON_*.

Those of young connections are limited apart: where a busy slot moves, their many packets must not keep exceptions from
being heard, which are in danger for longer.
"""
_FIRST_LOCAL = 4
"""Place in a local prefix of the fullnat address of way 0; the three after it are those of the other ways."""
_TUNNEL_LOCAL = 1
OPENED, ENDED = 0, 1
"""In the key of ``session``."""
_FATES = {Fate.NORMAL: "normal", Fate.DRAIN: "drain", Fate.MOVE: "move", Fate.RESET: "reset"}


def target(duty: SwitchSpec, needs: P4Needs) -> P4Target:
    """What the switch should hold."""
    switch = duty.switch
    entries: dict[EntryKey, EntryBody] = {}
    for group in needs.groups:
        entries.update(nexthop(group))
    entries.update(neighbours(needs))
    entries.update(routes(duty, needs))
    entries.update(answers(duty))
    configuration = Configuration(
        mac(switch.mac),
        needs.secret.key,
        needs.secret.key_ports,
        needs.cells_mask,
        ticks(EMBRYO),
        ticks(CLOSING),
        ticks(CLOSED),
    )
    limits = {index: Rate(rate, rate) for index, rate in LIMITS.items()}
    groups = multicast(needs.floods)
    entries.update(segments(needs.floods, groups))
    slots = {}
    if Role.LB in switch.roles:
        entries.update(_lb(duty, needs))
        slots = {number: pool.table for number, pool in duty.pools.items()}
    elif Role.EDGE in switch.roles:
        entries.update(_edge(duty))
    return P4Target(entries, configuration, limits, slots, groups)


def of_pools(duty: SwitchSpec, needs: P4Needs) -> dict[EntryKey, EntryBody]:
    """What is made of pools and of the listeners that they serve: all that another pool may change."""
    entries = dict(answers(duty))
    if Role.LB in duty.switch.roles:
        entries.update(_serving(duty, needs))
    return entries


def _lb(duty: SwitchSpec, needs: P4Needs) -> Iterator[Entry]:
    yield from claims(duty, 0)
    yield from local_addresses(duty)
    for item in duty.listeners:
        yield from access(item)
    yield from _serving(duty, needs)
    yield from pins(duty)


def _serving(duty: SwitchSpec, needs: P4Needs) -> Iterator[Entry]:
    owners = _owners(duty)
    for item in duty.listeners:
        yield listener(item, owners[item.id], duty, needs)
        yield from guards(item)
        for real in duty.pools[item.pool].backends:
            yield from backend(duty, needs, item, real)
    for pool in duty.pools.values():
        for real in pool.backends:
            yield EntryKey("fate", (pool.id, real.id)), EntryBody(_FATES[real.fate])
    yield from pins(duty)


def _edge(duty: SwitchSpec) -> Iterator[Entry]:
    yield from claims(duty, UPLINKS)
    for item in duty.listeners:
        if item.sticky:
            yield _listener_key(item), EntryBody("by_source")


def claims(duty: SwitchSpec, uplinks: int) -> Iterator[Entry]:
    """``vip``: what is for a virtual address, or asks about one."""
    for vip in duty.vips:
        params = (vip.id, mac(vip.mac), uplinks, int(duty.responder))
        yield EntryKey("vip", (address(vip.address),)), EntryBody("claim", params)


def local_addresses(duty: SwitchSpec) -> Iterator[Entry]:
    """``local_address``, and ``vip`` for ARP: the switch's own addresses of fullnat."""
    own = mac(duty.switch.mac)
    for version in sorted({item.vip.address.version for item in duty.listeners if item.mode is Mode.FULLNAT}):
        first = _local(duty, version, _FIRST_LOCAL)
        for way in range(4 if first is not None else 0):
            value = _local(duty, version, _FIRST_LOCAL + way)
            assert value is not None
            yield EntryKey("local_address", (address(value),)), EntryBody("here", (way,))
            yield EntryKey("vip", (address(value),)), EntryBody("own", (own,))


def listener(item: ListenerSpec, owner: int, duty: SwitchSpec, needs: P4Needs) -> Entry:
    """``listener``: which pool serves, and how it is remembered."""
    mask = duty.pools[item.pool].slots - 1
    fullnat = item.mode is Mode.FULLNAT
    keep, old_after = ticks(needs.keep[item.pool]), ticks(needs.transition[item.pool])
    # A cell of a fullnat connection is the port that its server knows.
    remembers = item.remembers or fullnat
    known = (item.id, owner, item.pool, mask, int(item.sticky), int(fullnat))
    return _listener_key(item), EntryBody("serve", (*known, keep, int(remembers), old_after))


def _listener_key(item: ListenerSpec) -> EntryKey:
    return EntryKey("listener", (address(item.vip.address), item.protocol.number, item.port))


def _owners(duty: SwitchSpec) -> dict[int, int]:
    """By which number memory knows each listener: those of one VIP, pool and affinity ``source`` share the lowest."""
    shared: dict[tuple[int, str, int], int] = {}
    for item in duty.listeners:
        if item.sticky and item.mode is not Mode.FULLNAT:
            place = (item.vip.id, item.protocol, item.pool)
            shared[place] = min(item.id, shared.get(place, item.id))
    return {
        item.id: shared.get((item.vip.id, item.protocol, item.pool), item.id) if item.sticky else item.id
        for item in duty.listeners
    }


def access(item: ListenerSpec) -> Iterator[Entry]:
    """``access``: sources that a listener serves, and those that it does not."""
    for network, allows in item.access.rules:
        yield EntryKey("access", (item.id, prefix(network))), EntryBody("allow" if allows else BLOCK)


def guards(item: ListenerSpec) -> Iterator[Entry]:
    """``guard_source`` and ``guard_listener``: rates of new connections; ``guard_over`` counts what exceeds them."""
    for guard in item.guards:
        body, params = Rate(guard.rate, guard.rate), (guard.number,)
        if guard.prefix is None:
            yield EntryKey("guard_listener", (item.id,)), EntryBody("limit_listener", params, meter=body)
        else:
            key = EntryKey("guard_source", (item.id, prefix(guard.prefix)))
            yield key, EntryBody("limit_source", params, meter=body)
        yield EntryKey("guard_over", (guard.number,)), EntryBody("over")


def backend(duty: SwitchSpec, needs: P4Needs, item: ListenerSpec, real: BackendSpec) -> Iterator[Entry]:
    """``backend`` (fullnat: and ``answer_local``): how a listener's packets reach a backend; none if they cannot.

    With ``session``, which counts the TCP connections.
    """
    made = dict(_way(duty, needs, item, real))
    yield from made.items()
    if item.protocol is Protocol.TCP and EntryKey("backend", (item.id, real.id)) in made:
        for ends in (OPENED, ENDED):
            yield EntryKey("session", (item.id, real.id, ends)), EntryBody("count")


def _way(duty: SwitchSpec, needs: P4Needs, item: ListenerSpec, real: BackendSpec) -> Iterator[Entry]:
    key = EntryKey("backend", (item.id, real.id))
    way = (mac(real.mac), needs.ways.get(real.ports, 0))
    if item.mode is Mode.DR:
        yield key, EntryBody("dr", way)
    elif item.mode is Mode.TUN:
        yield from _tunnel(duty, key, way, real)
    else:
        yield from _translate(duty, key, way, item, real)


def _tunnel(duty: SwitchSpec, key: EntryKey, way: tuple[int, int], real: BackendSpec) -> Iterator[Entry]:
    for version in (4, 6):
        to, source = real.address(version), _local(duty, version, _TUNNEL_LOCAL)
        if to is not None and source is not None:
            yield key, EntryBody(f"tun{version}", (*way, int(source), int(to), TUNNEL_MTU[version]))
            return


def _translate(
    duty: SwitchSpec, key: EntryKey, way: tuple[int, int], item: ListenerSpec, real: BackendSpec
) -> Iterator[Entry]:
    vip = item.vip.address
    to = real.address(vip.version)
    if to is None:
        return
    params = (*way, int(to), item.backend_port, change(vip, to))
    if item.mode is Mode.NAT:
        yield key, EntryBody(f"nat{vip.version}", params)
        return
    first = _local(duty, vip.version, _FIRST_LOCAL)
    if first is None:
        return
    yield key, EntryBody(f"fullnat{vip.version}", (*params, int(first)))
    back = EntryKey("answer_local", (item.id, real.id, address(to), item.backend_port))
    yield back, EntryBody(f"undo_fullnat{vip.version}", (int(vip), item.port, change(to, vip)))


def _local(duty: SwitchSpec, version: int, place: int) -> Address | None:
    """The switch's own address at a place in its first local prefix of an IP version."""
    networks: list[Network] = [n for n in duty.switch.local if n.version == version]
    return networks[0][place] if networks else None


def pins(duty: SwitchSpec) -> Iterator[Entry]:
    """``pin``: single connections, but for fullnat, which only the switch that has the port can serve."""
    fullnat = {item.id for item in duty.listeners if item.mode is Mode.FULLNAT}
    for held in duty.pins:
        if held.spec.listener not in fullnat:
            yield pin(held)


def pin(held: HeldPin) -> Entry:
    """One of ``pin``."""
    spec = held.spec
    key = pin_key(spec.listener, spec.source, spec.port)
    if held.role is PinRole.REPORTER:
        return key, EntryBody("pinned", (spec.backend,), held.idle)
    return key, EntryBody("seen", (spec.backend,))


def pin_key(listener: int, source: Address, port: int) -> EntryKey:
    """Key of one of ``pin``."""
    return EntryKey("pin", (listener, address(source), port))


def answers(duty: SwitchSpec) -> Iterator[Entry]:
    """``answer`` and ``bypass``: nat undone wherever the answer passes."""
    for network in duty.bypass:
        yield EntryKey("bypass", (prefix(network),)), EntryBody("direct")
    for item in duty.listeners:
        vip = item.vip.address
        if item.mode is not Mode.NAT:
            continue
        for real in duty.pools[item.pool].backends:
            server = real.address(vip.version)
            if server is not None:
                key = EntryKey("answer", (address(server), item.backend_port, item.protocol.number))
                yield key, EntryBody(f"undo_nat{vip.version}", (int(vip), item.port, change(server, vip)))


def routes(duty: SwitchSpec, needs: P4Needs) -> Iterator[Entry]:
    """``address`` and ``frame``: everything that is not balanced."""
    gateway = mac(duty.switch.gateway_mac)
    for route in needs.routes:
        key = EntryKey("address", (prefix(route.to),))
        if route.mac is None:
            yield key, EntryBody("via", (route.group,))
            continue
        yield key, EntryBody("deliver", (route.group, mac(route.mac), gateway))
        yield EntryKey("frame", (mac(route.mac),)), EntryBody("to", (route.group,))
    for server, group in needs.frames:
        yield EntryKey("frame", (mac(server),)), EntryBody("to", (group,))


def neighbours(needs: P4Needs) -> Iterator[Entry]:
    """``neighbour``: ports whose hellos the controller wants to have."""
    for port in needs.neighbours:
        yield EntryKey("neighbour", (port,)), EntryBody("hear")


def multicast(floods: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Multicast groups; each is numbered after the lowest port that floods to it, so that it keeps its number."""
    first: dict[tuple[int, ...], int] = {}
    for port in sorted(floods):
        first.setdefault(floods[port], port + 1)
    return {number: ports for ports, number in first.items()}


def segments(floods: Mapping[int, tuple[int, ...]], groups: Mapping[int, tuple[int, ...]]) -> Iterator[Entry]:
    """``segment``: to which group a port floods."""
    numbers = {ports: number for number, ports in groups.items()}
    for port, ports in floods.items():
        yield EntryKey("segment", (port,)), EntryBody("floods", (numbers[ports],))


@lru_cache(maxsize=4096)
def nexthop(group: Group) -> tuple[Entry, ...]:
    """``nexthop``: every bucket of a group to the living port that scores highest there (rendezvous)."""
    return tuple(
        (EntryKey("nexthop", (group.id, bucket)), EntryBody("send", (port,)))
        for bucket, port in enumerate(_spread(group.ports))
    )


@lru_cache(maxsize=4096)
def _spread(ports: tuple[int, ...]) -> tuple[int, ...]:
    if not ports:
        return ()
    return tuple(max(ports, key=lambda port: _score(port, bucket)) for bucket in range(BUCKETS))


@lru_cache(maxsize=1 << 18)
def _score(port: int, bucket: int) -> bytes:
    return blake2b(port.to_bytes(2, "big") + bucket.to_bytes(2, "big"), digest_size=8).digest()
