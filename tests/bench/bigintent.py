"""The large case as an intent file: two sites, one of each kind of switch, with everything in them."""

from __future__ import annotations

from collections.abc import Iterator

VIPS, POOLS, SERVERS = 1000, 500, 10
"""In all; servers are those of one pool."""
EDGES, LBS, LEAFS = 8, 40, 16
"""In all; half of each are of either kind."""
RACK = 8
"""Servers behind one port of a leaf, which is named after the first of them."""
SITES = ("east", "west")
"""Open vSwitch in the first, P4 in the second: a pool is served by switches of one kind."""


def text() -> str:
    """The file, as an operator would write it."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "sites:"
    for n, site in enumerate(SITES):
        yield f"  - name: {site}"
        yield "    subnets:"
        yield f"      - {{name: servers-{site}, prefixes: [10.{1 + n}.0.0/16]}}"
        yield f"      - {{name: vips-{site}, prefixes: [10.0.{128 * n}.0/17]}}"
    yield "switches:"
    for n, site in enumerate(SITES):
        yield from _switches(n, site)
    yield "pools:"
    for n, site in enumerate(SITES):
        for pool in range(POOLS // 2):
            yield from _pool(n, site, pool)
    yield "vips:"
    for n, site in enumerate(SITES):
        for vip in range(VIPS // 2):
            yield f"  - name: v{vip}-{site}"
            yield f"    address: 10.0.{128 * n + vip // 250}.{1 + vip % 250}"
            yield f'    mac: "{_mac(0x10 + n, vip)}"'
            yield f"    owners: [{site}]"
            yield f"    listeners: [{{protocol: tcp, port: 80, pool: p{vip % (POOLS // 2)}-{site}, mode: dr}}]"


def server(pool: int, place: int, site: str) -> str:
    """Name of a pool's server."""
    return f"s{pool}-{place}-{site}"


def _switches(n: int, site: str) -> Iterator[str]:
    edges, lbs, leafs = (
        [f"{role}{k}-{site}" for k in range(count // 2)]
        for role, count in (("edge", EDGES), ("lb", LBS), ("leaf", LEAFS))
    )
    for k, name in enumerate(edges):
        routes = [_route(f"10.{1 + n}.0.0/16", lbs), _route("0.0.0.0/0", ["segment"])]
        yield from _switch(n, site, name, "edge", k, ["segment", *lbs], routes)
    for k, name in enumerate(lbs):
        routes = [_route(f"10.{1 + n}.{32 * leaf}.0/19", [to]) for leaf, to in enumerate(leafs)]
        routes.append(_route("0.0.0.0/0", edges))
        yield from _switch(n, site, name, "lb", 64 + k, [*edges, *leafs], routes)
    for k, name in enumerate(leafs):
        mine = [
            (pool, place) for pool in range(POOLS // 2) for place in range(SERVERS) if _leaf(pool, place) == k
        ]
        racks = [server(*first, site) for first in mine[::RACK]]
        routes = [
            f'{{to: {_address(n, *each)}, via: [{racks[count // RACK]}], mac: "{_server_mac(n, *each)}"}}'
            for count, each in enumerate(mine)
        ]
        routes.append(_route("0.0.0.0/0", lbs))
        yield from _switch(n, site, name, "leaf", 192 + k, [*lbs, *racks], routes)


def _switch(
    n: int, site: str, name: str, role: str, number: int, ports: list[str], routes: list[str]
) -> Iterator[str]:
    yield f"  - name: {name}"
    yield f"    site: {site}"
    yield f"    kind: {'embedded' if n else 'ovs'}"
    yield f"    id: {0x1000 * (n + 1) + number}"
    yield f"    roles: [{role}]"
    yield f'    mac: "{_mac(0x20 + n, number)}"'
    yield '    gateway_mac: "02:45:56:00:00:fe"'
    shown = ", ".join(f"{place}: {to}" for place, to in enumerate(ports, 1))
    yield f"    ports: {{{shown}}}"
    if n:
        yield f"    p4runtime: 127.0.0.1:{20000 + number}"
        yield "    routes:"
        yield from (f"      - {route}" for route in routes)


def _pool(n: int, site: str, pool: int) -> Iterator[str]:
    yield f"  - name: p{pool}-{site}"
    yield f"    max_backends: {SERVERS + 2}"
    yield "    health: {type: tcp, port: 80, interval: 2s}"
    yield "    backends:"
    for place in range(SERVERS):
        yield (
            f"      - {{name: {server(pool, place, site)}, address: {_address(n, pool, place)}, "
            f'mac: "{_server_mac(n, pool, place)}", at: leaf{_leaf(pool, place)}-{site}}}'
        )


def _leaf(pool: int, place: int) -> int:
    return (pool * SERVERS + place) % (LEAFS // 2)


def _address(n: int, pool: int, place: int) -> str:
    number = (pool * SERVERS + place) // (LEAFS // 2) + 1
    return f"10.{1 + n}.{32 * _leaf(pool, place) + number // 250}.{1 + number % 250}"


def _server_mac(n: int, pool: int, place: int) -> str:
    return _mac(0x30 + n, pool * SERVERS + place)


def _mac(kind: int, number: int) -> str:
    return f"02:45:56:{kind:02x}:{number >> 8:02x}:{number & 0xFF:02x}"


def _route(to: str, via: list[str]) -> str:
    return f"{{to: {to}, via: [{', '.join(via)}]}}"
