"""Routes: which VIPs are announced to routers, by which speakers, and with what preference."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from controller.spec.addresses import Address


class Engine(StrEnum):
    """What speaks to the routers."""

    FRR = "frr"
    """FRR's daemons, configured through their vty sockets."""


class Network(StrEnum):
    """What OSPF takes the network behind an interface for; routers there have to say the same."""

    POINT_TO_POINT = "point-to-point"
    """A link to one router."""
    BROADCAST = "broadcast"
    """A segment with several routers, one of which is the designated one. When that dies, another one
    takes its place first."""


class Spread(StrEnum):
    """How VIPs are spread over the speakers of a site."""

    ECMP = "ecmp"
    """All announce them alike: routers that do ECMP send to all."""
    ODD_EVEN = "odd-even"
    """VIPs with an even address prefer the first, third, ... speaker, those with an odd one the second, fourth, ..."""


@dataclass(frozen=True)
class Neighbor:
    """A router with which a speaker speaks BGP. Its address decides which VIPs it is told: those of its IP version."""

    address: Address
    """Of the router, on a network that the speaker is on."""
    asn: int
    """Number of the router's AS."""
    bfd: bool = True
    """Whether its death is noticed by BFD."""
    password_file: str | None = None
    """File whose one line is the password of TCP MD5 signatures (RFC 2385), read where the controller runs."""
    hold: int = 9
    """Seconds without a message after which the session is over; a message is sent every third of it."""


@dataclass(frozen=True)
class Bgp:
    """What a speaker says by BGP."""

    asn: int
    """Number of the speaker's AS."""
    neighbors: tuple[Neighbor, ...]
    """Routers that are told."""


@dataclass(frozen=True)
class OspfInterface:
    """An interface of the speaker on which it speaks OSPF."""

    name: str
    """As ``ip link`` shows it where the engine runs."""
    cost: int = 10
    """Cost of sending out there, which routers do not count for what the speaker announces."""
    network: Network = Network.POINT_TO_POINT
    """What is behind it."""
    bfd: bool = True
    """Whether the death of a neighbour is noticed by BFD."""


@dataclass(frozen=True)
class Ospf:
    """What a speaker says by OSPF: version 2 for VIPs of IPv4, version 3 for those of IPv6."""

    interfaces: tuple[OspfInterface, ...]
    """Where it has neighbours."""
    area: Address
    """Area of all interfaces."""
    hello: int = 1
    """Seconds between hellos."""
    dead: int = 4
    """Seconds without one after which a neighbour is gone."""


@dataclass(frozen=True)
class Speaker:
    """An engine beside an lb switch, which announces VIPs with itself as the next hop."""

    name: str
    """As status, metrics and events call it."""
    switch: str
    """The lb switch through which all packets to the speaker's addresses pass."""
    sockets: str
    """Directory of the daemons' vty sockets (``--vty_socket``), where the controller runs."""
    router_id: Address
    """Its number among routers; an IPv4 address of its own."""
    engine: Engine = Engine.FRR
    """What speaks."""
    drain: bool = False
    """For maintenance: routers are asked to send elsewhere, and after ``graceful`` nothing is announced."""
    bgp: Bgp | None = None
    """What it says by BGP."""
    ospf: Ospf | None = None
    """What it says by OSPF."""


@dataclass(frozen=True)
class RoutedVip:
    """A VIP that is announced, with preferences of its own."""

    name: str
    """Of the VIP."""
    med: int | None = None
    """BGP's MED at the best place, in place of ``preference.med``."""
    cost: int | None = None
    """OSPF's metric at the best place, in place of ``preference.cost``."""
    communities: tuple[str, ...] = ()
    """BGP communities, besides those of all."""


@dataclass(frozen=True)
class Preference:
    """What makes one place better than another. A place is as many steps from the best as sites come before its own in
    the VIP's ``owners``, and one more where ``spread`` prefers another speaker."""

    med: int = 100
    """BGP's MED at the best place; lower is better."""
    med_step: int = 100
    """What each step adds."""
    cost: int = 20
    """OSPF's metric (type 1) at the best place; lower is better."""
    cost_step: int = 100
    """What each step adds."""
    prepend: int = 0
    """How often each step puts the own AS before the path, for routers that do not compare MEDs."""
    local_pref: int = 200
    """At the best place, told to neighbours of the own AS only; higher is better."""
    local_pref_step: int = 10
    """What each step takes away."""


@dataclass(frozen=True)
class Bfd:
    """How fast a dead neighbour is noticed."""

    interval: float = 0.05
    """Seconds between packets, both ways."""
    multiplier: int = 3
    """Packets missed until the session is down."""


@dataclass(frozen=True)
class Dampening:
    """When a VIP that comes and goes is kept back."""

    flaps: int = 3
    """Withdrawals on loss within ``window`` after which it is kept back at a speaker."""
    window: float = 60.0
    """Seconds in which they count."""
    hold: float = 30.0
    """Seconds for which it is kept back, from the last of them."""


@dataclass(frozen=True)
class Routes:
    """Everything about announcing VIPs."""

    speakers: tuple[Speaker, ...] = ()
    """Engines. None: nothing is announced."""
    vips: tuple[RoutedVip, ...] = ()
    """Those that are announced. None: all."""
    backups: bool = False
    """Whether fit sites that do not own a VIP announce it too, as worse places."""
    spread: Spread = Spread.ECMP
    """How VIPs are spread over the speakers of a site."""
    max_vips: int = 1000
    """Most VIPs that may be announced: an intent with more is refused, and the engine sends no more prefixes."""
    communities: tuple[str, ...] = ()
    """BGP communities of all announcements."""
    graceful: float = 5.0
    """Seconds between asking routers to send elsewhere and withdrawing, when that is done on purpose."""
    preference: Preference = field(default_factory=Preference)
    """What makes one place better than another."""
    bfd: Bfd = field(default_factory=Bfd)
    """How fast a dead neighbour is noticed."""
    dampening: Dampening = field(default_factory=Dampening)
    """When a VIP that comes and goes is kept back."""

    def vip(self, name: str) -> RoutedVip | None:
        """How a VIP is announced; None: it is not."""
        if not self.vips:
            return RoutedVip(name)
        return next((each for each in self.vips if each.name == name), None)


NO_ROUTES = Routes()
