"""Random intents and random edits of them, each a pure function of a seeded generator and the intent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from random import Random

from controller.model.backups import with_backups
from controller.spec.health import HealthCheck
from controller.spec.policy import Then, Zones
from controller.spec.types import (
    Affinity,
    Backend,
    Intent,
    Listener,
    Mode,
    Pool,
    Port,
    Protocol,
    Role,
    Site,
    Subnet,
    Switch,
    Vip,
)

Edit = Callable[[Random, Intent], Intent | None]
"""Another intent; None: there is nothing of that kind to edit."""
LBS = ("lb1", "lb2", "lb3")
SERVERS = tuple(f"s{n}" for n in range(1, 7))
_NET = ip_network("10.0.0.0/8")


def beginning(random: Random) -> Intent:
    """Two pools, two VIPs, three lb switches."""
    pools = (pool(random, "web", SERVERS[:3]), pool(random, "api", SERVERS[2:5]))
    vips = tuple(
        Vip(
            name,
            ip_address(f"10.0.0.{100 + n}"),
            f"02:45:56:00:01:0{n + 1}",
            ("east",),
            tuple(
                Listener(name, protocol, port, random.choice(("web", "api")), Mode.DR, port)
                for protocol, port in ((Protocol.TCP, 80), (Protocol.TCP, 443), (Protocol.UDP, 53))
            ),
        )
        for n, name in enumerate(("shop", "blog"))
    )
    return Intent((Site("east", (Subnet("all", (_NET,)),)),), switches(LBS), pools, vips)


def switches(lbs: tuple[str, ...]) -> tuple[Switch, ...]:
    """An edge and lb switches behind it."""
    ports = tuple(Port(n, name) for n, name in enumerate(lbs, 1))
    edge = Switch("edge1", "ovs", 0x11, "east", frozenset({Role.EDGE}), "02:45:56:01:00:11", ports)
    made = [
        Switch(name, "ovs", 0x20 + n, "east", frozenset({Role.LB}), f"02:45:56:01:00:2{n}")
        for n, name in enumerate(lbs, 1)
    ]
    return (edge, *made)


def pool(random: Random, name: str, servers: tuple[str, ...]) -> Pool:
    """A pool that never panics, of so few slots that a sequence is fast."""
    return Pool(
        name,
        tuple(map(server, servers)),
        max_backends=2,
        memory_timeout=random.choice((20.0, 60.0)),
        transition=5.0,
        drain_timeout=random.choice((30.0, 90.0)),
        drain_then=random.choice(tuple(Then)),
        panic_threshold=1.0,
    )


def server(name: str, rack: int = 0) -> Backend:
    """A server; in another rack it is another machine."""
    number = int(name[1:])
    return Backend(name, (ip_address(f"10.1.{rack}.{number}"),), f"02:45:56:02:{rack:02x}:{number:02x}")


# -- edits ----------------------------------------------------------------------------------------------------


def _pool_edit(change: Callable[[Random, Pool], Pool | None]) -> Edit:
    def edit(random: Random, intent: Intent) -> Intent | None:
        chosen = random.choice(intent.pools)
        made = change(random, chosen)
        if made is None:
            return None
        return replace(intent, pools=tuple(made if p.name == chosen.name else p for p in intent.pools))

    return edit


def _backend_edit(change: Callable[[Random, Backend], Backend]) -> Edit:
    def of_pool(random: Random, pool: Pool) -> Pool | None:
        if not pool.backends:
            return None
        chosen = random.choice(pool.backends)
        made = change(random, chosen)
        return replace(pool, backends=tuple(made if b.name == chosen.name else b for b in pool.backends))

    return _pool_edit(of_pool)


def _add(random: Random, intent: Intent) -> Intent | None:
    """A server that another pool has too, or one that may have been another machine before."""
    pool = random.choice(intent.pools)
    known = {b.name for b in pool.backends}
    rest = [name for name in SERVERS if name not in known]
    if not rest:
        return None
    name = random.choice(rest)
    others = (b for p in intent.pools for b in p.backends if b.name == name)
    found = next(others, server(name, random.choice((0, 0, 1))))
    made = replace(pool, backends=(*pool.backends, replace(found, weight=1, group=0, drain=False)))
    return replace(intent, pools=tuple(made if p is pool else p for p in intent.pools))


def _replaced(random: Random, intent: Intent) -> Intent:
    """A server's name is another machine's from now on, in all pools."""
    name = random.choice(SERVERS)
    new = server(name, random.randrange(2))

    def put(real: Backend) -> Backend:
        return replace(real, addresses=new.addresses, mac=new.mac) if real.name == name else real

    pools = tuple(replace(pool, backends=tuple(map(put, pool.backends))) for pool in intent.pools)
    return replace(intent, pools=pools)


def _remove(random: Random, pool: Pool) -> Pool | None:
    if len(pool.backends) < 2:
        return None
    gone = random.choice(pool.backends)
    return replace(pool, backends=tuple(b for b in pool.backends if b is not gone))


def _listener_edit(change: Callable[[Random, Intent, Listener], Listener | None]) -> Edit:
    def edit(random: Random, intent: Intent) -> Intent | None:
        items = intent.listeners()
        if not items:
            return None
        chosen = random.choice(items)
        made = change(random, intent, chosen)
        vips = tuple(
            replace(vip, listeners=tuple(i for each in vip.listeners if (i := _one(each, chosen, made))))
            for vip in intent.vips
        )
        return replace(intent, vips=vips)

    return edit


def _one(each: Listener, chosen: Listener, made: Listener | None) -> Listener | None:
    return made if each.name == chosen.name else each


def _listener_back(random: Random, intent: Intent) -> Intent | None:
    """A listener that some VIP lacks."""
    wanted = [(Protocol.TCP, 80), (Protocol.TCP, 443), (Protocol.UDP, 53)]
    for vip in random.sample(intent.vips, len(intent.vips)):
        lacking = [w for w in wanted if w not in {(i.protocol, i.port) for i in vip.listeners}]
        if lacking:
            protocol, port = random.choice(lacking)
            item = Listener(vip.name, protocol, port, random.choice(intent.pools).name, Mode.DR, port)
            made = replace(vip, listeners=(*vip.listeners, item))
            return replace(intent, vips=tuple(made if v is vip else v for v in intent.vips))
    return None


def _vip_off(random: Random, intent: Intent) -> Intent | None:
    gone = random.choice(intent.vips)
    return replace(intent, vips=tuple(v for v in intent.vips if v is not gone))


def _vip_on(random: Random, intent: Intent) -> Intent | None:
    known = {vip.address for vip in intent.vips}
    for vip in beginning(random).vips:
        if vip.address not in known and vip.name not in {v.name for v in intent.vips}:
            pools = {pool.name for pool in intent.pools}
            if {item.pool for item in vip.listeners} <= pools:
                return replace(intent, vips=(*intent.vips, vip))
    return None


def _unused(random: Random, kind: str, named: Iterable[Vip | Switch | Pool]) -> str:
    """A name that none of these has: two of one name are refused by ``check``."""
    taken = {one.name for one in named}
    name = f"{kind}{random.randrange(1000)}"
    return name if name not in taken else _unused(random, kind, named)


def _vip_renamed(random: Random, intent: Intent) -> Intent | None:
    chosen, name = random.choice(intent.vips), _unused(random, "vip", intent.vips)
    made = replace(chosen, name=name, listeners=tuple(replace(i, vip=name) for i in chosen.listeners))
    return replace(intent, vips=tuple(made if v is chosen else v for v in intent.vips))


def _vips_swapped(random: Random, intent: Intent) -> Intent | None:
    """Two VIPs take each other's names."""
    if len(intent.vips) < 2:
        return None
    one, other = random.sample(intent.vips, 2)
    names = {one.name: other.name, other.name: one.name}
    return replace(
        intent,
        vips=tuple(
            replace(v, name=n, listeners=tuple(replace(i, vip=n) for i in v.listeners))
            if (n := names.get(v.name))
            else v
            for v in intent.vips
        ),
    )


def _switch_renamed(random: Random, intent: Intent) -> Intent | None:
    chosen = random.choice([s for s in intent.switches if Role.LB in s.roles])
    name = _unused(random, "sw", intent.switches)

    def renamed(switch: Switch) -> Switch:
        ports = tuple(replace(p, to=name) if p.to == chosen.name else p for p in switch.ports)
        return replace(switch, ports=ports, name=name if switch is chosen else switch.name)

    return replace(intent, switches=tuple(map(renamed, intent.switches)))


def _split(random: Random, intent: Intent) -> Intent | None:
    """Some listeners get a pool of their own, with some of the servers."""
    chosen = random.choice(intent.pools)
    if len(intent.pools) > 3 or not chosen.backends:
        return None
    name = _unused(random, "pool", intent.pools)
    some = tuple(random.sample(chosen.backends, max(1, len(chosen.backends) // 2)))
    moved = {i.name for i in intent.listeners() if i.pool == chosen.name and random.random() < 0.5}
    vips = tuple(
        replace(v, listeners=tuple(replace(i, pool=name) if i.name in moved else i for i in v.listeners))
        for v in intent.vips
    )
    return replace(intent, pools=(*intent.pools, replace(chosen, name=name, backends=some)), vips=vips)


def _merged(random: Random, intent: Intent) -> Intent | None:
    """A pool is gone, its listeners lead to another one."""
    if len(intent.pools) < 2:
        return None
    gone, kept = random.sample(intent.pools, 2)
    vips = tuple(
        replace(
            v,
            listeners=tuple(replace(i, pool=kept.name) if i.pool == gone.name else i for i in v.listeners),
        )
        for v in intent.vips
    )
    return replace(intent, pools=tuple(p for p in intent.pools if p is not gone), vips=vips)


def _backed(random: Random, intent: Intent) -> Intent:
    """A pool has another one as its backup, or none any more."""
    chosen = random.choice(intent.pools)
    backup = random.choice((None, *(pool.name for pool in intent.pools if pool is not chosen)))
    made = replace(chosen, backup=backup, health=HealthCheck() if backup else chosen.health)
    return replace(intent, pools=tuple(made if pool is chosen else pool for pool in intent.pools))


EDITS: dict[str, Edit] = {
    "weight": _backend_edit(lambda r, b: replace(b, weight=r.choice((0, 1, 2, 5)))),
    "drain": _backend_edit(lambda r, b: replace(b, drain=not b.drain)),
    "priority group": _backend_edit(lambda r, b: replace(b, group=r.randrange(2))),
    "backend added": _add,
    "backend replaced": _replaced,
    "backend removed": _pool_edit(_remove),
    "memory_timeout": _pool_edit(lambda r, p: replace(p, memory_timeout=r.choice((15.0, 20.0, 35.0, 60.0)))),
    "transition": _pool_edit(lambda r, p: replace(p, transition=r.choice((2.0, 5.0, 9.0)))),
    "drain_timeout": _pool_edit(lambda r, p: replace(p, drain_timeout=r.choice((10.0, 30.0, 90.0)))),
    "max_backends": _pool_edit(lambda r, p: replace(p, max_backends=r.choice((2, 4, 8)))),
    "re-pooled": _listener_edit(lambda r, i, item: replace(item, pool=r.choice(i.pools).name)),
    "listener off": _listener_edit(lambda r, i, item: None),
    "listener on": _listener_back,
    "affinity": _listener_edit(lambda r, i, item: replace(item, affinity=r.choice(tuple(Affinity)))),
    "mode": _listener_edit(lambda r, i, item: replace(item, mode=r.choice((Mode.DR, Mode.NAT)))),
    "VIP off": _vip_off,
    "VIP on": _vip_on,
    "VIP renamed": _vip_renamed,
    "VIPs swap names": _vips_swapped,
    "switch renamed": _switch_renamed,
    "pool split": _split,
    "pools merged": _merged,
}
BACKUPS: dict[str, Edit] = {
    "spill_below": _pool_edit(lambda r, p: replace(p, spill_below=r.choice((0.0, 0.5, 1.0)))),
    "backup": _backed,
    "zone": _backend_edit(lambda r, b: replace(b, zone=r.choice((None, "a", "b")))),
    "zones": _pool_edit(lambda r, p: replace(p, zones=r.choice(tuple(Zones)))),
}
"""Edits of what takes over, and of what lies where."""


def as_read(intent: Intent) -> Intent:
    """The intent as it would be read from its file: with its backups' servers, and without backups that are gone."""
    names = {pool.name for pool in intent.pools}
    pools = [replace(p, backup=p.backup if p.backup in names - {p.name} else None) for p in intent.pools]
    return replace(intent, pools=with_backups(pools))
