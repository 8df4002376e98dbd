"""Whether a layer-7 tier can be what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from controller.model.findings import Findings
from controller.model.units import format_duration
from controller.spec import tier as t

RESERVED = "evenkeel-"
"""Sections of ours in HAProxy's file begin so."""


class _Where(NamedTuple):
    """A thing that instances must not share, and who has it."""

    value: str
    key: str
    holder: t.Instance


def check_tiers(found: Findings) -> None:
    """Adds what is wrong with ``tiers``."""
    backends = {real.name for pool in found.intent.pools for real in pool.own}
    used: dict[tuple[str, str], str] = {}
    for tier in found.intent.tiers:
        for key, kind in (("instances", "instance"), ("frontends", "front end"), ("pools", "pool of a tier")):
            if not getattr(tier, key) and kind not in found.source.dropped:
                found.add(tier, key, f'tier "{tier.name}" has no {key}', f"add one to {key}")
        for instance in tier.instances:
            _instance(found, instance, backends, used)
        for pool in tier.pools:
            _pool(found, pool)
        for frontend in tier.frontends:
            _frontend(found, tier, frontend)
        _ports(found, tier)
        _names(found, [*tier.frontends, *tier.pools])


def _instance(found: Findings, of: t.Instance, backends: set[str], used: dict[tuple[str, str], str]) -> None:
    if of.name not in backends and "backend" not in found.source.dropped:
        found.add(
            of,
            "name",
            f'instance "{of.name}" of a tier is no backend of any pool',
            f"name it as the backend that it is, or add the backend {of.name} to a pool",
        )
    for each in _own(of):
        if (each.key, each.value) in used:
            found.add(
                of,
                each.key,
                f'instance "{of.name}" has the {each.key} of instance "{used[each.key, each.value]}"',
                f"give each its own {each.key}",
            )
        used.setdefault((each.key, each.value), of.name)


def _own(of: t.Instance) -> Iterator[_Where]:
    yield _Where(of.name, "name", of)
    yield _Where(of.master, "master", of)
    yield _Where(of.config, "config", of)


def _names(found: Findings, things: Iterable[t.Frontend | t.TierPool]) -> None:
    for each in things:
        if each.name.startswith(RESERVED):
            found.add(
                each,
                "name",
                f'"{each.name}" begins with "{RESERVED}", as sections of the controller do',
                "choose another",
            )


def _pool(found: Findings, pool: t.TierPool) -> None:
    what = f'pool "{pool.name}" of a tier'
    if pool.mode is t.ProxyMode.TCP:
        if pool.balance.reads_http:
            found.add(
                pool,
                ("balance", "mode"),
                f"{what} has mode tcp and balance {pool.balance}, which reads requests",
                "choose roundrobin, leastconn, first, random, source or rdp-cookie, or mode http",
            )
        if pool.sticky is not None:
            found.add(
                pool,
                ("sticky", "mode"),
                f"{what} has mode tcp and a sticky cookie",
                "choose balance: source, or mode http",
            )
    elif pool.balance is t.Balance.RDP_COOKIE:
        found.add(
            pool, ("balance", "mode"), f"{what} has mode http and balance rdp-cookie", "choose mode: tcp"
        )
    _balance_on(found, pool, what)
    health = pool.health
    if health is not None and health.timeout > health.interval:
        found.add(
            health,
            ("timeout", "interval"),
            f"probes of {what} have a timeout of {format_duration(health.timeout)}, longer than their interval "
            f"{format_duration(health.interval)}",
            "shorten timeout or lengthen interval",
        )
    _retries(found, pool, what)


def _balance_on(found: Findings, pool: t.TierPool, what: str) -> None:
    needs = pool.balance in (t.Balance.URL_PARAM, t.Balance.HDR)
    if needs and pool.balance_on is None:
        found.add(
            pool,
            ("balance_on", "balance"),
            f"{what} has balance {pool.balance} and no balance_on",
            "write balance_on: and the name of the parameter or header",
        )
    if pool.balance_on is not None and not needs and pool.balance is not t.Balance.RDP_COOKIE:
        found.add(
            pool,
            "balance_on",
            f"{what} has a balance_on, which means nothing to balance {pool.balance}",
            "leave balance_on out",
        )


def _retries(found: Findings, pool: t.TierPool, what: str) -> None:
    for key in ("on", "methods"):
        if found.given(pool.retries, key):
            if pool.mode is t.ProxyMode.TCP:
                found.add(
                    pool.retries,
                    key,
                    f"{what} has mode tcp, in which only connections are tried again",
                    f"leave {key} out",
                )
            elif not getattr(pool.retries, key):
                found.add(
                    pool.retries,
                    key,
                    f"retries of {what} have an empty list {key}",
                    "name some, or write attempts: 0",
                )


def _frontend(found: Findings, tier: t.Tier, of: t.Frontend) -> None:
    what = f'front end "{of.name}"'
    if not of.binds:
        found.add(of, "binds", f"{what} listens on nothing", "write binds: [{port: 80}]")
    if of.pool is None and not of.routes:
        found.add(of, ("pool", "routes"), f"{what} leads nowhere", "write pool: or routes:")
    if of.mode is t.ProxyMode.TCP and found.given(of, "forwarded_for"):
        found.add(
            of,
            "forwarded_for",
            f"{what} has mode tcp, which knows no headers",
            "leave forwarded_for out; servers can be told by send_proxy of their pool",
        )
    pools = {pool.name: pool for pool in tier.pools}
    if of.pool is not None:
        _leads(found, of, (of, "pool", of.pool), pools, "pool of a tier" in found.source.dropped)
    for route in of.routes:
        _leads(found, of, (route, "pool", route.pool), pools, "pool of a tier" in found.source.dropped)
        _route(found, of, route)


def _leads(
    found: Findings,
    of: t.Frontend,
    at: tuple[object, str, str],
    pools: dict[str, t.TierPool],
    dropped: bool,
) -> None:
    thing, key, name = at
    pool = pools.get(name)
    if pool is None:
        if not dropped:
            found.add(
                thing,
                key,
                f'front end "{of.name}" names the pool "{name}", which its tier does not have',
                f"known: {', '.join(sorted(pools)) or 'none'}",
            )
    elif pool.mode is not of.mode:
        found.add(
            thing,
            key,
            f'front end "{of.name}" has mode {of.mode} and its pool "{name}" mode {pool.mode}',
            "choose one mode for both",
        )


def _route(found: Findings, of: t.Frontend, route: t.TierRoute) -> None:
    if not (route.hosts or route.paths or route.headers or route.cookies):
        found.add(
            route,
            "pool",
            f'a route of front end "{of.name}" to "{route.pool}" says nothing of requests, so it takes all',
            "write hosts, paths, headers or cookies, or make it the pool of the front end",
        )
    if of.mode is t.ProxyMode.TCP:
        for key in ("paths", "headers", "cookies"):
            if getattr(route, key):
                found.add(
                    route,
                    key,
                    f'front end "{of.name}" has mode tcp, which knows no {key}',
                    f"leave {key} out; hosts are names that TLS asks for",
                )


def _ports(found: Findings, tier: t.Tier) -> None:
    """Two that listen on one address and port would share connections at random."""
    seen: dict[int, list[tuple[str, str]]] = {}
    if tier.status_port is not None:
        seen[tier.status_port] = [(t.ANY, "status_port")]
    for frontend in tier.frontends:
        for bind in frontend.binds:
            for address, name in seen.get(bind.port, []):
                if address == bind.address or t.ANY in (address, bind.address):
                    found.add(
                        bind,
                        ("port", "address"),
                        f'front end "{frontend.name}" listens on port {bind.port}, as {name} does',
                        "give each a port or address of its own",
                    )
            seen.setdefault(bind.port, []).append((bind.address, f'front end "{frontend.name}"'))
