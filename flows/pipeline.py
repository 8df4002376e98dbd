"""The whole pipeline of one switch: which stages its roles need, assembled into a target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from controller.spec.slots import SlotTable
from controller.spec.switch import BackendSpec, Duty, Fate
from controller.spec.types import Role
from flows.entries import Flow, FlowBody, FlowKey, Group, Meter, Target
from flows.spec import Here
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
        if Role.LB not in duty.switch.roles:
            return self._fixed
        here = Here.of(duty.switch)
        moving = [each for held in duty.pins for each in pin.entries(here, held)]
        for pool in duty.pools.values():
            for real in pool.backends:
                moving += fate.flows(here, real)
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
    here, roles = Here.of(duty.switch), duty.switch.roles
    flows: list[Flow] = []
    groups: dict[int, Group] = {}
    meters: list[Meter] = []
    if duty.responder:
        flows += _responder(here, duty)
    if Role.LB in roles:
        flows += _lb(here, duty)
        meters = guard.meters(here.placed, list(duty.listeners))
    elif Role.EDGE in roles:
        flows += _edge(here, duty)
        groups = {g.id: g for g in (edge.group(here, duty.uplinks),)}
    flows += _answers(here, duty)
    return Target(_index(flows), groups, {m.id: m for m in meters})


def _index(flows: Iterable[Flow]) -> dict[FlowKey, FlowBody]:
    return {f.key: f.body for f in flows}


def _responder(here: Here, duty: Duty) -> list[Flow]:
    answered = [f for vip in duty.vips for f in respond.flows(here, vip)]
    return [*answered, respond.advert(here)]


def _edge(here: Here, duty: Duty) -> list[Flow]:
    out = []
    for vip in duty.vips:
        own = [item for item in duty.listeners if item.vip.id == vip.id]
        out += edge.flows(here, vip, own, duty.uplinks)
    return out


def _lb(here: Here, duty: Duty) -> list[Flow]:
    out = [
        *guard.static(here),
        *pin.static(here),
        *memory.static(here),
        *choose.static(here),
        *fate.static(here),
        *icmp.static(here),
        *fragment.static(here),
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


def _answers(here: Here, duty: Duty) -> list[Flow]:
    out = []
    for item in (item for item in duty.listeners if item.mode == "nat"):
        for real in duty.pools[item.pool].backends:
            out += answers.nat(here, item, real, duty.bypass)
    return out
