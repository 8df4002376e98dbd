"""Intent as frozen data: what the operator wants, already validated and with every default filled in.

Nothing here does I/O or knows YAML; ``load.py`` builds these objects and ``check.py`` rejects the impossible.
Times are seconds (float), rates packets per second, addresses are ``ipaddress`` objects, MACs are the usual
lower-case colon form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from controller.spec.kinds import KINDS, Kind

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


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


class Then(StrEnum):
    """What becomes of remembered connections when a grace time has passed."""

    KEEP = "keep"
    MOVE = "move"
    RESET = "reset"


class ProbeKind(StrEnum):
    """How a backend is asked whether it lives."""

    TCP = "tcp"
    HTTP = "http"
    HTTPS = "https"
    UDP = "udp"
    ICMP = "icmp"


@dataclass(frozen=True)
class Subnet:
    """A layer-2 segment that this site's lb switches reach without a router."""

    name: str
    prefixes: tuple[Network, ...]


@dataclass(frozen=True)
class Site:
    """A data centre."""

    name: str
    subnets: tuple[Subnet, ...] = ()
    bypass: tuple[Network, ...] = ()
    """Hosts that talk to servers directly (probers, administrators): answers to them are never rewritten."""


@dataclass(frozen=True)
class OpenFlowPlacement:
    """Where our flows live on a switch that others may program too."""

    entry_table: int = 0
    """Table in which VIP traffic is claimed."""
    tables_from: int = 10
    """First of our own tables; ``flows.tables.COUNT`` tables follow."""
    next_table: int | None = None
    """Table that unclaimed packets go to; None: what others installed below us in ``entry_table``."""
    priority: int = 30000
    """Lowest priority of our flows in ``entry_table``."""
    cookie: int = 0x4556
    """Upper 16 bits of every cookie of ours."""
    zones_from: int = 1000
    """First conntrack zone of ours."""
    groups_from: int = 0x45560000
    """First group id of ours (65,536 follow)."""
    meters_from: int = 1000
    """First meter id of ours (10,000 follow)."""


SEGMENT, SHARED_SEGMENT = "segment", "segment-"
"""What a port leads to behind which clients and routers are; with a name after it, one that other edges are on too."""


def is_segment(name: str) -> bool:
    """Whether a port that leads there leads to clients and routers, whoever they are."""
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
    via: tuple[str, ...]
    """Neighbours as ``ports`` names them; traffic is spread over those that live."""
    mac: str | None = None
    """MAC of the host behind the port; None: the neighbour is a switch and routes on."""


@dataclass(frozen=True)
class Switch:
    """One switch under control."""

    name: str
    kind: str
    """"ovs" | "bmv2" | "embedded" | "tofino"; fixes the hash (``hash_name``)."""
    id: int
    """OpenFlow datapath id or P4Runtime device id."""
    site: str
    roles: frozenset[Role]
    mac: str
    ports: tuple[Port, ...] = ()
    local: tuple[Network, ...] = ()
    """Prefixes of local source addresses for fullnat (one address serves one listener)."""
    tunnel_port: int | None = None
    """OpenFlow port of the VXLAN port (``remote_ip=flow``)."""
    gateway_mac: str | None = None
    """Destination MAC towards routed (non layer-2) backends."""
    ovsdb: str | None = None
    """OVSDB address ("tcp:HOST:PORT" | "unix:PATH") for conntrack timeouts; None: the operator sets them."""
    placement: OpenFlowPlacement = field(default_factory=OpenFlowPlacement)
    p4runtime: str | None = None
    """Where a P4 switch's P4Runtime server listens ("HOST:PORT" | "unix:PATH")."""
    routes: tuple[Route, ...] = ()
    """Of a P4 switch."""

    @property
    def of_kind(self) -> Kind:
        """What is known of all switches of its kind. Raises KeyError for a kind that ``check`` refuses."""
        return KINDS[self.kind]

    @property
    def hash_name(self) -> str:
        """Name of the tuple hash of this kind of switch."""
        return self.of_kind.hash


@dataclass(frozen=True)
class Backend:
    """A real server in a pool. ``name`` is its identity: it seeds the Maglev permutation."""

    name: str
    addresses: tuple[Address, ...]
    """At most one per family."""
    mac: str | None = None
    """Needed for dr, and for nat and fullnat where no router is between."""
    at: str | None = None
    """Switch behind which the server stands."""
    weight: int = 1
    group: int = 0
    """Priority group: the lowest one with a living backend serves."""
    drain: bool = False

    def address(self, version: int) -> Address | None:
        """The address of IP ``version`` (4 or 6), if it has one."""
        return next((a for a in self.addresses if a.version == version), None)


@dataclass(frozen=True)
class HealthCheck:
    """How often and how a pool's backends are probed, and what counts."""

    kind: ProbeKind = ProbeKind.TCP
    port: int | None = None
    """Port to probe; None: the listener's backend port (icmp has none)."""
    interval: float = 1.0
    timeout: float = 0.5
    rise: int = 2
    fall: int = 3
    path: str = "/"
    host: str | None = None
    """Host header and TLS server name."""
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    """Inclusive ranges that count as well."""
    body: str | None = None
    """Regular expression that the first 64 KiB of the body must contain."""
    send: bytes = b""
    """UDP request."""
    expect: bytes | None = None
    """Prefix that the UDP response must have; None: any response."""
    verify: bool = False
    """Verify the TLS certificate."""
    flap_limit: int = 6
    """Changes of verdict within ``flap_window`` after which a backend is held down."""
    flap_window: float = 60.0


@dataclass(frozen=True)
class OnDown:
    """What remembered connections of a backend do once it is judged down."""

    keep_for: float
    then: Then


@dataclass(frozen=True)
class Pool:
    """Weighted backends with one health policy."""

    name: str
    backends: tuple[Backend, ...]
    max_backends: int = 40
    health: HealthCheck | None = None
    on_down_tcp: OnDown = OnDown(10.0, Then.MOVE)
    on_down_udp: OnDown = OnDown(0.0, Then.MOVE)
    drain_timeout: float = 300.0
    drain_then: Then = Then.KEEP
    memory_timeout: float = 900.0
    transition: float = 120.0
    """The window W in which a moving slot holds both backends."""
    panic_threshold: float = 0.5
    """Health is ignored when more than this share of the backends is down; 1.0: never."""

    @property
    def slots(self) -> int:
        """M: the smallest power of two >= 100 x max_backends, 256 to 65,536."""
        wanted = max(256, 100 * self.max_backends)
        return 1 << (wanted - 1).bit_length()


@dataclass(frozen=True)
class PrefixRate:
    """New connections per second allowed from one source prefix."""

    prefix: Network
    rate: int


@dataclass(frozen=True)
class Guard:
    """Rates of new connections (packets per second); None: unmetered."""

    rate: int | None = None
    prefixes: tuple[PrefixRate, ...] = ()


@dataclass(frozen=True)
class Listener:
    """(VIP, protocol, port) and where it leads."""

    vip: str
    protocol: Protocol
    port: int
    pool: str
    mode: Mode
    backend_port: int
    affinity: Affinity = Affinity.CONNECTION
    guard: Guard = Guard()
    accept_loss: bool = False
    """Edits of this listener may break its established connections."""

    @property
    def name(self) -> str:
        """Stable identity, e.g. ``shop/tcp/80``."""
        return f"{self.vip}/{self.protocol}/{self.port}"


@dataclass(frozen=True)
class Vip:
    """A virtual address and its listeners."""

    name: str
    address: Address
    mac: str
    """Virtual MAC, shared by VIPs that move together."""
    owners: tuple[str, ...]
    """Sites in order of preference; the first is home."""
    listeners: tuple[Listener, ...]
    authority: float = 30.0
    """Seconds for which a switch may answer ARP/ND without renewal."""


@dataclass(frozen=True)
class Intent:
    """Everything wanted, validated."""

    sites: tuple[Site, ...]
    switches: tuple[Switch, ...]
    pools: tuple[Pool, ...]
    vips: tuple[Vip, ...]
    allow_empty: bool = False
    """Whether it may take away all VIPs, listeners, pools or backends that were there before."""

    def pool(self, name: str) -> Pool:
        """The pool of that name (it exists: ``check`` saw to it)."""
        return self._pools[name]

    def site(self, name: str) -> Site:
        """The site of that name."""
        return self._sites[name]

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
    def _listeners(self) -> tuple[Listener, ...]:
        return tuple(listener for vip in self.vips for listener in vip.listeners)
