"""Intent as frozen data: what the operator wants, already validated and with every default filled in.

Nothing here does I/O or knows YAML; ``load.py`` builds these objects and ``check.py`` rejects the impossible.
Times are seconds (float), rates packets per second, addresses are ``ipaddress`` objects, MACs are the usual
lower-case colon form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from controller.spec.access import OPEN
from controller.spec.access import Access as Access
from controller.spec.addresses import Address as Address
from controller.spec.addresses import Network as Network
from controller.spec.addresses import Subnet as Subnet
from controller.spec.agents import USUAL_LEASE, Agent, Lease, times_of
from controller.spec.discovery import Discovery
from controller.spec.guard import UNGUARDED
from controller.spec.guard import Guard as Guard
from controller.spec.guard import PrefixRate as PrefixRate
from controller.spec.kinds import KINDS, Kind
from controller.spec.leasetimes import LeaseTimes
from controller.spec.moves import USUAL, Moves
from controller.spec.names import Zone
from controller.spec.policy import UNLIMITED, Budget
from controller.spec.pool import Backend as Backend
from controller.spec.pool import Labels as Labels
from controller.spec.pool import Pool as Pool
from controller.spec.routes import NO_ROUTES, Routes
from controller.spec.tier import Tier


class Role(StrEnum):
    """What a switch does for a VIP; one switch may hold several."""

    EDGE = "edge"
    LB = "lb"
    LEAF = "leaf"


class Mode(StrEnum):
    """How a packet reaches its backend."""

    DR = "dr"
    NAT = "nat"
    FULLNAT = "fullnat"
    TUN = "tun"


class Protocol(StrEnum):
    """Transport of a listener."""

    TCP = "tcp"
    UDP = "udp"

    @property
    def number(self) -> int:
        """IANA protocol number."""
        return 6 if self is Protocol.TCP else 17


class Affinity(StrEnum):
    """What is hashed and remembered."""

    CONNECTION = "connection"
    """The 5-tuple."""
    SOURCE = "source"
    """(source address, VIP)."""


@dataclass(frozen=True)
class Site:
    """A data centre."""

    name: str
    """Name by which ``site`` of switches and ``owners`` of VIPs refer to it."""
    subnets: tuple[Subnet, ...] = ()
    """The layer-2 segments that the lb switches reach without a router. A backend inside one is addressed by its own
    ``mac``, one outside by the switch's ``gateway_mac``. VIPs must lie in one. None: everything is one flat segment."""
    bypass: tuple[Network, ...] = ()
    """Hosts that talk to servers directly, such as the controller's probes and administrators: answers to them are
    never rewritten."""
    agents: tuple[Agent, ...] = ()
    """Programs (`evenkeel agent`) that own VIPs for this site, one of them at a time. None at any site: the controller
    that leads decides who owns VIPs, and has them answered at all sites."""


@dataclass(frozen=True)
class OpenFlowPlacement:
    """Where our flows live on a switch that others may program too."""

    entry_table: int = 0
    """Table in which VIP traffic is claimed."""
    tables_from: int = 10
    """First of our own tables, which are consecutive (35 of them)."""
    next_table: int | None = None
    """Table in which rewritten packets continue. None: they go through ``entry_table`` again, to flows below ours."""
    priority: int = 30000
    """Lowest priority of our flows in ``entry_table``; the highest is 90 more."""
    cookie: int = 0x4556
    """Upper 16 bits of every cookie of ours."""
    zones_from: int = 1000
    """First conntrack zone of ours: 8 for each VIP from here, 1,000 from 18,000 further on for fragments, one at 19,999
    further on, and from 20,000 further on one for each fullnat listener."""
    groups_from: int = 0x45560000
    """First group id of ours (65,536 follow)."""
    meters_from: int = 1000
    """First meter id of ours (10,000 follow)."""


SEGMENT, SHARED_SEGMENT = "segment", "segment-"
"""What a port leads to behind which clients and routers are; with a name after it, one that other edges are on too."""


def is_segment(name: str) -> bool:
    """Whether a port that leads there leads to clients and routers."""
    return name == SEGMENT or name.startswith(SHARED_SEGMENT)


@dataclass(frozen=True)
class Port:
    """A switch port and what is behind it."""

    number: int
    to: str
    """Name of a switch or of a backend's host, "segment" for where clients and routers are, or "segment-NAME" for such
    a place that other edges are on as well."""


@dataclass(frozen=True)
class Route:
    """Where a P4 switch, which has no other forwarding than ours, sends what is not balanced."""

    to: Network
    """Destination."""
    via: tuple[str, ...]
    """Neighbours as ``ports`` names them; traffic is spread over those that live."""
    mac: str | None = None
    """MAC of the host behind the port. None: the neighbour is a switch and routes on."""


@dataclass(frozen=True)
class FenceEnd:
    """A cable between an edge and a controller on which the controller claims its authority."""

    port: int
    """OpenFlow port number of the edge's end, on which Open vSwitch runs BFD; nothing else is behind it."""
    interface: str
    """Name of the controller's end, on the controller's machine. Each controller uses the ends that it has."""


@dataclass(frozen=True)
class Switch:
    """One switch under control."""

    name: str
    """Name by which ``ports``, ``at`` and ``via`` refer to it."""
    kind: str
    """What the switch is. All lb switches of a pool must be of kinds that share a hash (``bmv2`` and ``embedded``
    do). There is no program for ``tofino`` yet."""
    id: int
    """OpenFlow datapath id or P4Runtime device id. Digits that may be hexadecimal or decimal are refused."""
    site: str
    """Site that the switch belongs to."""
    roles: frozenset[Role]
    """``edge`` answers for VIPs and spreads their packets, ``lb`` chooses backends, ``leaf`` connects servers."""
    mac: str
    """Source of the packets that the switch sends."""
    ports: tuple[Port, ...] = ()
    """What is behind a port, such as ``{1: lb1, 4: s1, 9: segment}``: a switch, a backend, or ``segment`` (clients and
    routers; VIPs are announced there). ``segment-NAME`` is a segment that several edges of the site are on: the edge
    with the lowest id that is there answers and announces, and only the lowest id floods. A switch of another site is
    behind a stretch link. An edge needs its ports to lb switches here."""
    local: tuple[Network, ...] = ()
    """Prefixes of source addresses for fullnat, one address for each fullnat listener and IP version. On P4 switches:
    of tunnels too, and a prefix of 8 addresses or more serves all listeners of its IP version."""
    tunnel_port: int | None = None
    """OpenFlow port number of the VXLAN port (``remote_ip=flow``), which mode ``tun`` needs."""
    gateway_mac: str | None = None
    """Destination MAC towards backends behind a router."""
    ovsdb: str | None = None
    """Where the controller sets conntrack timeouts and opens links to edges. None: the operator sets the timeouts, and
    links must not be shut at boot."""
    placement: OpenFlowPlacement = field(default_factory=OpenFlowPlacement)
    """Where our flows live on an Open vSwitch that others may program too."""
    fence: tuple[FenceEnd, ...] = ()
    """Of an Open vSwitch edge: a cable to each controller of its site. It answers for VIPs only while a controller
    claims its authority on one of them by BFD. Without: until a hard timeout, in whole seconds, ends that."""
    p4runtime: str | None = None
    """Where a P4 switch's P4Runtime server listens; required for P4 switches."""
    routes: tuple[Route, ...] = ()
    """Of a P4 switch: where it sends what is not balanced."""

    @property
    def of_kind(self) -> Kind:
        """What is known of all switches of its kind. Raises KeyError for a kind that ``check`` refuses."""
        return KINDS[self.kind]

    def leading_to(self, name: str) -> tuple[int, ...]:
        """Numbers of the ports that lead to a switch or host, in the order of ``ports``."""
        return self._leading.get(name, ())

    @cached_property
    def _leading(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for port in self.ports:
            found[port.to] = (*found.get(port.to, ()), port.number)
        return found

    @property
    def hash_name(self) -> str:
        """Name of the tuple hash of this kind of switch."""
        return self.of_kind.hash


@dataclass(frozen=True)
class Listener:
    """(VIP, protocol, port) and where it leads."""

    vip: str
    protocol: Protocol
    """Transport."""
    port: int
    """Port of the VIP."""
    pool: str
    """Pool that serves it."""
    mode: Mode
    """How a packet reaches its backend."""
    backend_port: int
    """Port of the servers; ``dr`` and ``tun`` cannot change it."""
    affinity: Affinity = Affinity.CONNECTION
    """What is hashed and remembered: the 5-tuple, or (source address, VIP)."""
    guard: Guard = UNGUARDED
    """Limits on new connections."""
    accept_loss: bool = False
    """Edits of this listener may break its established connections."""
    access: Access | None = None
    """Sources that it serves; without it those of its VIP."""

    @property
    def name(self) -> str:
        """Stable identity, e.g. ``shop/tcp/80``."""
        return f"{self.vip}/{self.protocol}/{self.port}"


@dataclass(frozen=True)
class Vip:
    """A virtual address and its listeners."""

    name: str
    """Identity of the VIP."""
    address: Address
    """The virtual address."""
    mac: str
    """Virtual MAC, which no host has; VIPs may share it."""
    owners: tuple[str, ...]
    """Sites in order of preference; this version serves at the first."""
    listeners: tuple[Listener, ...]
    """What is served at the address."""
    authority: float = 30.0
    """How long a switch answers ARP and ND without renewal by the controller, which renews after a third of it."""
    labels: Labels = ()
    """Keys and values by which resources are found and roles are given; they change nothing else."""
    access: Access = OPEN
    """Sources that those of its listeners serve that have no list of their own."""

    def access_of(self, listener: Listener) -> Access:
        """Sources that one of its listeners serves."""
        return self.access if listener.access is None else listener.access


@dataclass(frozen=True)
class Intent:
    """Everything wanted, validated."""

    sites: tuple[Site, ...]
    """Data centres."""
    switches: tuple[Switch, ...]
    """Switches under control."""
    pools: tuple[Pool, ...]
    """Backends with one health policy."""
    vips: tuple[Vip, ...]
    """Virtual addresses and their listeners."""
    moves: Moves = USUAL
    """When VIPs move between sites by themselves."""
    lease: Lease = USUAL_LEASE
    """How long a site owns VIPs by one renewal, where sites have agents."""
    allow_empty: bool = False
    """Whether the file may take away all VIPs, listeners, pools or backends that were there before."""
    budget: Budget = UNLIMITED
    """How much of each pool may be disturbed at once, where its own ``budget`` says nothing."""
    zones: tuple[Zone, ...] = ()
    """Zones of names that are served with authority: their services' addresses follow VIPs and health."""
    routes: Routes = NO_ROUTES
    """How VIPs are announced to routers."""
    tiers: tuple[Tier, ...] = ()
    """HAProxy processes behind L4 pools, which the controller configures."""
    discovery: Discovery | None = None
    """A discovery server (xDS) for gRPC clients without a proxy, and for Envoy. None: none is run."""

    @property
    def by_agents(self) -> bool:
        """Whether agents own VIPs, and answer for them."""
        return any(site.agents for site in self.sites)

    @property
    def discovered(self) -> frozenset[str]:
        """Names of the pools that discovery leads to."""
        services = () if self.discovery is None else self.discovery.services
        return frozenset(name for service in services for name in service.pools)

    @property
    def lease_times(self) -> LeaseTimes:
        """What the agents go by."""
        edges = (switch for switch in self.switches if Role.EDGE in switch.roles)
        return times_of(self.lease, all(edge.fence or edge.of_kind.roles for edge in edges))

    def pool(self, name: str) -> Pool:
        """The pool of that name (it exists: ``check`` saw to it)."""
        return self._pools[name]

    def site(self, name: str) -> Site:
        """The site of that name."""
        return self._sites[name]

    def switch(self, number: int) -> Switch | None:
        """The switch of that datapath or device id, if there is one."""
        return self._by_id.get(number)

    def switch_named(self, name: str) -> Switch | None:
        """The switch of that name, if there is one."""
        return self._by_name.get(name)

    def listeners(self) -> tuple[Listener, ...]:
        """All listeners of all VIPs, in file order."""
        return self._listeners

    @cached_property
    def _pools(self) -> dict[str, Pool]:
        return {pool.name: pool for pool in reversed(self.pools)}

    @cached_property
    def _sites(self) -> dict[str, Site]:
        return {site.name: site for site in reversed(self.sites)}

    @cached_property
    def _by_id(self) -> dict[int, Switch]:
        return {switch.id: switch for switch in reversed(self.switches)}

    @cached_property
    def _by_name(self) -> dict[str, Switch]:
        return {switch.name: switch for switch in reversed(self.switches)}

    @cached_property
    def _listeners(self) -> tuple[Listener, ...]:
        return tuple(listener for vip in self.vips for listener in vip.listeners)
