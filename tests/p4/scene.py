"""What the switch under test is for: services of every mode, servers behind ports, and how all that may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import ip_address, ip_network

import numpy as np

from controller import maglev
from controller.plan.tracking import EVERYTHING, Tracking, advance, move, slot_table
from controller.spec.access import OPEN, Access
from controller.spec.slots import SlotTable
from controller.spec.switch import (
    BackendSpec,
    Fate,
    GuardSpec,
    HeldPin,
    ListenerSpec,
    PoolSpec,
    SwitchSpec,
    Uplink,
    VipSpec,
)
from controller.spec.types import Address, Mode, Protocol, Role, Switch
from p4src.pipeline import target
from p4src.spec import UPLINKS, Group, P4Needs, RouteSpec, Secret
from p4src.target import P4Target

CLIENTS = 1
"""Port behind which all clients are, a router's."""
SERVERS = (2, 3, 4)
"""Ports behind which servers are, in turn."""
PORTS = (CLIENTS, *SERVERS)
SWITCH_MAC = "02:45:56:01:00:21"
VIRTUAL_MAC = "02:45:56:00:01:01"
CLIENT_MAC = "02:00:00:00:ff:01"
VIPS: Mapping[int, VipSpec] = {
    4: VipSpec(1, ip_address("10.0.0.100"), VIRTUAL_MAC, 30),
    6: VipSpec(2, ip_address("fd00::100"), VIRTUAL_MAC, 30),
}
LOCAL = (ip_network("10.3.0.0/24"), ip_network("fd00:3::/64"))
SECRET = Secret.of(bytes(range(101, 121)))
POOL = 7
_FIRST_PORT_GROUP = 10
_EVERYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Service:
    """A listener of the scene; the VIP is that of its family."""

    id: int
    mode: Mode = Mode.DR
    version: int = 4
    protocol: Protocol = Protocol.TCP
    sticky: bool = False
    guards: tuple[GuardSpec, ...] = ()
    access: Access = OPEN
    pool: int = POOL
    remembers: bool = True
    """All connections; else those of tracked slots."""

    @property
    def vip(self) -> Address:
        """The virtual address."""
        return VIPS[self.version].address

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return 1000 + self.id

    @property
    def backend_port(self) -> int:
        """Where servers listen."""
        return 2000 + self.id if self.mode in (Mode.NAT, Mode.FULLNAT) else self.port

    def spec(self) -> ListenerSpec:
        """As a duty names it."""
        return ListenerSpec(
            self.id,
            VIPS[self.version],
            self.protocol,
            self.port,
            self.backend_port,
            self.pool,
            self.mode,
            self.sticky,
            self.guards,
            self.remembers,
            access=self.access,
        )


def server_mac(backend: int) -> str:
    """A backend's own MAC."""
    return f"02:00:00:00:00:{backend:02x}"


def server_port(backend: int) -> int:
    """The port behind which a backend is."""
    return SERVERS[(backend - 1) % len(SERVERS)]


def server_address(backend: int, version: int) -> Address:
    """A backend's own address."""
    return ip_address(f"10.1.0.{backend}" if version == 4 else f"fd00:1::{backend:x}")


def probe_mac(port: int) -> str:
    """MAC that no host has: frames to it leave by a port and show that all before them are dealt with."""
    return f"02:00:00:00:fe:{port:02x}"


@lru_cache(maxsize=64)
def shared(backends: tuple[int, ...], slots: int) -> SlotTable:
    """The settled Maglev table of backends of one weight."""
    if not backends:
        return SlotTable.empty(slots)
    members = [maglev.WeightedBackend(f"backend {number}", number, 1) for number in backends]
    return SlotTable(maglev.build(members, slots), np.zeros(slots, np.uint16))


@dataclass(frozen=True)
class Scene:
    """A switch's task at one moment. Immutable: every change is another scene."""

    services: tuple[Service, ...]
    name: str = "lb1"
    role: Role = Role.LB
    backends: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Those that exist; the slot table says which of them serve."""
    table: SlotTable = field(default_factory=lambda: shared((1, 2, 3, 4), 256))
    fates: Mapping[int, Fate] = field(default_factory=dict)
    pins: tuple[HeldPin, ...] = ()
    keep: float = 900.0
    transition: float = 120.0
    cells_mask: int = 0xFFFF
    others: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Further pools and their backends; these never change."""
    tracking: Tracking | None = None
    """Of slots that are tracked when they move; None: all connections are remembered."""

    def just_enough(self) -> Scene:
        """The same, but that connections of tracked slots alone are remembered."""
        services = tuple(replace(each, remembers=False) for each in self.services)
        return replace(self, services=services)._tracked(Tracking.of(self.table.now))

    def tracked(self) -> Scene:
        """The same with every slot tracked: it has moved, and come back, and every switch knows."""
        assert self.tracking is not None
        now = self.tracking.now
        elsewhere = np.where(now == self.backends[0], *self.backends[1::-1]).astype(np.uint16)
        back = move(move(self.tracking, elsewhere), now)
        return self._tracked(advance(back, EVERYTHING, 0.0, self.keep))

    def _tracked(self, tracking: Tracking) -> Scene:
        kept = [n for n in self.backends if self.fates.get(n) not in (Fate.MOVE, Fate.RESET)]
        return replace(self, tracking=tracking, table=slot_table(tracking, kept))

    @property
    def moves(self) -> bool:
        """Whether slots have moved and not settled."""
        return bool(self.table.before.any() if self.tracking is None else self.tracking.tracks)

    def changing(self, serving: Iterable[int]) -> Scene:
        """Other backends serve; every slot that moves is in transition."""
        new = shared(tuple(serving), len(self.table.now)).now
        if self.tracking is not None:
            return self._tracked(move(self.tracking, new))
        before = np.where(new != self.table.now, self.table.now, 0).astype(np.uint16)
        return replace(self, table=SlotTable(new, before))

    def settled(self) -> Scene:
        """The transition is over."""
        if self.tracking is not None:
            tracking = self.tracking
            for _ in range(3):  # bases end, every switch has that, slots settle
                tracking = advance(tracking.later(-2 * self.keep), EVERYTHING, 0.0, self.keep)
            assert not tracking.tracks
            return self._tracked(tracking)
        return replace(self, table=SlotTable(self.table.now, np.zeros_like(self.table.before)))

    def with_fate(self, backend: int, fate: Fate) -> Scene:
        """A backend drains, or gives its connections away."""
        changed = replace(self, fates={**self.fates, backend: fate})
        return changed if self.tracking is None else changed._tracked(self.tracking)

    def service(self, number: int) -> Service:
        """By its listener number."""
        return next(each for each in self.services if each.id == number)

    def duty(self) -> SwitchSpec:
        """As the planner would put it."""
        switch = Switch(
            self.name,
            "bmv2",
            1,
            "east",
            frozenset({self.role}),
            SWITCH_MAC,
            local=LOCAL,
            gateway_mac=SWITCH_MAC,
        )
        pools = {POOL: self._pool(POOL, self.backends, self.table)}
        for number, backends in self.others.items():
            pools[number] = self._pool(number, backends, shared(backends, 256))
        return SwitchSpec(
            switch,
            tuple(VIPS.values()),
            tuple(each.spec() for each in self.services),
            pools,
            uplinks=tuple(Uplink(port, True) for port in SERVERS) if self.role is Role.EDGE else (),
            pins=self.pins,
        )

    def needs(self) -> P4Needs:
        """The P4 half: a group for each port, routes to hosts and to all others, probes."""
        groups = [Group(_group(port), (port,)) for port in PORTS]
        if self.role is Role.EDGE:
            groups.insert(0, Group(UPLINKS, SERVERS))
        routes = [RouteSpec(ip_network(each), _group(CLIENTS), None) for each in _EVERYWHERE]
        for number in (*self.backends, *(n for backends in self.others.values() for n in backends)):
            for version in (4, 6):
                to = ip_network(server_address(number, version))
                routes.append(RouteSpec(to, _group(server_port(number)), server_mac(number)))
        routes += [
            RouteSpec(ip_network(f"198.51.100.{port}/32"), _group(port), probe_mac(port)) for port in PORTS
        ]
        return P4Needs(
            SECRET,
            tuple(groups),
            tuple(routes),
            {(port,): _group(port) for port in SERVERS},
            dict.fromkeys((POOL, *self.others), self.keep),
            self.cells_mask,
            transition=dict.fromkeys((POOL, *self.others), self.transition),
        )

    def target(self) -> P4Target:
        """What the switch should hold."""
        return target(self.duty(), self.needs())

    def _pool(self, number: int, backends: tuple[int, ...], table: SlotTable) -> PoolSpec:
        return PoolSpec(number, len(table.now), tuple(self._backend(n, number) for n in backends), table)

    def _backend(self, number: int, pool: int) -> BackendSpec:
        return BackendSpec(
            number,
            pool,
            (server_address(number, 4), server_address(number, 6)),
            server_mac(number),
            (server_port(number),),
            self.fates.get(number, Fate.NORMAL),
        )


def _group(port: int) -> int:
    return _FIRST_PORT_GROUP + port
