"""The schema of ``discovery``, and the same as a plain document."""

from __future__ import annotations

import re
from typing import Any

from controller.model import fields as f
from controller.model.reader import Place, Record, each, things
from controller.model.units import Wrong
from controller.spec.discovery import (
    UNLIMITED,
    Discovery,
    DiscoveryTls,
    Header,
    Limits,
    Service,
    ServiceRoute,
    Speaks,
    Target,
)

MOST_WEIGHT = 10_000
"""Of a target."""
_PORT = f.whole(1, 65535)
_LIMIT = f.whole(1, 2**31 - 1)
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?::([1-9][0-9]{0,4}))?")
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,200}")
_PATH = re.compile(r"/[!-~]{0,1000}")
_VALUE = re.compile(r"[ -~]{1,1000}")
_A_TARGET = "[{pool: web}]"


def read_discovery(place: Place) -> Discovery | None:
    """The ``discovery`` key of the file."""
    r = Record(place, "discovery")
    listen = r.need("listen", f.endpoint, "listen: 127.0.0.1:7460", "")
    tls = r.get("tls", _read_tls, None)
    insecure = r.get("insecure", f.flag, Discovery.insecure)
    service = things(_read_service, "service", "[{name: shop, port: 8080, pool: web}]")
    services = r.get("services", service, ())
    return r.built(Discovery(listen, services, tls, insecure)) if r.close() else None


def _read_tls(place: Place) -> DiscoveryTls | None:
    r = Record(place, "tls")
    cert = r.need("cert", _file, "cert: /etc/evenkeel/discovery.crt", "")
    key = r.need("key", _file, "key: /etc/evenkeel/discovery.key", "")
    ca = r.get("ca", _file, None)
    return r.built(DiscoveryTls(cert, key, ca)) if r.close() else None


def _read_service(place: Place) -> Service | None:
    """One entry of ``services``."""
    r = Record(place, "service")
    name = r.name("service", _service_name, "name: shop")
    port = r.need("port", _PORT, "port: 8080", 1)
    pool = r.get("pool", f.name, None)
    routes = r.get("routes", things(_read_route, "route", f"[{{to: {_A_TARGET}}}]"), ())
    if r.has("pool") is r.has("routes"):
        problem = (
            'both "pool" and "routes" are given' if r.has("pool") else 'neither "pool" nor "routes" is given'
        )
        r.fail("pool", problem, "write pool: NAME for all requests, or routes")
    elif r.has("routes") and not routes and "route" not in place.source.dropped:
        r.fail("routes", "routes is empty", f"write a list: [{{to: {_A_TARGET}}}]")
    elif pool is not None:
        routes = (r.built(ServiceRoute(to=(r.built(Target(pool)),))),)
    service = Service(
        name,
        port,
        routes,
        r.get("speaks", f.choice(Speaks), Service.speaks),
        r.get("prefer", each(f.name, "write a list of sites, the preferred one first"), ()),
        r.get("local_first", f.flag, Service.local_first),
        r.get("limits", _read_limits, UNLIMITED),
        r.get("listen", f.endpoint, None),
    )
    return r.built(service) if r.close() else None


def _read_route(place: Place) -> ServiceRoute | None:
    """One entry of a service's ``routes``."""
    r = Record(place, "route")
    path = r.get("path", _path, ServiceRoute.path)
    headers = r.get("headers", things(_read_header, "header", "[{name: x-env, value: staging}]"), ())
    to = r.need("to", things(_read_target, "target", _A_TARGET), f"to: {_A_TARGET}", ())
    if r.has("to") and not to and "target" not in place.source.dropped:
        r.fail("to", "to is empty", f"write a list: {_A_TARGET}")
    return r.built(ServiceRoute(path, headers, to)) if r.close() else None


def _read_header(place: Place) -> Header | None:
    r = Record(place, "header")
    name = r.need("name", _header_name, "name: x-env", "")
    value = r.need("value", _header_value, "value: staging", "")
    return r.built(Header(name, value)) if r.close() else None


def _read_target(place: Place) -> Target | None:
    r = Record(place, "target")
    pool = r.need("pool", f.name, "pool: web", "")
    subset = r.get("subset", f.name, None)
    weight = r.get("weight", f.whole(0, MOST_WEIGHT), Target.weight)
    return r.built(Target(pool, subset, weight)) if r.close() else None


def _read_limits(place: Place) -> Limits:
    r = Record(place, "limits")
    limits = Limits(
        r.get("connections", _LIMIT, None), r.get("pending", _LIMIT, None), r.get("requests", _LIMIT, None)
    )
    r.close()
    return r.built(limits)


def _service_name(place: Place) -> str:
    """Name, with ``:PORT`` behind it or without."""
    found = f.text(place)
    match = _SERVICE.fullmatch(found)
    if match is None or (match[1] and int(match[1]) > 65535):
        raise Wrong(f'is "{found[:100]}"', "write what clients dial, such as shop, shop.example or shop:443")
    return found


def _file(place: Place) -> str:
    """Absolute path."""
    found = f.text(place)
    if not found.startswith("/") or not found.isprintable() or len(found) > 4000:
        raise Wrong(f'is "{found[:100]}"', "write the absolute path of a file in PEM")
    return found


def _path(place: Place) -> str:
    """Path; begins with ``/``."""
    found = f.text(place)
    if _PATH.fullmatch(found) is None or "?" in found or "#" in found:
        raise Wrong(f'is "{found[:100]}"', "write how paths begin, such as /shop.Cart/")
    return found


def _header_name(place: Place) -> str:
    """Name of a header, in lower case."""
    found = f.text(place)
    if _TOKEN.fullmatch(found) is None:
        raise Wrong(f'is "{found[:100]}"', "write the name of a header in lower case, such as x-env")
    if found.endswith("-bin") or found.startswith("grpc-"):
        raise Wrong(f"is {found}, which gRPC does not look at", "choose another header, such as x-env")
    return found


def _header_value(place: Place) -> str:
    """Text of printable ASCII."""
    found = f.text(place)
    if _VALUE.fullmatch(found) is None:
        raise Wrong(f'is "{found[:100]}"', "write printable ASCII")
    return found


def discovery(of: Discovery | None) -> dict[str, Any]:
    """The part of a document that holds ``discovery``; empty: there is none."""
    if of is None:
        return {}
    tls = None if of.tls is None else _given(cert=of.tls.cert, key=of.tls.key, ca=of.tls.ca)
    whole = _given(listen=of.listen, tls=tls) | {"insecure": of.insecure}
    return {"discovery": whole | _given(services=[_service(each) for each in of.services])}


def _service(of: Service) -> dict[str, Any]:
    limits = _given(connections=of.limits.connections, pending=of.limits.pending, requests=of.limits.requests)
    return _given(
        name=of.name,
        port=of.port,
        routes=[_route(each) for each in of.routes],
        speaks=of.speaks.value,
        prefer=list(of.prefer),
        local_first=of.local_first,
        limits=limits,
        listen=of.listen,
    )


def _route(of: ServiceRoute) -> dict[str, Any]:
    headers = [{"name": each.name, "value": each.value} for each in of.headers]
    to = [_given(pool=each.pool, subset=each.subset, weight=each.weight) for each in of.to]
    return _given(path=of.path, headers=headers, to=to)


def _given(**values: object) -> dict[str, Any]:
    """Without what has no value."""
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}
