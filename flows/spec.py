"""What the stages are told: numbers and addresses of VIPs, listeners and backends on one switch.

The planner fills these from intent, health and the numbers it has given out; stages turn them into flows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from controller.model.types import Address, Mode, Protocol, Switch
from flows.fields import FIELDS
from flows.match import ETH_IP, ETH_IPV6, PROTO_ICMP, PROTO_ICMP6, Match
from flows.tables import Placed

FRAMES = 14
"""Bytes of Ethernet header that ``check_pkt_larger`` counts."""


@dataclass(frozen=True)
class Family:
    """Field names and numbers that differ between IPv4 and IPv6."""

    version: int
    eth_type: int
    src: str
    dst: str
    icmp_proto: int
    icmp_type: str
    icmp_code: str
    errors: tuple[int, ...]
    """ICMP types that are errors about somebody's packet."""
    echo: tuple[int, int]
    """Echo request and reply types."""

    @property
    def ip(self) -> Match:
        """Every packet of the family."""
        return Match.of(eth_type=self.eth_type)

    @property
    def bits(self) -> int:
        """Address length."""
        return 8 * FIELDS[self.src].size


V4 = Family(4, ETH_IP, "ipv4_src", "ipv4_dst", PROTO_ICMP, "icmpv4_type", "icmpv4_code", (3, 11, 12), (8, 0))
V6 = Family(
    6, ETH_IPV6, "ipv6_src", "ipv6_dst", PROTO_ICMP6, "icmpv6_type", "icmpv6_code", (1, 2, 3, 4), (128, 129)
)
FAMILIES = (V4, V6)


def family(address: IPv4Address | IPv6Address | IPv4Network | IPv6Network) -> Family:
    """The family of an address or network."""
    return V4 if address.version == 4 else V6


class Fate(Enum):
    """What becomes of packets that memory or a pin gives to a backend."""

    NORMAL = "normal"
    DRAIN = "drain"
    """SYNs are new connections, the rest stays."""
    MOVE = "move"
    """Decide anew."""
    RESET = "reset"
    """Tell the controller, which resets the connection."""


@dataclass(frozen=True)
class Zones:
    """Conntrack zones of a VIP in the current generation."""

    now: int
    before: int
    new: int
    """Embryonic connections."""


@dataclass(frozen=True)
class VipSpec:
    """A VIP on a switch."""

    id: int
    address: Address
    mac: str
    zones: Zones
    authority: int
    """Seconds until answers stop if not renewed; 0: this site is not the owner."""


@dataclass(frozen=True)
class GuardMeter:
    """A meter and the sources it is for; no prefix: everybody."""

    meter: int
    rate: int
    prefix: IPv4Network | IPv6Network | None = None


@dataclass(frozen=True)
class LocalAddress:
    """Source address and conntrack zone of a fullnat listener on this switch."""

    address: Address
    zone: int
    fragment_zone: int
    """In which fragments of answers get the VIP's address back; one per VIP."""


@dataclass(frozen=True)
class ListenerSpec:
    """A listener on a switch."""

    id: int
    vip: VipSpec
    protocol: Protocol
    port: int
    backend_port: int
    pool: int
    mode: Mode
    sticky: bool
    guards: tuple[GuardMeter, ...] = ()
    local: LocalAddress | None = None

    @property
    def family(self) -> Family:
        """Family of its VIP."""
        return family(self.vip.address)

    @property
    def transport(self) -> Match:
        """Every packet of its family and protocol."""
        return Match.of(eth_type=self.family.eth_type, ip_proto=self.protocol.number)

    @property
    def packets(self) -> Match:
        """Every packet from clients to its VIP by its protocol."""
        return self.transport.plus(**{self.family.dst: self.vip.address})

    @property
    def src_field(self) -> str:
        """Name of its source port field."""
        return f"{self.protocol}_src"

    @property
    def dst_field(self) -> str:
        """Name of its destination port field."""
        return f"{self.protocol}_dst"


@dataclass(frozen=True)
class BackendSpec:
    """A backend of a pool as one switch reaches it."""

    id: int
    pool: int
    addresses: tuple[Address, ...]
    mac: str | None
    """Where frames for it go: its own MAC or the gateway's; None: others decide."""
    ports: tuple[int, ...]
    """Ports that lead to it; none: others forward."""
    fate: Fate = Fate.NORMAL
    fragment_zone: int = 0
    """In which fragments get its address, so that a connection that moves is translated anew."""

    def address(self, version: int) -> Address | None:
        """Its address of a family, if it has one."""
        return next((a for a in self.addresses if a.version == version), None)


@dataclass(frozen=True)
class Here:
    """The switch for which flows are made."""

    switch: Switch
    placed: Placed
    tunnel_mtu: int = 1450
    """Largest IP packet that fits the tunnel."""
