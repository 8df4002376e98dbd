"""All flows of a switch made at once, stage by stage: what a target that is continued has to be equal to."""

from __future__ import annotations

from collections.abc import Iterator

from controller.spec.switch import SwitchSpec
from controller.spec.types import Mode, Role
from flows.entries import Flow, Group, Meter, Target
from flows.spec import Here
from flows.stages import (
    access,
    answers,
    backend,
    choose,
    conflict,
    edge,
    fate,
    fragment,
    guard,
    icmp,
    listener,
    memory,
    pin,
    respond,
    slotted,
)


def target(duty: SwitchSpec) -> Target:
    """What the switch should hold."""
    here, roles = Here.of(duty.switch), duty.switch.roles
    groups: dict[int, Group] = {}
    meters: list[Meter] = []
    slots = {}
    if Role.LB in roles:
        hashes = slotted.group(here.placed)
        groups = {hashes.id: hashes}
        meters = guard.meters(here.placed, list(duty.listeners))
        slots = {number: item.table for number, item in duty.pools.items()}
    elif Role.EDGE in roles:
        groups = dict(edge.groups(here, duty.ecmp, duty.uplinks))
    if duty.responder:
        meters = [*meters, conflict.meter(here.placed)]
    flows = {each.key: each.body for each in _flows(here, duty)}
    return Target(flows, groups, {m.id: m for m in meters}, slots)


def _flows(here: Here, duty: SwitchSpec) -> Iterator[Flow]:
    if duty.responder:
        for vip in duty.vips:
            yield from (*respond.flows(here, vip), *conflict.flows(here, vip))
        yield respond.advert(here)
    if Role.LB in duty.switch.roles:
        yield from _lb(here, duty)
    elif Role.EDGE in duty.switch.roles:
        for vip in duty.vips:
            own = [item for item in duty.listeners if item.vip.id == vip.id]
            yield from edge.flows(here, vip, own, duty.uplinks)
        yield from edge.slots(here, duty.ecmp)
    for item in duty.listeners:
        if item.mode is Mode.NAT:
            for real in duty.pools[item.pool].backends:
                yield from answers.nat(here, item, real, duty.bypass)


def _lb(here: Here, duty: SwitchSpec) -> Iterator[Flow]:
    for static in (access, guard, slotted, pin, memory, choose, fate, icmp, fragment):
        yield from static.static(here)
    yield backend.too_big(here)
    for vip in duty.vips:
        yield from (*icmp.claim(here, vip), *fragment.claim(here, vip), listener.rest(here, vip))
    for item in duty.listeners:
        yield from (*listener.flows(here, item), *fragment.listener(here, item), *guard.flows(here, item))
        yield from access.flows(here, item)
        yield icmp.deliver(here, item)
        yield from (*answers.local(here, item), *backend.fragment_source(here, item))
        for real in duty.pools[item.pool].backends:
            yield from backend.flows(here, item, real)
    for pool in duty.pools.values():
        yield from choose.pool(here, pool.id, pool.slots, pool.period)
        yield from slotted.pool(here, pool)
        yield from memory.old(here, pool.id, pool.period)
        for real in pool.backends:
            yield from (*backend.nexthop(here, real), fate.keeps(here, real), *fate.special(here, real))
    for held in duty.pins:
        yield from pin.entries(here, held)
