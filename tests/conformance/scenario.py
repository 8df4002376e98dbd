"""The little world in which all rows play: one switch in every role, clients and a router before it, servers behind.

    c1, c2 ─┐                          ┌─ b1 .. b4   10.1.0.11.., fd00:0:0:1::11..   on the switch's segments
    router ─┴─ segment ─ [ switch ] ───┴─ b5         10.2.0.15,   fd00:0:0:2::15     behind a router
            stretch ─┘ └─ annex

Every server has a port of its own. Behind ``stretch`` and ``annex`` the clients' segment goes on: as to another site,
and to one more host, whose MAC the switch knows. There is one listener of each mode, family, protocol and affinity.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import product

from controller.spec.access import OPEN
from controller.spec.policy import OnDown, Then
from controller.spec.types import (
    Access,
    Address,
    Affinity,
    Backend,
    Guard,
    Intent,
    Listener,
    Mode,
    OpenFlowPlacement,
    Pool,
    Port,
    Protocol,
    Role,
    Route,
    Site,
    Subnet,
    Switch,
    Vip,
)

SITE, ELSEWHERE = "east", "west"
SWITCH_MAC = "02:45:56:01:00:21"
GATEWAY_MAC = "02:45:56:00:00:fe"
VIRTUAL_MAC = "02:45:56:00:01:01"
VIPS: dict[int, Address] = {4: ip_address("10.0.0.100"), 6: ip_address("fd00::100")}
VIP_NAMES = {4: "shop", 6: "shop6"}
LOCAL: dict[int, IPv4Network | IPv6Network] = {
    4: ip_network("10.3.1.0/28"),
    6: ip_network("fd00:0:0:3:1::/80"),
}
BYPASS = (ip_network("10.9.0.0/24"), ip_network("fd00:0:0:9::/64"))
SEGMENT, STRETCH, ANNEX = "segment", "stretch", "annex"
UNGUARDED = Guard()
TUNNEL_MTU = 1450
"""The largest IP packet that every switch kind's tunnel takes; 1,480 is the most that any of them takes."""


@dataclass(frozen=True)
class Client:
    """A host before the switch."""

    name: str
    mac: str
    addresses: dict[int, Address] = field(hash=False)


CLIENTS = {
    "c1": Client("c1", "02:45:56:02:00:01", {4: ip_address("10.0.0.11"), 6: ip_address("fd00::11")}),
    "c2": Client("c2", "02:45:56:02:00:09", {4: ip_address("10.0.0.12"), 6: ip_address("fd00::12")}),
    # Behind the router, as is the prober, whose network is a bypass.
    "far": Client("far", GATEWAY_MAC, {4: ip_address("192.0.2.7"), 6: ip_address("2001:db8::7")}),
    "prober": Client("prober", GATEWAY_MAC, {4: ip_address("10.9.0.2"), 6: ip_address("fd00:0:0:9::2")}),
}
ROUTER: dict[int, Address] = {4: ip_address("10.0.0.254"), 6: ip_address("fd00::fe")}

NEAR = ("b1", "b2", "b3", "b4")
FAR = "b5"
_BEFORE = (
    *("10.0.0.0/24", "fd00::/64", "192.0.2.0/24", "2001:db8::/32"),
    *(str(network) for network in BYPASS),
)
"""Where clients are."""
SERVERS = (*NEAR, FAR)
SERVER_MACS = {name: f"02:45:56:02:00:{n:02x}" for n, name in enumerate(SERVERS, 2)}
FRAME_TO = {**SERVER_MACS, FAR: GATEWAY_MAC}
"""Destination MAC of frames for a server."""
SERVER_ADDRESSES: dict[str, dict[int, Address]] = {
    name: {4: ip_address(f"10.{rack}.0.{n}"), 6: ip_address(f"fd00:0:0:{rack}::{n}")}
    for name, rack, n in (("b1", 1, 11), ("b2", 1, 12), ("b3", 1, 13), ("b4", 1, 14), (FAR, 2, 15))
}
PORTS = {SEGMENT: 1, **{name: n for n, name in enumerate(SERVERS, 2)}, STRETCH: 7, ANNEX: 8}
NEIGHBOURS = {STRETCH: 17, ANNEX: 18}
"""Last part of the addresses of a host behind each."""
ANNEX_MAC = "02:45:56:02:00:08"


@dataclass(frozen=True)
class Service:
    """A listener as rows speak of it."""

    mode: Mode
    version: int = 4
    protocol: Protocol = Protocol.TCP
    sticky: bool = False
    guard: Guard = UNGUARDED
    access: Access = OPEN
    pool: str = "web"
    number: int = 0
    """Tells services apart that are alike otherwise."""

    @property
    def vip(self) -> Address:
        """Where clients send to."""
        return VIPS[self.version]

    @property
    def port(self) -> int:
        """The listener's."""
        return 1000 + 100 * self.number + 10 * self.sticky + list(Mode).index(self.mode)

    @property
    def backend_port(self) -> int:
        """The servers'; nat needs one of its own for every listener."""
        return self.port + 7000 if self.mode in (Mode.NAT, Mode.FULLNAT) else self.port

    def __str__(self) -> str:
        name = f"{self.mode}-v{self.version}-{self.protocol}"
        return f"{name}-sticky" if self.sticky else name


EVERY_MODE = tuple(Service(*row) for row in product(Mode, (4, 6), Protocol))
STICKY = tuple(replace(service, sticky=True) for service in EVERY_MODE)
DR = Service(Mode.DR)
DR_UDP = Service(Mode.DR, protocol=Protocol.UDP)


def server(name: str, weight: int = 1, group: int = 0, drain: bool = False) -> Backend:
    """One of the servers as a backend."""
    mac = None if name == FAR else SERVER_MACS[name]
    return Backend(name, tuple(SERVER_ADDRESSES[name].values()), mac, name, weight, group, drain)


def pool(*backends: str | Backend, name: str = "web", keep_for: float = 10.0, **policies: object) -> Pool:
    """A small pool (256 slots); ``policies`` are fields of ``Pool``. Panics never, unless told otherwise."""
    members = tuple(server(each) if isinstance(each, str) else each for each in backends)
    defaults = {
        "max_backends": 2,
        "panic_threshold": 1.0,
        "on_down_tcp": OnDown(keep_for, Then.MOVE),
    }
    return Pool(name, members, **{**defaults, **policies})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Setup:
    """An intent as rows speak of it."""

    pools: tuple[Pool, ...]
    services: tuple[Service, ...] = (*EVERY_MODE, *STICKY)
    authority: float = 30.0
    owned: bool = True
    """Whether this site owns the VIPs."""

    def intent(self, switch: Switch) -> Intent:
        """For the controller's planner."""
        subnets = (
            Subnet("front", (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))),
            Subnet("rack1", (ip_network("10.1.0.0/24"), ip_network("fd00:0:0:1::/64"))),
        )
        vips = (self._vip(version) for version in VIPS)
        return Intent((Site(SITE, subnets, BYPASS),), (switch,), self.pools, tuple(vips))

    def _vip(self, version: int) -> Vip:
        name = VIP_NAMES[version]
        listeners = tuple(
            Listener(
                name,
                each.protocol,
                each.port,
                each.pool,
                each.mode,
                each.backend_port,
                Affinity.SOURCE if each.sticky else Affinity.CONNECTION,
                each.guard,
                access=each.access or None,
            )
            for each in self.services
            if each.version == version
        )
        return Vip(name, VIPS[version], VIRTUAL_MAC, (SITE, ELSEWHERE), listeners, self.authority)

    def with_pool(self, changed: Pool) -> Setup:
        """The same with another pool of that name."""
        return replace(self, pools=tuple(changed if p.name == changed.name else p for p in self.pools))

    def with_service_in(self, number: int, pool: str) -> Setup:
        """The same with the service of that number in another pool."""
        moved = (replace(each, pool=pool) if each.number == number else each for each in self.services)
        return replace(self, services=tuple(moved))

    def with_access(self, number: int, access: Access) -> Setup:
        """The same with another access list of the service of that number."""
        listed = (replace(each, access=access) if each.number == number else each for each in self.services)
        return replace(self, services=tuple(listed))


def web(*backends: str | Backend, **policies: object) -> Setup:
    """One pool and all services."""
    return Setup((pool(*backends, **policies),))  # type: ignore[arg-type]


def switch_of(kind: str, tunnel_port: int | None = None) -> Switch:
    """The switch, if it were of that kind."""
    return Switch(
        "sw1",
        kind,
        0x21,
        SITE,
        frozenset(Role),
        SWITCH_MAC,
        ports=tuple(Port(number, to) for to, number in PORTS.items()),
        local=tuple(LOCAL.values()),
        tunnel_port=tunnel_port,
        gateway_mac=GATEWAY_MAC,
        placement=OpenFlowPlacement(next_table=200),
    )


def p4_switch(kind: str) -> Switch:
    """The switch, if it were a P4 switch: then it routes by itself."""
    hosts = tuple(
        Route(ip_network(address), (name,), SERVER_MACS[name])
        for name, addresses in SERVER_ADDRESSES.items()
        for address in addresses.values()
    )
    others = tuple(Route(ip_network(prefix), (SEGMENT,)) for prefix in _BEFORE)
    beside = tuple(
        Route(ip_network(f"{front}{number}"), (name,), ANNEX_MAC if name == ANNEX else None)
        for name, number in NEIGHBOURS.items()
        for front in ("10.0.0.", "fd00::")
    )
    return replace(switch_of(kind), p4runtime="unix:p4rt", routes=(*hosts, *others, *beside))
