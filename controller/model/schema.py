"""The schema of an intent file: which keys there are, of which type, and what they default to.

One function per kind of record, in the order of the file::

    sites:    name, subnets: [{name, prefixes}], bypass, agents: [{name, peers}]
    switches: name, site, kind, id, roles, mac, ports, local, tunnel_port, gateway_mac, ovsdb, openflow: {...},
              fence: [{port, interface}], p4runtime, routes: [{to, via, mac}]
    pools:    name, max_backends, health: {...}, agent: {...}, scheduler, adaptive: {...}, slow_start, on_down,
              drain_timeout, drain_then, memory_timeout, transition, panic_threshold, spill_below, backup, zones,
              split: [{name, weight, labels}], failover: {writer, failback}, spread, budget: {...}, labels,
              backends: [{name, address | addresses, mac, at, weight, group, drain, subset, zone, labels}]
    vips:     name, address, mac, owners, authority, labels, access: {allow, block},
              listeners: [{protocol, port, pool, mode, affinity, backend_port, accept_loss,
                           guard: {rate, prefixes}, access: {allow, block}}]
    zones:    (names.py)
    moves:    preempt, hold, unsynced_wait
    lease:    renew, authority, drift, margin
    budget:   max_slots_moved_per_minute, max_unavailable, max_tracked_share
    routes:   see ``routes.py``
    tiers:    see ``tier.py``
    allow_empty
    discovery: listen, tls: {cert, key, ca}, insecure, services: [...] (``discovery.py``)

``pools.py`` holds pools and health, ``serving.py`` what moves their weights. Every default is the one of the dataclass
in ``types.py``.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network

from controller.model import fields as f
from controller.model.backups import with_backups
from controller.model.discovery import read_discovery
from controller.model.labels import read_labels
from controller.model.names import read_zone
from controller.model.pools import MAX_TIMEOUT, NOWHERE, read_budget, read_pool
from controller.model.reader import Place, Record, each, things
from controller.model.routes import read_routes
from controller.model.tier import read_tier
from controller.model.units import Wrong
from controller.model.yaml_source import Mapping, Scalar
from controller.spec.access import OPEN
from controller.spec.agents import Agent, Lease
from controller.spec.kinds import KINDS
from controller.spec.moves import Moves
from controller.spec.types import (
    Access,
    Affinity,
    FenceEnd,
    Guard,
    Intent,
    Listener,
    Mode,
    OpenFlowPlacement,
    Port,
    PrefixRate,
    Protocol,
    Role,
    Route,
    Site,
    Subnet,
    Switch,
    Vip,
)
from flows.tables import MOST_METERS

MIN_AUTHORITY = 3.0
"""Shortest authority in seconds: flows time out in whole seconds, and one renewal may be lost."""
MAX_LEASE = 60.0
"""Longest of the times of a lease, seconds."""
_NO_LISTENERS: tuple[Listener, ...] = ()
_MAX_RATE = 2**32 - 1
_NO_PREFIXES = "write a list of prefixes: [10.0.0.0/24]"
NOWHERE_AT_ALL = IPv4Network("0.0.0.0/32")
_PORT = f.whole(1, 65535)
_SWITCH_PORT = f.whole(0, 65279)


def read_intent(place: Place) -> Intent | None:
    """The intent, its bad parts left out (their errors are in ``place.source``); None if nothing is left."""
    top = Record(place, "the file")
    sites = top.need("sites", things(read_site, "site", "[{name: east}]"), "sites: [{name: east}]")
    names = sorted(place.source.names.get("site", set()))
    switch = things(partial(read_switch, sites=names), "switch", "[{name: lb1, ...}]")
    switches = top.need("switches", switch, "switches: [{name: lb1, ...}]")
    budget = top.get("budget", read_budget, Intent.budget)
    pools = top.get(
        "pools", things(partial(read_pool, budget=budget), "pool", "[{name: web, backends: [...]}]"), ()
    )
    pools = with_backups(pools, place.source.copied)
    vip = things(partial(read_vip, sites=names), "vip", "[{name: shop, ...}]")
    vips = top.get("vips", vip, ())
    zones = top.get("zones", things(read_zone, "zone", "[{name: example.net, servers: [...]}]"), ())
    moves = top.get("moves", read_moves, Intent.moves)
    lease = top.get("lease", read_lease, Intent.lease)
    routes = top.get("routes", read_routes, Intent.routes)
    tiers = top.get("tiers", things(read_tier, "tier", "[{name: web, instances: [...], ...}]"), ())
    allow_empty = top.get("allow_empty", f.flag, Intent.allow_empty)
    discovery = top.get("discovery", read_discovery, None)
    if not top.close():
        return None
    return Intent(
        sites, switches, pools, vips, moves, lease, allow_empty, budget, zones, routes, tiers, discovery
    )


def read_moves(place: Place) -> Moves:
    """When VIPs move by themselves."""
    r = Record(place, "moves")
    preempt = r.get("preempt", f.flag, Moves.preempt)
    hold = r.get("hold", f.duration(0, MAX_TIMEOUT), Moves.hold)
    unsynced_wait = r.get("unsynced_wait", f.duration(0, MAX_TIMEOUT), Moves.unsynced_wait)
    r.close()
    return Moves(preempt, hold, unsynced_wait)


def read_lease(place: Place) -> Lease:
    """How long a site owns VIPs by one renewal."""
    r = Record(place, "lease")
    renew = r.get("renew", f.duration(0.02, MAX_LEASE), Lease.renew)
    authority = r.get("authority", f.duration(0.04, MAX_LEASE), Lease.authority)
    drift = r.get("drift", f.share, Lease.drift)
    margin = r.get("margin", f.duration(0.005, MAX_LEASE), Lease.margin)
    r.close()
    return r.built(Lease(renew, authority, drift, margin))


def read_site(place: Place) -> Site | None:
    """One entry of ``sites``."""
    r = Record(place, "site")
    name = r.name("site", f.name, "name: east")
    subnets = r.get("subnets", things(read_subnet, "subnet", "[{name: front, prefixes: [10.0.0.0/24]}]"), ())
    bypass = r.get("bypass", each(f.network, _NO_PREFIXES), ())
    agents = r.get("agents", things(read_agent, "agent", "[{name: east-a, peers: [192.0.2.1:7654]}]"), ())
    return r.built(Site(name, subnets, bypass, agents)) if r.close() else None


def read_agent(place: Place) -> Agent | None:
    """One entry of a site's ``agents``."""
    r = Record(place, "agent")
    name = r.name("agent", f.name, "name: east-a")
    peers = r.need("peers", each(f.endpoint, "write a list: [192.0.2.1:7654]"), "peers: [192.0.2.1:7654]")
    return r.built(Agent(name, peers)) if r.close() else None


def read_subnet(place: Place) -> Subnet | None:
    """One entry of a site's ``subnets``."""
    r = Record(place, "subnet")
    name = r.name("subnet", f.name, "name: front")
    prefixes = r.need("prefixes", each(f.network, _NO_PREFIXES), "prefixes: [10.0.0.0/24]")
    return r.built(Subnet(name, prefixes)) if r.close() else None


def read_switch(place: Place, sites: list[str]) -> Switch | None:
    """One entry of ``switches``; ``sites`` are the names to choose from."""
    r = Record(place, "switch")
    name = r.name("switch", f.name, "name: lb1")
    site = _site(r, sites)
    switch_id = r.need("id", f.switch_id, "id: 0x21", 0)
    kind = r.need("kind", f.word(*KINDS), "kind: ovs", "ovs")
    roles = r.need(
        "roles", each(f.choice(Role), "write a list: [lb]"), "roles: [edge], [lb], [leaf] or several"
    )
    mac = r.need("mac", f.mac, "mac: 02:45:56:01:00:21", "")
    ports = r.get("ports", _ports, ())
    local = r.get("local", each(f.host_network, _NO_PREFIXES), ())
    tunnel_port = r.get("tunnel_port", _SWITCH_PORT, None)
    gateway_mac = r.get("gateway_mac", f.mac, None)
    ovsdb = r.get("ovsdb", f.ovsdb, None)
    placement = r.get("openflow", read_placement, OpenFlowPlacement())
    fence = r.get("fence", things(read_fence_end, "fence", "[{port: 30, interface: fence0}]"), ())
    p4runtime = r.get("p4runtime", f.p4runtime, None)
    routes = r.get("routes", things(read_route, "route", "[{to: 10.0.0.0/24, via: [edge1]}]"), ())
    if not r.close():
        return None
    return r.built(
        Switch(
            name=name,
            kind=kind,
            id=switch_id,
            site=site,
            roles=frozenset(roles),
            mac=mac,
            ports=ports,
            local=local,
            tunnel_port=tunnel_port,
            gateway_mac=gateway_mac,
            ovsdb=ovsdb,
            placement=placement,
            fence=fence,
            p4runtime=p4runtime,
            routes=routes,
        )
    )


def read_fence_end(place: Place) -> FenceEnd | None:
    """One entry of a switch's ``fence``."""
    r = Record(place, "fence")
    port = r.need("port", _SWITCH_PORT, "port: 30", 0)
    interface = r.need("interface", f.interface, "interface: fence0", "")
    return r.built(FenceEnd(port, interface)) if r.close() else None


def read_route(place: Place) -> Route | None:
    """One entry of a switch's ``routes``."""
    r = Record(place, "route")
    to = r.need("to", f.host_network, "to: 10.0.0.0/24", NOWHERE_AT_ALL)
    via = r.need("via", each(f.name, "write a list of neighbours: [edge1]"), "via: [edge1]")
    mac = r.get("mac", f.mac, None)
    return r.built(Route(to, via, mac)) if r.close() else None


def _site(r: Record, sites: list[str]) -> str:
    if not r.has("site") and len(sites) > 1:
        r.lacks("site", f"choose one of: {', '.join(sites)}")
        r.get("site", f.name, "")
        return ""
    # Without any site that is the error, and said at ``sites``.
    return r.get("site", f.name, sites[0] if sites else "")


def _ports(place: Place) -> tuple[Port, ...]:
    """Mapping of port numbers to neighbours; their order means nothing."""
    right = "write numbers and neighbours: {1: edge1, 9: segment}"
    if not isinstance(place.node, Mapping):
        raise Wrong(f"is {place.node}", right)
    ports: dict[int, Port] = {}
    for key, value in place.node.entries:
        path = (*place.path, key.text)
        number = Place(place.source, key, path, "port number").convert(_SWITCH_PORT)
        to = Place(place.source, value, path, f"port {key.text}").convert(_neighbour)
        if number is None or to is None:
            continue
        if number[0] in ports:
            Place(place.source, key, path, f"port {key.text}").fail("is given twice", "keep one of the two")
            continue
        ports[number[0]] = Port(number[0], to[0])
        place.source.paths[id(ports[number[0]])] = path
    return tuple(ports[number] for number in sorted(ports))


def _neighbour(place: Place) -> str:
    if isinstance(place.node, Scalar) and place.node.value is None:
        raise Wrong("is empty", 'name a switch, a backend or "segment"')
    return f.name(place)


def read_placement(place: Place) -> OpenFlowPlacement:
    """The ``openflow`` key of a switch."""
    r = Record(place, "openflow")
    d = OpenFlowPlacement()
    table = f.whole(0, 253)
    placement = OpenFlowPlacement(
        entry_table=r.get("entry_table", table, d.entry_table),
        tables_from=r.get("tables_from", table, d.tables_from),
        next_table=r.get("next_table", table, d.next_table),
        priority=r.get("priority", f.whole(1, 65000), d.priority),
        cookie=r.get("cookie", f.whole(1, 0xFFFF), d.cookie),
        zones_from=r.get("zones_from", f.whole(1, 65535), d.zones_from),
        groups_from=r.get("groups_from", f.whole(0, 0xFFFFFF00 - 65536), d.groups_from),
        meters_from=r.get("meters_from", f.whole(1, 0xFFFF0000 - MOST_METERS), d.meters_from),
    )
    r.close()
    return r.built(placement)


def read_vip(place: Place, sites: list[str]) -> Vip | None:
    """One entry of ``vips``; ``sites`` are the names to choose from."""
    r = Record(place, "vip")
    name = r.name("vip", f.name, "name: shop")
    address = r.need("address", f.address, "address: 10.0.0.100", NOWHERE)
    mac = r.need("mac", f.virtual_mac, "mac: 02:45:56:00:01:01", "")
    owners: tuple[str, ...] = tuple(sites)
    if not r.has("owners") and len(sites) > 1:
        r.lacks("owners", f"list sites in order of preference: [{', '.join(sites)}]")
    owners = r.get("owners", each(f.name, "write a list of sites, the preferred one first"), owners)
    if r.has("owners") and not owners and (*place.path, "owners") not in place.source.bad:
        r.fail("owners", "owners is empty", "list at least one site, the preferred one first")
    authority = r.get("authority", f.duration(MIN_AUTHORITY, MAX_TIMEOUT), Vip.authority)
    labels = r.get("labels", read_labels, ())
    access = r.get("access", read_access, OPEN)
    listener = things(partial(read_listener, vip=name), "listener", "[{protocol: tcp, port: 80, ...}]")
    listeners = r.need(
        "listeners", listener, "listeners: [{protocol: tcp, port: 80, pool: web, mode: dr}]", _NO_LISTENERS
    )
    if not r.close():
        return None
    return r.built(Vip(name, address, mac, owners, listeners, authority, labels, access))


def read_listener(place: Place, vip: str) -> Listener | None:
    """One entry of a VIP's ``listeners``."""
    r = Record(place, "listener")
    protocol = r.need("protocol", f.choice(Protocol), "protocol: tcp or protocol: udp")
    port = r.need("port", _PORT, "port: 80")
    if r.complete:
        r.what = f"listener {vip}/{protocol}/{port}"
    pool = r.need("pool", f.name, "pool: and the name of one of pools", "")
    mode = r.need("mode", f.choice(Mode), "mode: dr, nat, fullnat or tun", Mode.DR)
    affinity = r.get("affinity", f.choice(Affinity), Affinity.CONNECTION)
    accept_loss = r.get("accept_loss", f.flag, Listener.accept_loss)
    backend_port = r.get("backend_port", _PORT, port)
    guard = r.get("guard", read_guard, Guard())
    access = r.get("access", read_access, None)
    if not r.close():
        return None
    made = Listener(vip, protocol, port, pool, mode, backend_port, affinity, guard, accept_loss, access)
    return r.built(made)


def read_access(place: Place) -> Access:
    """The ``access`` key of a VIP or of a listener."""
    r, before = Record(place, "access"), len(place.source.errors)
    prefixes = each(f.network, _NO_PREFIXES)
    access = Access(r.get("allow", prefixes, ()), r.get("block", prefixes, ()))
    r.close()
    if not access and len(place.source.errors) == before:
        raise Wrong("names no prefix", "list some: block: [192.0.2.0/24], or leave access out")
    return r.built(access)


def read_guard(place: Place) -> Guard:
    """The ``guard`` key of a listener."""
    r = Record(place, "guard")
    rate = r.get("rate", f.whole(1, _MAX_RATE), None)
    prefixes = r.get("prefixes", things(read_prefix_rate, "prefix", "[{prefix: 192.0.2.0/24, rate: 50}]"), ())
    r.close()
    return r.built(Guard(rate, prefixes))


def read_prefix_rate(place: Place) -> PrefixRate | None:
    """One entry of a guard's ``prefixes``."""
    r = Record(place, "guard prefix")
    prefix = r.need("prefix", f.network, "prefix: 192.0.2.0/24")
    rate = r.need("rate", f.whole(1, _MAX_RATE), "rate: 50")
    return r.built(PrefixRate(prefix, rate)) if r.close() else None
