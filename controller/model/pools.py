"""The schema of pools, their backends and their health checks."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address

from controller.model import fields as f
from controller.model.labels import read_labels
from controller.model.reader import Converter, Place, Record, each, things
from controller.model.serving import (
    MAX_SLOW_START,
    check_scheduler,
    read_adaptive,
    read_agent_check,
    read_subset,
)
from controller.spec.health import HealthCheck, PlaceRule, ProbeKind
from controller.spec.policy import UNLIMITED, Budget, Failback, Failover, OnDown, Then, Zones
from controller.spec.scheduling import Scheduler
from controller.spec.spread import PoolSpread
from controller.spec.types import Address, Backend, Pool

MAX_BACKENDS = 655
"""The largest ``max_backends``: 100 slots each, in a table of at most 65,536."""
NOWHERE: Address = IPv4Address(0)
"""Stands in for a bad address, so that what depends on the rest is checked all the same."""
_DAY = 86400.0
MAX_TIMEOUT = 65535.0
"""Longest timeout of an OpenFlow flow in seconds (16 bits)."""

PROBE_KEYS: dict[str, tuple[ProbeKind, ...]] = {
    "port": (ProbeKind.TCP, ProbeKind.HTTP, ProbeKind.HTTPS, ProbeKind.UDP),
    "path": (ProbeKind.HTTP, ProbeKind.HTTPS),
    "host": (ProbeKind.HTTP, ProbeKind.HTTPS),
    "status": (ProbeKind.HTTP, ProbeKind.HTTPS),
    "body": (ProbeKind.HTTP, ProbeKind.HTTPS),
    "verify": (ProbeKind.HTTPS,),
    "send": (ProbeKind.UDP,),
    "expect": (ProbeKind.UDP,),
}
"""Which keys of ``health`` mean something to which kinds of probes."""
NOT_BESIDE_FAILOVER = ("on_down", "drain_timeout", "drain_then", "panic_threshold")
"""Keys of a pool about connections that outlast their backend, which a former writer's do not."""
NO_GROUPS_BESIDE_FAILOVER = ("spill_below", "backup", "zones", "split")
"""Keys of a pool about which backends serve, which ``failover`` decides."""
NO_WEIGHTS_BESIDE_FAILOVER = ("agent", "scheduler", "adaptive", "slow_start")
"""Keys of a pool about how many of its connections a backend takes: the one writer takes all."""


def read_pool(place: Place, budget: Budget = UNLIMITED) -> Pool | None:
    """One entry of ``pools``. ``budget``: the file's."""
    r = Record(place, "pool")
    name = r.name("pool", f.name, "name: web")
    max_backends = r.get("max_backends", f.whole(1, MAX_BACKENDS), Pool.max_backends)
    health = r.get("health", read_health, None)
    agent = r.get("agent", read_agent_check, None)
    scheduler = r.get("scheduler", f.choice(Scheduler), Pool.scheduler)
    adaptive = r.get("adaptive", read_adaptive, Pool.adaptive)
    check_scheduler(r, scheduler, health is not None)
    slow_start = r.get("slow_start", f.duration(0, MAX_SLOW_START), Pool.slow_start)
    down = r.get("on_down", _on_down, (Pool.on_down_tcp, Pool.on_down_udp))
    drain_timeout = r.get("drain_timeout", f.duration(0, _DAY), Pool.drain_timeout)
    drain_then = r.get("drain_then", f.choice(Then), Pool.drain_then)
    memory_timeout = r.get("memory_timeout", f.duration(1, MAX_TIMEOUT), Pool.memory_timeout)
    transition = r.get("transition", f.duration(0, MAX_TIMEOUT), Pool.transition)
    panic_threshold = r.get("panic_threshold", f.share, Pool.panic_threshold)
    spill_below = r.get("spill_below", f.share, Pool.spill_below)
    backup = r.get("backup", f.name, None)
    zones = r.get("zones", f.choice(Zones), Pool.zones)
    split = r.get("split", things(read_subset, "subset", "[{name: stable, weight: 90}]"), ())
    spread = r.get("spread", f.choice(PoolSpread), Pool.spread)
    labels = r.get("labels", read_labels, ())
    capacity = r.get("capacity", f.whole(1, 10**9), None)
    own_budget = r.get("budget", partial(read_budget, default=budget), budget)
    failover = r.get("failover", _failover, None)
    if failover is not None:
        _check_failover_keys(r)
    backend = things(read_backend, "backend", "[{name: s1, address: 10.1.0.11}]")
    backends = r.need("backends", backend, "backends: [{name: s1, address: 10.1.0.11}]")
    if not r.close():
        return None
    pool = Pool(
        name=name,
        backends=backends,
        max_backends=max_backends,
        health=health,
        agent=agent,
        scheduler=scheduler,
        adaptive=adaptive,
        slow_start=slow_start,
        on_down_tcp=down[0],
        on_down_udp=down[1],
        drain_timeout=drain_timeout,
        drain_then=drain_then,
        memory_timeout=memory_timeout,
        transition=transition,
        panic_threshold=panic_threshold,
        spill_below=spill_below,
        backup=backup,
        zones=zones,
        split=split,
        failover=failover,
        spread=spread,
        capacity=capacity,
        budget=own_budget,
        labels=labels,
    )
    return r.built(pool)


def read_budget(place: Place, default: Budget = UNLIMITED) -> Budget:
    """The ``budget`` of a pool, or of all."""
    r = Record(place, "budget")
    made = Budget(
        r.get("max_slots_moved_per_minute", f.amount, default.max_slots_moved_per_minute),
        r.get("max_unavailable", f.amount, default.max_unavailable),
        r.get("max_tracked_share", f.share, default.max_tracked_share),
    )
    r.close()
    return made


def read_backend(place: Place) -> Backend | None:
    """One entry of a pool's ``backends``."""
    r = Record(place, "backend")
    name = r.name("backend", f.name, "name: s1")
    addresses = _addresses(r)
    backend = Backend(
        name=name,
        addresses=addresses,
        mac=r.get("mac", f.mac, None),
        at=r.get("at", f.name, None),
        weight=r.get("weight", f.whole(0, 65535), Backend.weight),
        group=r.get("group", f.whole(0, 65535), Backend.group),
        drain=r.get("drain", f.flag, Backend.drain),
        subset=r.get("subset", f.name, None),
        zone=r.get("zone", f.name, None),
        labels=r.get("labels", read_labels, ()),
    )
    return r.built(backend) if r.close() else None


def _addresses(r: Record) -> tuple[Address, ...]:
    """``address: A`` or ``addresses: [A4, A6]``, at most one per family; () once an error is reported."""
    if r.has("address") and r.has("addresses"):
        r.fail("addresses", 'both "address" and "addresses" are given', "keep one of the two")
    if not r.has("addresses"):
        one = r.need("address", f.address, "address: 10.1.0.11", NOWHERE)
        r.get("addresses", each(f.address, ""), ())
        return () if one is NOWHERE else (one,)
    r.get("address", f.address, None)
    several = r.get("addresses", each(f.address, "write a list: [10.1.0.11]"), ())
    versions = [address.version for address in several]
    if len(set(versions)) < len(versions):
        r.fail("addresses", "two addresses of one IP version", "give at most one IPv4 and one IPv6 address")
    elif not versions and not _has_bad_item(r, "addresses"):
        r.fail("addresses", "addresses is empty", "give an IPv4 address, an IPv6 address or both")
    return several


def _has_bad_item(r: Record, key: str) -> bool:
    prefix = (*r.place.path, key)
    return any(path[: len(prefix)] == prefix for path in r.place.source.bad)


def _on_down(place: Place) -> tuple[OnDown, OnDown]:
    """For (tcp, udp): one policy for both, or one under each protocol's name."""
    r = Record(place, "on_down")
    if r.has("tcp") or r.has("udp"):
        for key in ("keep_for", "then"):
            if r.has(key):
                r.fail(key, f'"{key}" beside tcp or udp', f"put {key} under tcp and udp")
        tcp = r.get("tcp", _policy(Pool.on_down_tcp), Pool.on_down_tcp)
        udp = r.get("udp", _policy(Pool.on_down_udp), Pool.on_down_udp)
        _policy_of(r, OnDown(0.0, Then.MOVE))
    else:
        tcp = _policy_of(r, Pool.on_down_tcp)
        # What is written without a protocol holds for both; only what is left out differs by protocol.
        udp = OnDown(tcp.keep_for if r.has("keep_for") else Pool.on_down_udp.keep_for, tcp.then)
        for key in ("tcp", "udp"):
            r.get(key, _policy(Pool.on_down_tcp), Pool.on_down_tcp)
    r.close()
    return tcp, udp


def _policy(default: OnDown) -> Converter[OnDown]:
    def convert(place: Place) -> OnDown:
        r = Record(place, f"on_down of {place.label}")
        policy = _policy_of(r, default)
        r.close()
        return policy

    return convert


def _policy_of(r: Record, default: OnDown) -> OnDown:
    keep_for = r.get("keep_for", f.duration(0, _DAY), default.keep_for)
    # "keep" for good would send clients to a dead server permanently, so it is no choice here.
    then = r.get("then", f.choice(Then, (Then.MOVE, Then.RESET)), default.then)
    return OnDown(keep_for, then)


def _failover(place: Place) -> Failover:
    r = Record(place, "failover")
    r.need("writer", f.word("one"), "writer: one")
    failback = r.get("failback", f.choice(Failback), Failover.failback)
    r.close()
    return Failover(failback)


def _check_failover_keys(r: Record) -> None:
    for key in NOT_BESIDE_FAILOVER:
        if r.has(key):
            problem = f'"{key}" means nothing beside failover'
            r.fail(key, problem, f"leave {key} out: a former writer's connections are reset at once")
    for key in NO_GROUPS_BESIDE_FAILOVER:
        if r.has(key):
            problem = f'"{key}" means nothing beside failover'
            r.fail(
                key, problem, f"leave {key} out: the writer's successors are backends of this pool, by group"
            )
    for key in NO_WEIGHTS_BESIDE_FAILOVER:
        if r.has(key):
            r.fail(
                key, f'"{key}" means nothing beside failover', f"leave {key} out: the one writer takes all"
            )
    if not r.has("health"):
        r.lacks("health", "add health: without checks no writer is ever replaced")


def read_health(place: Place) -> HealthCheck:
    """The ``health`` key of a pool."""
    r = Record(place, "health")
    d = HealthCheck()
    flap = (d.flap_limit, d.flap_window)
    kind = r.get("type", f.choice(ProbeKind), d.kind)
    port = r.get("port", f.whole(1, 65535), None)
    interval = r.get("interval", f.duration(0.01, _DAY), d.interval)
    timeout = r.get("timeout", f.duration(0.001, _DAY), d.timeout)
    rise = r.get("rise", f.whole(1, 1000), d.rise)
    fall = r.get("fall", f.whole(1, 1000), d.fall)
    path = r.get("path", f.http_path, d.path)
    host = r.get("host", f.http_host, None)
    statuses = r.get("status", each(f.status, "write a list: [200, 301-308]"), d.statuses)
    body = r.get("body", f.regex, None)
    verify = r.get("verify", f.flag, d.verify)
    send = r.get("send", f.datagram, d.send)
    expect = r.get("expect", f.datagram, None)
    flap = r.get("flap", _flap, flap)
    places = r.get("places", f.choice(PlaceRule), d.places)
    if (*place.path, "type") not in place.source.bad:
        _check_probe_keys(r, kind)
    if r.has("status") and not statuses and not _has_bad_item(r, "status"):
        r.fail("status", "status is empty", "list what counts as well: [200, 301-308]")
    r.close()
    return r.built(
        HealthCheck(
            kind=kind,
            port=port,
            interval=interval,
            timeout=timeout,
            rise=rise,
            fall=fall,
            path=path,
            host=host,
            statuses=statuses,
            body=body,
            send=send,
            expect=expect,
            verify=verify,
            flap_limit=flap[0],
            flap_window=flap[1],
            places=places,
        )
    )


def _check_probe_keys(r: Record, kind: ProbeKind) -> None:
    for key, kinds in PROBE_KEYS.items():
        if r.has(key) and kind not in kinds:
            right = f"leave {key} out or use type {f.either(kinds)}"
            r.fail(key, f'"{key}" means nothing to a probe of type {kind}', right)
    if kind is ProbeKind.UDP and not r.has("send"):
        r.lacks("send", 'a probe of type udp needs a request: add send: "text" or send: "hex:0a0b"')


def _flap(place: Place) -> tuple[int, float]:
    """(limit, window in seconds)."""
    r = Record(place, "flap")
    d = HealthCheck()
    limit = r.get("limit", f.whole(1, 1000), d.flap_limit)
    window = r.get("window", f.duration(0.1, _DAY), d.flap_window)
    r.close()
    return limit, window
