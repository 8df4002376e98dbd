"""Duties in which everything occurs: each mode, family and affinity, guards, pins, fates, a transition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import count, product

import numpy as np

from controller.plan.ecmp import ecmp
from controller.spec.access import Access
from controller.spec.slots import SlotTable
from controller.spec.switch import (
    BackendSpec,
    Fate,
    GuardSpec,
    HeldPin,
    ListenerSpec,
    PinRole,
    PinSpec,
    PoolSpec,
    SwitchSpec,
    Uplink,
    VipSpec,
)
from controller.spec.types import Mode, OpenFlowPlacement, Protocol, Role, Switch
from flows.entries import Target

MAC = "02:45:56:01:00:21"
LB_PLACE = OpenFlowPlacement(next_table=200)
EDGE_PLACE = OpenFlowPlacement(next_table=200, tables_from=60, entry_table=59)
"""Other tables of the same switch."""
VIPS = (
    VipSpec(1, ip_address("10.0.0.100"), "02:45:56:00:01:01", 30),
    VipSpec(2, ip_address("fd00::100"), "02:45:56:00:01:01", 30),
)
_LOCAL = {4: ip_address("10.3.0.1"), 6: ip_address("fd00:3::1")}
_SOURCES = {4: ip_network("192.0.2.0/24"), 6: ip_network("2001:db8::/48")}
_LISTS = {
    4: Access((ip_network("10.0.0.0/24"),), (ip_network("0.0.0.0/0"), ip_network("10.0.0.7/32"))),
    6: Access((ip_network("fd00::/64"),), (ip_network("::/0"), ip_network("fd00::7/128"))),
}
POOL = 1


def switch(place: OpenFlowPlacement = LB_PLACE, *roles: Role) -> Switch:
    """A switch with these roles (lb if none is said)."""
    return Switch("lb1", "ovs", 1, "east", frozenset(roles or {Role.LB}), MAC, tunnel_port=2, placement=place)


def listeners() -> tuple[ListenerSpec, ...]:
    """One of each kind."""
    return tuple(_listeners())


def _listeners() -> Iterator[ListenerSpec]:
    numbers = count(1)
    for vip, protocol, mode, sticky in product(VIPS, Protocol, Mode, (False, True)):
        n = next(numbers)
        version = vip.address.version
        local = _LOCAL[version] if mode is Mode.FULLNAT else None
        guards = (GuardSpec(2 * n, 100), GuardSpec(2 * n + 1, 10, _SOURCES[version]))
        remembers = sticky or protocol is Protocol.UDP or mode is Mode.TUN
        made = ListenerSpec(
            n, vip, protocol, 1000 + n, 2000 + n, POOL, mode, sticky, guards, remembers, local
        )
        yield replace(made, access=_LISTS[version]) if n % 2 else made


def backends(number: int = 5) -> tuple[BackendSpec, ...]:
    """Backends of each fate, behind no, one or two ports."""
    ports: dict[int, tuple[int, ...]] = {2: (1, 2), 3: ()}
    return tuple(
        BackendSpec(
            i,
            POOL,
            (ip_address(f"10.1.0.{i}"), ip_address(f"fd00:1::{i:x}")),
            f"02:00:00:00:00:{i:02x}",
            ports.get(i, (2,)),
            list(Fate)[i % 4],
        )
        for i in range(1, number + 1)
    )


def table(slots: int = 256, number: int = 5, moving: int = 20) -> SlotTable:
    """Slots in turn, the first ``moving`` of them in transition from backend 3, watched for either, and tracked."""
    now = (np.arange(slots) % number + 1).astype(np.uint16)
    before = np.zeros(slots, np.uint16)
    before[:moving] = 3
    watched = (3 << 16 | np.arange(moving)).astype(np.uint32)
    young = np.sort(now[:moving].astype(np.uint32) << 16 | np.arange(moving, dtype=np.uint32))
    class_ = np.where(before != 0, np.arange(slots) % 3 + 1, 0).astype(np.uint16)
    return SlotTable(
        now, before, watched, young, class_, before.copy(), np.roll(before, 20), watched.copy(), young.copy()
    )


def lb_duty(slots: SlotTable | None = None) -> SwitchSpec:
    """An lb switch that also answers ARP."""
    slots = slots or table()
    pins = tuple(
        HeldPin(PinSpec(7 + i, 3, Protocol.TCP, ip_address("10.0.0.1"), 1234 + i, 2), role, 900)
        for i, role in enumerate(PinRole)
    )
    return SwitchSpec(
        switch(),
        VIPS,
        listeners(),
        {POOL: PoolSpec(POOL, len(slots.now), backends(), slots)},
        pins=pins,
        bypass=(ip_network("10.9.0.0/24"),),
        responder=True,
    )


def edge_duty() -> SwitchSpec:
    """An edge of the same services, two uplinks, one of them not admitted."""
    return SwitchSpec(
        switch(EDGE_PLACE, Role.EDGE),
        VIPS,
        listeners(),
        {POOL: PoolSpec(POOL, 256, backends(), table())},
        uplinks=(Uplink(1, True), Uplink(2, False)),
        ecmp=ecmp(((1, "21/0"), (2, "22/0"))),
        responder=True,
        bypass=(ip_network("10.9.0.0/24"),),
    )


def with_slots(target: Target, slots: SlotTable, pool: int = POOL) -> Target:
    """The same with another slot table."""
    return Target(target.flows, target.groups, target.meters, {**target.slots, pool: slots})
