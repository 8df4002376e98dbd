"""From a tier of the intent to the file of one of its HAProxy processes. Pure: equal inputs give equal octets.

The order of sections and lines is fixed. Everything that takes a reload goes into a digest, which the file says in
``description`` and HAProxy shows in ``show info``: so what a running process was made of can be read back. Servers have
ids that come from their names: consistent hashes are the same in all processes, whatever was added when.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from controller.exits.tier.routing import conditions
from controller.exits.tier.wanted import (
    DRAIN_SERVER,
    DRAIN_SWITCH,
    STATUS,
    Line,
    Marks,
    PoolWanted,
    ServerWanted,
    Wanted,
)
from controller.spec import tier as t
from controller.spec.types import Address

STATE = ".state"
"""After the name of the file: which servers were down before a reload."""
HEAD = "# Written by Evenkeel"
"""Files of ours begin so."""
IDS = 1_000_000
"""Ids of servers are below: HAProxy's consistent hash tells 2^20 apart."""
_SHOWN = 32
"""Hex digits of the digest that are used."""


def render(tier: t.Tier, instance: t.Instance, addresses: Sequence[Address], marks: Marks) -> Wanted:
    """What a process of the tier should hold. ``addresses``: of the backend that it is."""
    config = instance.config
    pools = {DRAIN_SWITCH: _drain_switch(marks)} | {
        pool.name: _pool_wanted(pool, marks) for pool in tier.pools
    }
    head = [
        *_defaults(tier),
        *_status(tier),
        *(line for of in tier.frontends for line in _frontend(of, addresses)),
    ]
    sections: list[Line] = []
    fixed: list[str] = [line.text for line in head]
    for name, lines in (*_drain_section(), *((pool.name, tuple(_backend(pool))) for pool in tier.pools)):
        at = "" if name == DRAIN_SWITCH else f"pools {name}: servers"
        servers = [
            Line(f"  {_server_line(server, each)}", at if name == DRAIN_SWITCH else f"{at} {server}")
            for server, each in pools[name].servers.items()
        ]
        sections += [*lines, *servers]
        fixed += [*(line.text for line in lines), *_fixed(pools[name])]
    tail = list(_raw(tier.raw_sections, "raw_sections", ""))
    whole = list(_global(tier, config, ""))
    text = "\n".join([*(line.text for line in (*whole, *tail)), *fixed])
    digest = sha256(text.encode()).hexdigest()[:_SHOWN]
    return Wanted((*_global(tier, config, digest), *head, *sections, *tail), digest, pools)


def server_ids(names: Iterable[str]) -> dict[str, int]:
    """Ids, each from its name; of two that would have one, the later in the alphabet has the next that is free."""
    found: dict[str, int] = {}
    used: set[int] = set()
    for name in sorted(names):
        number = 1 + zlib.crc32(name.encode()) % (IDS - 1)
        while number in used:
            number = 1 + number % (IDS - 1)
        used.add(number)
        found[name] = number
    return found


def _global(tier: t.Tier, config: str, digest: str) -> Iterator[Line]:
    yield Line(f"{HEAD}, and written again whenever it is changed: change the intent.", "")
    yield Line("global", "")
    yield Line(f"  description evenkeel {digest}", "")
    yield Line(f"  server-state-file {config}{STATE}", "")
    if tier.hard_stop_after is not None:
        yield Line(f"  hard-stop-after {_ms(tier.hard_stop_after)}", "hard_stop_after")
    yield from _raw(tier.raw_global, "raw_global")


def _defaults(tier: t.Tier) -> Iterator[Line]:
    waits = tier.timeouts
    yield Line("defaults", "")
    yield Line(f"  timeout connect {_ms(waits.connect)}", "timeouts: connect")
    yield Line(f"  timeout queue {_ms(waits.connect)}", "timeouts: connect")
    yield Line(f"  timeout client {_ms(waits.client)}", "timeouts: client")
    yield Line(f"  timeout server {_ms(waits.server)}", "timeouts: server")
    yield Line(f"  timeout tunnel {_ms(max(waits.client, waits.server))}", "timeouts: server")
    yield Line(f"  timeout http-request {_ms(waits.http_request)}", "timeouts: http_request")
    yield Line(f"  timeout http-keep-alive {_ms(waits.keep_alive)}", "timeouts: keep_alive")
    yield Line("  load-server-state-from-file global", "")
    yield from _raw(tier.raw_defaults, "raw_defaults")


def _status(tier: t.Tier) -> Iterator[Line]:
    if tier.status_port is None:
        return
    at = "status_port"
    yield Line(f"frontend {STATUS}", at)
    yield Line("  mode http", at)
    yield Line(f"  bind *:{tier.status_port}", at)
    more = ""
    for frontend in tier.frontends:
        yield Line(f"  http-request set-var(txn.n) fe_conn({frontend.name}){more}", at)
        more = ",add(txn.n)"
    used = sorted({name for of in tier.frontends for name in (of.pool, *(r.pool for r in of.routes)) if name})
    down = " ".join(f"!{{ nbsrv({name}) gt 0 }}" for name in used)
    yield Line(
        f"  http-request return status 503 content-type text/plain string 'no server is up' if {down}", at
    )
    yield Line("  http-request return status 200 content-type text/plain lf-string %[var(txn.n)]", at)


def _frontend(of: t.Frontend, addresses: Sequence[Address]) -> Iterator[Line]:
    at = f"frontends {of.name}"
    yield Line(f"frontend {of.name}", at)
    yield Line(f"  mode {of.mode}", f"{at}: mode")
    for number, bind in enumerate(of.binds):
        for address in _listens(bind, addresses):
            yield Line(f"  bind {address}:{bind.port}{_bind_options(of, bind)}", f"{at}: binds[{number}]")
    if of.max_connections is not None:
        yield Line(f"  maxconn {of.max_connections}", f"{at}: max_connections")
    if of.mode is t.ProxyMode.HTTP:
        close = f"  http-after-response set-header Connection close if {{ nbsrv({DRAIN_SWITCH}) gt 0 }}"
        yield Line(close, at)
        # Without it a reload ends idle connections, and a request may be on its way on one.
        yield Line("  option idle-close-on-response", at)
        yield from _forwarded(of, f"{at}: forwarded_for")
    else:
        yield from _inspected(of, at)
    yield from _raw(of.raw, f"{at}: raw")
    for number, route in enumerate(of.routes):
        yield Line(f"  use_backend {route.pool} if {conditions(of.mode, route)}", f"{at}: routes[{number}]")
    if of.pool is not None:
        yield Line(f"  default_backend {of.pool}", f"{at}: pool")


def _listens(bind: t.Bind, addresses: Sequence[Address]) -> list[str]:
    if bind.address == t.ANY:
        return ["*"]
    if bind.address == t.OWN:
        return [f"[{each}]" if each.version == 6 else str(each) for each in addresses]
    return [f"[{bind.address}]" if ":" in bind.address else bind.address]


def _bind_options(of: t.Frontend, bind: t.Bind) -> str:
    options = ""
    if bind.certificates:
        options += " ssl" + "".join(f" crt {path}" for path in bind.certificates)
        options += " alpn h2,http/1.1" if of.mode is t.ProxyMode.HTTP else ""
    options += " accept-proxy" if bind.accept_proxy else ""
    return options + (" v6only" if bind.address == t.ANY6 else "")


def _forwarded(of: t.Frontend, at: str) -> Iterator[Line]:
    if of.forwarded_for is t.ForwardedFor.NONE:
        return
    if of.forwarded_for is t.ForwardedFor.APPEND:
        yield Line("  option forwardfor", at)
    else:
        yield Line("  http-request set-header X-Forwarded-For %[src]", at)
    yield Line("  http-request set-header X-Forwarded-Proto https if { ssl_fc }", at)
    yield Line("  http-request set-header X-Forwarded-Proto http unless { ssl_fc }", at)


def _inspected(of: t.Frontend, at: str) -> Iterator[Line]:
    """What routes and balancing look at has to be there before they do."""
    terminated = any(bind.certificates for bind in of.binds)
    if of.routes and not terminated:
        yield Line("  tcp-request inspect-delay 5s", f"{at}: routes")
        yield Line("  tcp-request content accept if { req.ssl_hello_type 1 }", f"{at}: routes")


def _backend(pool: t.TierPool) -> Iterator[Line]:
    at = f"pools {pool.name}"
    yield Line(f"backend {pool.name}", at)
    yield Line(f"  mode {pool.mode}", f"{at}: mode")
    yield Line(f"  balance {_balance(pool)}", f"{at}: balance")
    if pool.balance.hashes:
        yield Line("  hash-type consistent", f"{at}: balance")
    if pool.balance is t.Balance.RDP_COOKIE:
        yield Line("  tcp-request inspect-delay 5s", f"{at}: balance")
        yield Line("  tcp-request content accept if RDP_COOKIE", f"{at}: balance")
    if pool.sticky is not None:
        secure = " secure" if pool.sticky.secure else ""
        yield Line(f"  cookie {pool.sticky.cookie} insert indirect nocache httponly{secure}", f"{at}: sticky")
    yield from _retries(pool, f"{at}: retries")
    yield from _health(pool, f"{at}: health")
    yield from _raw(pool.raw, f"{at}: raw")


def _balance(pool: t.TierPool) -> str:
    if pool.balance is t.Balance.URL_PARAM:
        return f"url_param {pool.balance_on}"
    if pool.balance is t.Balance.HDR:
        return f"hdr({pool.balance_on})"
    if pool.balance is t.Balance.RDP_COOKIE:
        return f"rdp-cookie({pool.balance_on or 'mstshash'})"
    return pool.balance.value


def _retries(pool: t.TierPool, at: str) -> Iterator[Line]:
    of = pool.retries
    yield Line(f"  retries {of.attempts}", f"{at}: attempts")
    if not of.attempts:
        return
    yield Line("  option redispatch 1", f"{at}: attempts")
    if pool.mode is t.ProxyMode.HTTP:
        yield Line(f"  retry-on {' '.join(of.on)}", f"{at}: on")
        yield Line(
            f"  http-request disable-l7-retry unless {{ method {' '.join(of.methods)} }}", f"{at}: methods"
        )


def _health(pool: t.TierPool, at: str) -> Iterator[Line]:
    of = pool.health
    if of is None:
        return
    yield Line(f"  timeout check {_ms(of.timeout)}", f"{at}: timeout")
    if of.type is t.TierProbe.HTTP:
        yield Line("  option httpchk", f"{at}: type")
        host = f" ver HTTP/1.1 hdr Host '{of.host}'" if of.host is not None else ""
        yield Line(f"  http-check send meth GET uri '{of.path}'{host}", f"{at}: path")
        yield Line("  http-check expect status 200-399", f"{at}: type")


def _pool_wanted(pool: t.TierPool, marks: Marks) -> PoolWanted:
    ids = server_ids(each.name for each in pool.servers)
    agent = any("agent-check" in line for line in (*pool.raw, *pool.raw_server))
    servers = {
        each.name: ServerWanted(
            str(each.address),
            each.port,
            0 if each.drain else each.weight,
            (pool.name, each.name) in marks.retired,
            f"id {ids[each.name]}{_options(pool, each)}",
            pool.health is not None,
        )
        for each in pool.servers
    }
    grows = pool.sticky is None and not any(each.backup for each in pool.servers)
    return PoolWanted(servers, grows, not agent, _options(pool))


def _options(pool: t.TierPool, server: t.TierServer | None = None) -> str:
    """Of one server; None: what all of the pool have."""
    of, options = pool.health, ""
    if of is not None:
        options += f" check inter {_ms(of.interval)} rise {of.rise} fall {of.fall}"
        options += f" port {of.port}" if of.port is not None else ""
    if pool.send_proxy is not t.SendProxy.NONE:
        options += " send-proxy-v2" if pool.send_proxy is t.SendProxy.V2 else " send-proxy"
        options += " check-send-proxy" if of is not None and of.port is None else ""
    if server is not None:
        options += f" cookie {server.name}" if pool.sticky is not None else ""
        options += " backup" if server.backup else ""
    return options + "".join(f" {words}" for words in pool.raw_server)


def _drain_switch(marks: Marks) -> PoolWanted:
    server = ServerWanted("127.0.0.1", 1, 1, not marks.leaving, "id 1", False)
    return PoolWanted({DRAIN_SERVER: server}, False, True, "")


def _drain_section() -> Iterator[tuple[str, tuple[Line, ...]]]:
    yield DRAIN_SWITCH, (Line(f"backend {DRAIN_SWITCH}", ""), Line("  mode http", ""))


def _server_line(name: str, of: ServerWanted) -> str:
    host = f"[{of.address}]" if ":" in of.address else of.address
    disabled = " disabled" if of.maint else ""
    return f"server {name} {host}:{of.port} weight {of.weight} {of.options}{disabled}"


def _fixed(pool: PoolWanted) -> Iterator[str]:
    """What of servers takes a reload: all options; where servers cannot come and go, also which there are."""
    if pool.grows:
        yield pool.options
    else:
        yield from (f"{name} {each.options}" for name, each in pool.servers.items())


def _raw(lines: Iterable[str], at: str, indent: str = "  ") -> Iterator[Line]:
    for number, line in enumerate(lines):
        yield Line(f"{indent}{line}", f"{at}[{number}]")


def _ms(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
