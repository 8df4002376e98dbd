"""What a P4 switch is told beyond a ``SwitchSpec``: groups of next hops, routes, secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.spec.types import Network

UPLINKS = 1
"""Group of an edge's lb switches."""
FIRST_GROUP = 2
"""Of all other groups."""
BUCKETS = 256


class Group(NamedTuple):
    """Next hops that share traffic."""

    id: int
    ports: tuple[int, ...]
    """Those that live; none: the group drops."""


class RouteSpec(NamedTuple):
    """Where packets that are not balanced go."""

    to: Network
    group: int
    mac: str | None
    """Of the host, where it is on a port of this switch."""


@dataclass(frozen=True)
class Secret:
    """What the digests of the connection memory are keyed with; the same for the life of the store."""

    key: int
    """128 bits."""
    key_ports: int
    """32 bits."""

    @staticmethod
    def of(octets: bytes) -> Secret:
        """From 20 random bytes. Raises ValueError for any other number."""
        if len(octets) != 20:
            raise ValueError(f"a secret of {len(octets)} bytes; it must have 20")
        return Secret(int.from_bytes(octets[:16], "big"), int.from_bytes(octets[16:], "big"))

    def octets(self) -> bytes:
        """The 20 bytes it was made from."""
        return self.key.to_bytes(16, "big") + self.key_ports.to_bytes(4, "big")


@dataclass(frozen=True)
class P4Needs:
    """The P4 half of a switch's duty."""

    secret: Secret
    groups: tuple[Group, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    ways: Mapping[tuple[int, ...], int] = field(default_factory=dict)
    """Group by the ports that a backend is behind."""
    keep: Mapping[int, float] = field(default_factory=dict)
    """Seconds that an established connection is remembered, by pool number."""
    cells_mask: int = 0xFFFF
    """Cells of a way of the memory, less one."""
    floods: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Ports to which a broadcast frame goes, by the port where it came in."""
    frames: tuple[tuple[str, int], ...] = ()
    """MACs of servers at other sites, and the group that leads there: frames to them cross as they are."""
    neighbours: tuple[int, ...] = ()
    """Ports to other P4 switches: hellos are heard there."""
    transition: Mapping[int, float] = field(default_factory=dict)
    """Seconds after which a connection of a tracked slot is old, by pool number."""
