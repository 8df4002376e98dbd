"""A layer-7 tier as plain values, in the order of its schema. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.model.units import format_duration
from controller.spec import tier as t

Plain = dict[str, Any]


def tier(of: t.Tier) -> Plain:
    """One entry of ``tiers``."""
    return _given(
        {
            "name": of.name,
            "instances": [
                {"name": each.name, "master": each.master, "config": each.config} for each in of.instances
            ],
            "status_port": of.status_port,
            "timeouts": {
                "connect": format_duration(of.timeouts.connect),
                "client": format_duration(of.timeouts.client),
                "server": format_duration(of.timeouts.server),
                "http_request": format_duration(of.timeouts.http_request),
                "keep_alive": format_duration(of.timeouts.keep_alive),
            },
            "hard_stop_after": _duration(of.hard_stop_after),
            "raw_global": list(of.raw_global),
            "raw_defaults": list(of.raw_defaults),
            "raw_sections": list(of.raw_sections),
        }
    ) | {"frontends": [_frontend(each) for each in of.frontends], "pools": [_pool(each) for each in of.pools]}


def _frontend(of: t.Frontend) -> Plain:
    return _given(
        {
            "name": of.name,
            "mode": of.mode.value,
            "pool": of.pool,
            "forwarded_for": of.forwarded_for.value if of.mode is t.ProxyMode.HTTP else None,
            "max_connections": of.max_connections,
            "raw": list(of.raw),
            "binds": [_bind(each) for each in of.binds],
            "routes": [_route(each) for each in of.routes],
        }
    )


def _bind(of: t.Bind) -> Plain:
    return _given(
        {
            "port": of.port,
            "address": of.address,
            "certificates": list(of.certificates),
            "accept_proxy": of.accept_proxy,
        }
    )


def _route(of: t.TierRoute) -> Plain:
    return _given(
        {
            "pool": of.pool,
            "hosts": list(of.hosts),
            "paths": list(of.paths),
            "headers": [{"name": each.name, "value": each.value} for each in of.headers],
            "cookies": [{"name": each.name, "value": each.value} for each in of.cookies],
        }
    )


def _pool(of: t.TierPool) -> Plain:
    http = of.mode is t.ProxyMode.HTTP
    return _given(
        {
            "name": of.name,
            "mode": of.mode.value,
            "balance": of.balance.value,
            "balance_on": of.balance_on,
            "sticky": None if of.sticky is None else {"cookie": of.sticky.cookie, "secure": of.sticky.secure},
            "retries": {"attempts": of.retries.attempts}
            | (
                {"on": [each.value for each in of.retries.on], "methods": list(of.retries.methods)}
                if http
                else {}
            ),
            "health": None if of.health is None else _health(of.health),
            "send_proxy": of.send_proxy.value,
            "drain_timeout": format_duration(of.drain_timeout),
            "raw": list(of.raw),
            "raw_server": list(of.raw_server),
        }
    ) | {"servers": [_server(each) for each in of.servers]}


def _health(of: t.TierHealth) -> Plain:
    http = of.type is t.TierProbe.HTTP
    return _given(
        {
            "type": of.type.value,
            "path": of.path if http else None,
            "host": of.host,
            "port": of.port,
            "interval": format_duration(of.interval),
            "timeout": format_duration(of.timeout),
            "rise": of.rise,
            "fall": of.fall,
        }
    )


def _server(of: t.TierServer) -> Plain:
    return {
        "name": of.name,
        "address": str(of.address),
        "port": of.port,
        "weight": of.weight,
        "drain": of.drain,
        "backup": of.backup,
    }


def _duration(of: float | None) -> str | None:
    return None if of is None else format_duration(of)


def _given(values: Mapping[str, object]) -> Plain:
    """Without what has no value."""
    return {key: value for key, value in values.items() if value is not None and value != []}
