"""What stages share: the fields of each family, a listener's packets, the switch for which flows are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from controller.spec.icmp import ERRORS
from controller.spec.switch import ListenerSpec
from controller.spec.types import Switch
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
    """ICMP types that are errors about a packet."""
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


V4 = Family(4, ETH_IP, "ipv4_src", "ipv4_dst", PROTO_ICMP, "icmpv4_type", "icmpv4_code", ERRORS[4], (8, 0))
V6 = Family(
    6, ETH_IPV6, "ipv6_src", "ipv6_dst", PROTO_ICMP6, "icmpv6_type", "icmpv6_code", ERRORS[6], (128, 129)
)
FAMILIES = (V4, V6)


def family(address: IPv4Address | IPv6Address | IPv4Network | IPv6Network) -> Family:
    """The family of an address or network."""
    return V4 if address.version == 4 else V6


def family_of(listener: ListenerSpec) -> Family:
    """Family of a listener's VIP."""
    return family(listener.vip.address)


def transport(listener: ListenerSpec) -> Match:
    """Every packet of its family and protocol."""
    return Match.of(eth_type=family_of(listener).eth_type, ip_proto=listener.protocol.number)


def packets(listener: ListenerSpec) -> Match:
    """Every packet from clients to its VIP by its protocol."""
    return transport(listener).plus(**{family_of(listener).dst: listener.vip.address})


def src_field(listener: ListenerSpec) -> str:
    """Name of its source port field."""
    return f"{listener.protocol}_src"


def dst_field(listener: ListenerSpec) -> str:
    """Name of its destination port field."""
    return f"{listener.protocol}_dst"


@dataclass(frozen=True)
class Here:
    """The switch for which flows are made."""

    switch: Switch
    placed: Placed
    tunnel_mtu: int = 1450
    """Largest IP packet that fits the tunnel."""

    @staticmethod
    def of(switch: Switch) -> Here:
        """A switch with the pipeline where its placement says."""
        return Here(switch, Placed(switch.placement))

    @cached_property
    def anywhere(self) -> Here:
        """Any switch with the pipeline in the same place: flows that name nothing of the switch are made of this."""
        return _anywhere(self.placed, self.tunnel_mtu)


@lru_cache(maxsize=64)
def _anywhere(placed: Placed, tunnel_mtu: int) -> Here:
    return Here(Switch("", "", 0, "", frozenset(), "", placement=placed.place), placed, tunnel_mtu)
