"""Addresses and prefixes of either IP version."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Subnet:
    """A layer-2 segment that this site's lb switches reach without a router."""

    name: str
    """Shown in messages."""
    prefixes: tuple[Network, ...]
    """Addresses of the segment."""
