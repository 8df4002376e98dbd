"""An intent as the document that says it, in plain values: dicts, lists, texts, numbers, truths. Pure.

It is canonical: every key that has a value and may be written is there, in the order of the schema, so that reading it
gives the same intent. ``plain.py`` reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from controller.model import zonedocument
from controller.model.discovery import discovery
from controller.model.pools import (
    NO_GROUPS_BESIDE_FAILOVER,
    NO_WEIGHTS_BESIDE_FAILOVER,
    NOT_BESIDE_FAILOVER,
    PROBE_KEYS,
)
from controller.model.routes import routes
from controller.model.tierdocument import tier
from controller.model.units import format_duration
from controller.spec.agents import Lease
from controller.spec.health import HealthCheck
from controller.spec.kinds import Protocol as Speaks
from controller.spec.moves import Moves
from controller.spec.names import Zone
from controller.spec.policy import UNLIMITED, Amount, Budget, OnDown
from controller.spec.pool import Subset
from controller.spec.routes import NO_ROUTES
from controller.spec.scheduling import Adaptive
from controller.spec.serveragent import AgentCheck, AgentKind
from controller.spec.types import (
    Access,
    Backend,
    Guard,
    Intent,
    Listener,
    OpenFlowPlacement,
    Pool,
    Route,
    Site,
    Subnet,
    Switch,
    Vip,
)

Plain = dict[str, Any]
"""A mapping of a document: what JSON can hold, under the keys of the schema."""


def document(intent: Intent) -> Plain:
    """The whole intent."""
    whole: Plain = {
        "sites": [site(each) for each in intent.sites],
        "switches": [switch(each) for each in intent.switches],
        "pools": [pool(each, intent.budget) for each in intent.pools],
        "vips": [vip(each) for each in intent.vips],
        "moves": moves(intent.moves),
        "allow_empty": intent.allow_empty,
    }
    return (
        whole
        | ({"lease": _lease(intent.lease)} if intent.by_agents else {})
        | ({"budget": budget} if (budget := _budget(intent.budget)) else {})
        | ({} if intent.routes == NO_ROUTES else {"routes": routes(intent.routes)})
        | ({"zones": [zone(each) for each in intent.zones]} if intent.zones else {})
        | ({"tiers": [tier(each) for each in intent.tiers]} if intent.tiers else {})
        | discovery(intent.discovery)
    )


def _budget(of: Budget, known: Budget = UNLIMITED) -> Plain:
    """What it limits otherwise than ``known``, which holds where nothing is said."""
    said = {
        "max_slots_moved_per_minute": _amount(of.max_slots_moved_per_minute),
        "max_unavailable": _amount(of.max_unavailable),
        "max_tracked_share": None if of.max_tracked_share is None else format_share(of.max_tracked_share),
    }
    return _given({key: text for key, text in said.items() if getattr(of, key) != getattr(known, key)})


def _amount(of: Amount | None) -> str | None:
    if of is None:
        return None
    return format_share(of.number) if of.share else f"{of.number:.0f}"


def _lease(of: Lease) -> Plain:
    return _given(
        {
            "renew": format_duration(of.renew),
            "authority": None if of.authority is None else format_duration(of.authority),
            "drift": format_share(of.drift),
            "margin": format_duration(of.margin),
        }
    )


def site(of: Site) -> Plain:
    """One entry of ``sites``."""
    return _given(
        {
            "name": of.name,
            "subnets": [_subnet(each) for each in of.subnets],
            "bypass": _texts(of.bypass),
            "agents": [{"name": each.name, "peers": list(each.peers)} for each in of.agents],
        }
    )


def _subnet(of: Subnet) -> Plain:
    return {"name": of.name, "prefixes": _texts(of.prefixes)}


def switch(of: Switch) -> Plain:
    """One entry of ``switches``."""
    openflow = of.of_kind.protocol is Speaks.OPENFLOW
    return _given(
        {
            "name": of.name,
            "site": of.site,
            "kind": of.kind,
            "id": f"{of.id:#x}",
            "roles": sorted(role.value for role in of.roles),
            "mac": of.mac,
            "ports": {str(port.number): port.to for port in of.ports},
            "local": _texts(of.local),
            "tunnel_port": of.tunnel_port,
            "gateway_mac": of.gateway_mac,
            "ovsdb": of.ovsdb,
            "openflow": _placement(of.placement) if openflow else None,
            "fence": [{"port": end.port, "interface": end.interface} for end in of.fence],
            "p4runtime": of.p4runtime,
            "routes": [_route(each) for each in of.routes],
        }
    )


def _placement(of: OpenFlowPlacement) -> Plain:
    return _given({each.name: getattr(of, each.name) for each in fields(of)})


def _route(of: Route) -> Plain:
    return _given({"to": str(of.to), "via": list(of.via), "mac": of.mac})


def pool(of: Pool, budget: Budget = UNLIMITED) -> Plain:
    """One entry of ``pools``. ``budget``: the document's, which need not be said again."""
    whole = {
        "name": of.name,
        "max_backends": of.max_backends,
        "health": None if of.health is None else _health(of.health),
        "agent": None if of.agent is None else _agent(of.agent),
        "scheduler": of.scheduler.value,
        "adaptive": _adaptive(of.adaptive) if of.scheduler.adapts else None,
        "slow_start": format_duration(of.slow_start),
        "on_down": {"tcp": _policy(of.on_down_tcp), "udp": _policy(of.on_down_udp)},
        "drain_timeout": format_duration(of.drain_timeout),
        "drain_then": of.drain_then.value,
        "memory_timeout": format_duration(of.memory_timeout),
        "transition": format_duration(of.transition),
        "panic_threshold": format_share(of.panic_threshold),
        "spill_below": format_share(of.spill_below),
        "backup": of.backup,
        "zones": of.zones.value,
        "split": [_subset(each) for each in of.split],
        "failover": None,
        "spread": of.spread.value,
        "capacity": of.capacity,
        "budget": _budget(of.budget, budget) or None,
        "labels": dict(of.labels) or None,
    }
    if of.failover is not None:
        for key in (*NOT_BESIDE_FAILOVER, *NO_GROUPS_BESIDE_FAILOVER, *NO_WEIGHTS_BESIDE_FAILOVER):
            del whole[key]
        whole["failover"] = {"writer": "one", "failback": of.failover.failback.value}
    return {**_given(whole), "backends": [backend(each) for each in of.own]}


def _policy(of: OnDown) -> Plain:
    return {"keep_for": format_duration(of.keep_for), "then": of.then.value}


def _health(of: HealthCheck) -> Plain:
    whole = {
        "type": of.kind.value,
        "port": of.port,
        "interval": format_duration(of.interval),
        "timeout": format_duration(of.timeout),
        "rise": of.rise,
        "fall": of.fall,
        "path": of.path,
        "host": of.host,
        "status": [str(low) if low == high else f"{low}-{high}" for low, high in of.statuses],
        "body": of.body,
        "verify": of.verify,
        "send": format_octets(of.send),
        "expect": None if of.expect is None else format_octets(of.expect),
        "flap": {"limit": of.flap_limit, "window": format_duration(of.flap_window)},
        "places": of.places.value,
    }
    return _given({key: value for key, value in whole.items() if of.kind in PROBE_KEYS.get(key, (of.kind,))})


def _agent(of: AgentCheck) -> Plain:
    return _given(
        {
            "type": of.kind.value,
            "port": of.port,
            "path": of.path if of.kind is AgentKind.HTTP else None,
            "interval": format_duration(of.interval),
            "timeout": format_duration(of.timeout),
        }
    )


def _subset(of: Subset) -> Plain:
    return _given({"name": of.name, "weight": of.weight, "labels": dict(of.labels)})


def _adaptive(of: Adaptive) -> Plain:
    return {
        "interval": format_duration(of.interval),
        "smoothing": format_duration(of.smoothing),
        "dead_band": format_share(of.dead_band),
        "lasting": format_duration(of.lasting),
        "least": format_share(of.least),
        "most": format_share(of.most),
    }


def backend(of: Backend) -> Plain:
    """One entry of a pool's ``backends``."""
    one = len(of.addresses) == 1
    return _given(
        {
            "name": of.name,
            "address": str(of.addresses[0]) if one else None,
            "addresses": [] if one else _texts(of.addresses),
            "mac": of.mac,
            "at": of.at,
            "weight": of.weight,
            "group": of.group,
            "drain": of.drain,
            "subset": of.subset,
            "zone": of.zone,
            "labels": dict(of.labels) or None,
        }
    )


def vip(of: Vip) -> Plain:
    """One entry of ``vips``."""
    return {
        "name": of.name,
        "address": str(of.address),
        "mac": of.mac,
        "owners": list(of.owners),
        "authority": format_duration(of.authority),
        **({"labels": dict(of.labels)} if of.labels else {}),
        **_given({"access": _access(of.access)}),
        "listeners": [_listener(each) for each in of.listeners],
    }


def _listener(of: Listener) -> Plain:
    guard = of.guard
    return _given(
        {
            "protocol": of.protocol.value,
            "port": of.port,
            "pool": of.pool,
            "mode": of.mode.value,
            "affinity": of.affinity.value,
            "backend_port": of.backend_port,
            "accept_loss": of.accept_loss,
            "guard": None if guard == Guard() else _guard(guard),
            "access": None if of.access is None else _access(of.access),
        }
    )


def _access(of: Access) -> Plain:
    return _given({"allow": _texts(of.allow), "block": _texts(of.block)})


def _guard(of: Guard) -> Plain:
    prefixes = [{"prefix": str(row.prefix), "rate": row.rate} for row in of.prefixes]
    return _given({"rate": of.rate, "prefixes": prefixes})


def zone(of: Zone) -> Plain:
    """One entry of ``zones``."""
    return zonedocument.zone(of, _health, format_share)


def moves(of: Moves) -> Plain:
    """The key ``moves``."""
    return {
        "preempt": of.preempt,
        "hold": format_duration(of.hold),
        "unsynced_wait": format_duration(of.unsynced_wait),
    }


def format_share(share: float) -> str:
    """The text that ``parse_share`` turns into exactly ``share`` (0 to 1), and a factor's converter into a factor."""
    return f"{(Decimal(repr(float(share))) * 100).normalize():f}%"


def format_octets(octets: bytes) -> str:
    """The text that ``parse_octets`` turns into exactly these octets."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = ""
    plain = text.isprintable() and not text.startswith("hex:")
    return text if plain and text.encode() == octets else f"hex:{octets.hex()}"


def _texts(values: Iterable[object]) -> list[str]:
    return [str(each) for each in values]


def _given(values: Mapping[str, object]) -> Plain:
    """Without what has no value: None, an empty list, an empty mapping."""
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}
