"""The whole pipeline of one switch: which stages its roles need, assembled into a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network

from controller.model.types import Role
from flows.entries import Flow, FlowBody, FlowKey, Group, Meter, Target
from flows.slots import SlotTable
from flows.spec import BackendSpec, Fate, Here, ListenerSpec, VipSpec
from flows.stages import (
    answers,
    backend,
    choose,
    edge,
    fate,
    fragment,
    guard,
    icmp,
    listener,
    memory,
    pin,
    respond,
)


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
    pins: tuple[pin.HeldPin, ...] = ()
    bypass: tuple[IPv4Network | IPv6Network, ...] = ()
    responder: bool = False
    """Whether this switch answers ARP/ND for its segment."""
    fragment_zone: int = field(default=0)
    """First of three conntrack zones: two to gather fragments, one for those of nat answers."""


def target(duty: Duty) -> Target:
    """What the switch should hold."""
    return Builder().target(duty)


class Builder:
    """Builds the targets of one switch, keeping what did not change.

    Slot tables, fates and pins change often and are cheap; everything else is built again only when it differs.
    """

    def __init__(self) -> None:
        self._basis: Duty | None = None
        self._fixed = Target()

    def target(self, duty: Duty) -> Target:
        """What the switch should hold."""
        basis = _without_moving_parts(duty)
        if basis != self._basis:
            self._fixed, self._basis = _fixed(basis), basis
        if Role.LB not in duty.here.switch.roles:
            return self._fixed
        moving = [each for held in duty.pins for each in pin.entries(duty.here, held)]
        for pool in duty.pools.values():
            for real in pool.backends:
                moving += fate.flows(duty.here, real)
        slots = {number: item.table for number, item in duty.pools.items()}
        return Target({**self._fixed.flows, **_index(moving)}, self._fixed.groups, self._fixed.meters, slots)


def _without_moving_parts(duty: Duty) -> Duty:
    pools = {
        number: replace(
            pool, backends=tuple(_without_fate(b) for b in pool.backends), table=SlotTable.NOTHING
        )
        for number, pool in duty.pools.items()
    }
    return replace(duty, pools=pools, pins=())


def _without_fate(real: BackendSpec) -> BackendSpec:
    return real if real.fate is Fate.NORMAL else replace(real, fate=Fate.NORMAL)


def _fixed(duty: Duty) -> Target:
    roles = duty.here.switch.roles
    flows: list[Flow] = []
    groups: dict[int, Group] = {}
    meters: list[Meter] = []
    if duty.responder:
        flows += _responder(duty)
    if Role.LB in roles:
        flows += _lb(duty)
        meters = guard.meters(duty.here.placed, list(duty.listeners))
    elif Role.EDGE in roles:
        flows += _edge(duty)
        groups = {g.id: g for g in (edge.group(duty.here, duty.uplinks),)}
    flows += _answers(duty)
    return Target(_index(flows), groups, {m.id: m for m in meters})


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
        *pin.static(here),
        *memory.static(here),
        *choose.static(here),
        *fate.static(here),
        *icmp.static(here),
        *fragment.static(here, duty.fragment_zone),
        backend.too_big(here),
    ]
    for vip in duty.vips:
        out += [*icmp.claim(here, vip), *fragment.claim(here, vip), listener.rest(here, vip)]
    for item in duty.listeners:
        out += [
            *listener.flows(here, item),
            *fragment.listener(here, item),
            *guard.flows(here, item),
            icmp.deliver(here, item),
        ]
        out += [*answers.local(here, item), *backend.fragment_source(here, item)]
        for real in duty.pools[item.pool].backends:
            out += backend.flows(here, item, real)
    for pool in duty.pools.values():
        out += choose.pool(here, pool.id, pool.slots)
        for real in pool.backends:
            out += backend.nexthop(here, real)
    return out


def _answers(duty: Duty) -> list[Flow]:
    out = []
    for item in (item for item in duty.listeners if item.mode == "nat"):
        for real in duty.pools[item.pool].backends:
            out += answers.nat(duty.here, item, real, duty.bypass, duty.fragment_zone)
    return out
