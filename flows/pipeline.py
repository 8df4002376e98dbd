"""The whole pipeline of one switch: which stages its roles need, assembled into a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from controller.model.types import Role
from flows.entries import Flow, FlowBody, FlowKey, Group, Meter, Target
from flows.slots import SlotTable
from flows.spec import BackendSpec, Here, ListenerSpec, VipSpec
from flows.stages import answers, backend, choose, edge, fate, guard, icmp, listener, memory, pin, respond


@dataclass(frozen=True)
class PoolSpec:
    """A pool on a switch."""

    id: int
    slots: int
    backends: tuple[BackendSpec, ...]
    table: SlotTable


@dataclass(frozen=True)
class Duty:
    """Everything one switch has to know."""

    here: Here
    vips: tuple[VipSpec, ...]
    listeners: tuple[ListenerSpec, ...]
    pools: Mapping[int, PoolSpec]
    uplinks: tuple[edge.Uplink, ...] = ()
    pins: tuple[Flow, ...] = ()
    bypass: tuple[IPv4Network | IPv6Network, ...] = ()
    responder: bool = False
    """Whether this switch answers ARP/ND for its segment."""
    fragment_zone: int = field(default=0)


def target(duty: Duty) -> Target:
    """What the switch should hold."""
    roles = duty.here.switch.roles
    flows: list[Flow] = []
    groups: dict[int, Group] = {}
    meters: list[Meter] = []
    if duty.responder:
        flows += _responder(duty)
    if Role.LB in roles:
        flows += [*_lb(duty), *duty.pins]
        meters = guard.meters(duty.here.placed, list(duty.listeners))
    elif Role.EDGE in roles:
        flows += _edge(duty)
        groups = {g.id: g for g in (edge.group(duty.here, duty.uplinks),)}
    flows += _answers(duty)
    slots = {number: item.table for number, item in duty.pools.items()} if Role.LB in roles else {}
    return Target(_index(flows), groups, {m.id: m for m in meters}, slots)


def _index(flows: Iterable[Flow]) -> dict[FlowKey, FlowBody]:
    return {f.key: f.body for f in flows}


def _responder(duty: Duty) -> list[Flow]:
    answered = [f for vip in duty.vips for f in respond.flows(duty.here, vip)]
    return [*answered, respond.advert(duty.here)]


def _edge(duty: Duty) -> list[Flow]:
    out = []
    for vip in duty.vips:
        own = [item for item in duty.listeners if item.vip.id == vip.id]
        out += edge.flows(duty.here, vip, own, duty.uplinks)
    return out


def _lb(duty: Duty) -> list[Flow]:
    here = duty.here
    out = [
        *guard.static(here),
        *memory.static(here),
        *choose.static(here),
        *fate.static(here),
        *icmp.static(here),
        backend.too_big(here),
    ]
    for vip in duty.vips:
        out += [*icmp.claim(here, vip), listener.rest(here, vip)]
    for item in duty.listeners:
        out += [*listener.flows(here, item), *guard.flows(here, item), icmp.deliver(here, item)]
        out += answers.local(here, item)
        for real in duty.pools[item.pool].backends:
            out += backend.flows(here, item, real)
    for pool in duty.pools.values():
        out += choose.pool(here, pool.id, pool.slots)
        for real in pool.backends:
            out += [*fate.flows(here, real), *backend.nexthop(here, real)]
    return out


def _answers(duty: Duty) -> list[Flow]:
    out = []
    for item in (item for item in duty.listeners if item.mode == "nat"):
        for real in duty.pools[item.pool].backends:
            out += answers.nat(duty.here, item, real, duty.bypass, duty.fragment_zone)
    return out


__all__ = ["Duty", "PoolSpec", "pin", "target"]
