"""The schema of ``tiers``.

::

    tiers: name, instances: [{name, master, config}], status_port, hard_stop_after, raw_global, raw_defaults,
           raw_sections, timeouts: {connect, client, server, http_request, keep_alive},
           frontends: [{name, mode, binds: [{port, address, certificates, accept_proxy}], pool, forwarded_for,
                        max_connections, raw,
                        routes: [{pool, hosts, paths, headers: [{name, value}], cookies: [{name, value}]}]}],
           pools: [{name, mode, balance, balance_on, sticky: {cookie, secure}, retries: {attempts, on, methods},
                    health: {type, path, host, port, interval, timeout, rise, fall}, send_proxy, drain_timeout, raw,
                    raw_server, servers: [{name, address, port, weight, drain, backup}]}]
"""

from __future__ import annotations

from controller.model import fields as f
from controller.model import tiervalues as v
from controller.model.pools import NOWHERE
from controller.model.reader import Place, Record, each, things
from controller.spec import tier as t

_DAY = 86400.0
MOST_WEIGHT = 256
"""Largest weight of a server, as HAProxy has it."""
MOST_CONNECTIONS = 10_000_000
PORT = f.whole(1, 65535)
_LINES = each(v.raw, "write a list of lines, each in quotes")
_MATCH = "[{name: x-version, value: canary}]"
_NO_BINDS: tuple[t.Bind, ...] = ()


def read_tier(place: Place) -> t.Tier | None:
    """One entry of ``tiers``."""
    r = Record(place, "tier")
    name = r.name("tier", f.name, "name: web")
    instances = r.need(
        "instances",
        things(
            _instance, "instance", "[{name: hap1, master: unix:/run/haproxy/master.sock, config: /etc/...}]"
        ),
        "instances: [{name: hap1, master: unix:/run/haproxy/master.sock, config: /etc/haproxy/haproxy.cfg}]",
    )
    frontends = r.need(
        "frontends",
        things(_frontend, "front end", "[{name: http, binds: [{port: 80}], pool: web}]"),
        "frontends: [{name: http, binds: [{port: 80}], pool: web}]",
    )
    pools = r.need("pools", things(_pool, "pool of a tier", "[{name: web, servers: [...]}]"), "pools: [...]")
    tier = t.Tier(
        name,
        instances,
        frontends,
        pools,
        status_port=r.get("status_port", PORT, None),
        timeouts=r.get("timeouts", _timeouts, t.TierTimeouts()),
        hard_stop_after=r.get("hard_stop_after", f.duration(0.001, _DAY), None),
        raw_global=r.get("raw_global", _LINES, ()),
        raw_defaults=r.get("raw_defaults", _LINES, ()),
        raw_sections=r.get("raw_sections", _LINES, ()),
    )
    return r.built(tier) if r.close() else None


def _instance(place: Place) -> t.Instance | None:
    r = Record(place, "instance")
    name = r.name("instance", f.name, "name: hap1")
    master = r.need("master", v.master, "master: unix:/run/haproxy/master.sock")
    config = r.need("config", v.config_file, "config: /etc/haproxy/haproxy.cfg")
    return r.built(t.Instance(name, master, config)) if r.close() else None


def _timeouts(place: Place) -> t.TierTimeouts:
    r, d = Record(place, "timeouts"), t.TierTimeouts()
    wait = f.duration(0.001, _DAY)
    made = t.TierTimeouts(
        connect=r.get("connect", wait, d.connect),
        client=r.get("client", wait, d.client),
        server=r.get("server", wait, d.server),
        http_request=r.get("http_request", wait, d.http_request),
        keep_alive=r.get("keep_alive", wait, d.keep_alive),
    )
    r.close()
    return made


def _frontend(place: Place) -> t.Frontend | None:
    r, d = Record(place, "front end"), t.Frontend
    made = t.Frontend(
        r.name("front end", f.name, "name: http"),
        r.need("binds", things(_bind, "bind", "[{port: 80}]"), "binds: [{port: 80}]", _NO_BINDS),
        mode=r.get("mode", f.choice(t.ProxyMode), d.mode),
        routes=r.get("routes", things(_route, "route", "[{hosts: [api.example.org], pool: api}]"), ()),
        pool=r.get("pool", f.name, None),
        forwarded_for=r.get("forwarded_for", f.choice(t.ForwardedFor), d.forwarded_for),
        max_connections=r.get("max_connections", f.whole(1, MOST_CONNECTIONS), None),
        raw=r.get("raw", _LINES, ()),
    )
    return r.built(made) if r.close() else None


def _bind(place: Place) -> t.Bind | None:
    r = Record(place, "bind")
    made = t.Bind(
        r.need("port", PORT, "port: 443"),
        r.get("address", v.bind_address, t.Bind.address),
        r.get("certificates", each(v.file, "write a list of paths: [/etc/ssl/shop.pem]"), ()),
        r.get("accept_proxy", f.flag, t.Bind.accept_proxy),
    )
    return r.built(made) if r.close() else None


def _route(place: Place) -> t.TierRoute | None:
    r = Record(place, "route")
    made = t.TierRoute(
        r.need("pool", f.name, "pool: and the name of one of the tier's pools"),
        r.get("hosts", each(v.host, "write a list: [api.example.org]"), ()),
        r.get("paths", each(v.route_path, "write a list: [/api/*]"), ()),
        r.get("headers", things(_match, "header", _MATCH), ()),
        r.get("cookies", things(_match, "cookie", _MATCH), ()),
    )
    return r.built(made) if r.close() else None


def _match(place: Place) -> t.Match | None:
    r = Record(place, "match")
    name = r.need("name", v.token, "name: x-version")
    value = r.need("value", v.value, "value: canary")
    return r.built(t.Match(name, value)) if r.close() else None


def _pool(place: Place) -> t.TierPool | None:
    r, d = Record(place, "pool of a tier"), t.TierPool
    server = things(_server, "server", "[{name: s1, address: 10.1.0.11, port: 8080}]")
    made = t.TierPool(
        r.name("pool of a tier", f.name, "name: web"),
        r.need("servers", server, "servers: [{name: s1, address: 10.1.0.11, port: 8080}]"),
        mode=r.get("mode", f.choice(t.ProxyMode), d.mode),
        balance=r.get("balance", f.choice(t.Balance), d.balance),
        balance_on=r.get("balance_on", v.token, None),
        sticky=r.get("sticky", _sticky, None),
        retries=r.get("retries", _retries, t.Retries()),
        health=r.get("health", _health, None),
        send_proxy=r.get("send_proxy", f.choice(t.SendProxy), d.send_proxy),
        drain_timeout=r.get("drain_timeout", f.duration(0, _DAY), d.drain_timeout),
        raw=r.get("raw", _LINES, ()),
        raw_server=r.get("raw_server", _LINES, ()),
    )
    return r.built(made) if r.close() else None


def _sticky(place: Place) -> t.Sticky:
    r = Record(place, "sticky")
    cookie = r.need("cookie", v.token, "cookie: SERVER", "SERVER")
    secure = r.get("secure", f.flag, t.Sticky.secure)
    r.close()
    return r.built(t.Sticky(cookie, secure))


def _retries(place: Place) -> t.Retries:
    r, d = Record(place, "retries"), t.Retries()
    made = t.Retries(
        r.get("attempts", f.whole(0, 100), d.attempts),
        r.get("on", each(f.choice(t.RetryOn), "write a list: [conn-failure, empty-response]"), d.on),
        r.get("methods", each(v.method, "write a list: [GET, HEAD]"), d.methods),
    )
    r.close()
    return r.built(made)


def _health(place: Place) -> t.TierHealth:
    r, d = Record(place, "health"), t.TierHealth()
    wait = f.duration(0.01, _DAY)
    made = t.TierHealth(
        type=r.get("type", f.choice(t.TierProbe), d.type),
        path=r.get("path", v.probe_path, d.path),
        host=r.get("host", v.probe_host, None),
        port=r.get("port", PORT, None),
        interval=r.get("interval", wait, d.interval),
        timeout=r.get("timeout", wait, d.timeout),
        rise=r.get("rise", f.whole(1, 1000), d.rise),
        fall=r.get("fall", f.whole(1, 1000), d.fall),
    )
    if (*place.path, "type") not in place.source.bad and made.type is t.TierProbe.TCP:
        for key in ("path", "host"):
            if r.has(key):
                r.fail(
                    key, f'"{key}" means nothing to a probe of type tcp', f"leave {key} out or use type http"
                )
    r.close()
    return r.built(made)


def _server(place: Place) -> t.TierServer | None:
    r, d = Record(place, "server"), t.TierServer
    made = t.TierServer(
        r.name("server", f.name, "name: s1"),
        r.need("address", v.server_address, "address: 10.1.0.11", NOWHERE),
        r.need("port", PORT, "port: 8080", 0),
        weight=r.get("weight", f.whole(0, MOST_WEIGHT), d.weight),
        drain=r.get("drain", f.flag, d.drain),
        backup=r.get("backup", f.flag, d.backup),
    )
    return r.built(made) if r.close() else None
