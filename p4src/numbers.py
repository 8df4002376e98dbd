"""How values look in entries: addresses, MACs, ticks, and what a rewrite changes in a checksum."""

from __future__ import annotations

from controller.spec.types import Address, Network

MAPPED = 0xFFFF << 32
"""IPv4 addresses are carried as ::ffff:a.b.c.d."""
TICK = 2**20 / 1e6
"""Seconds."""


def address(value: Address) -> int:
    """128 bits, as tables are keyed."""
    return int(value) | MAPPED if value.version == 4 else int(value)


def prefix(value: Network) -> tuple[int, int]:
    """(value, prefix length) of an lpm field over 128 bits."""
    length = value.prefixlen + 96 if value.version == 4 else value.prefixlen
    start = int(value.network_address) | MAPPED if value.version == 4 else int(value.network_address)
    return (start if length else 0, length)


def mac(value: str | None) -> int:
    """48 bits; 0 for none."""
    return int(value.replace(":", ""), 16) if value else 0


def ticks(seconds: float) -> int:
    """Ticks that last at least so long, at most what a cell can hold."""
    return min(max(1, round(seconds / TICK + 0.5)), 0xFFFF)


def change(old: Address, new: Address) -> int:
    """What replacing ``old`` by ``new`` adds to a one's complement sum (16 bits, RFC 1624)."""
    return (_sum(new) + 0xFFFF - _sum(old)) % 0xFFFF


def _sum(value: Address) -> int:
    packed = value.packed
    return sum(int.from_bytes(packed[n : n + 2], "big") for n in range(0, len(packed), 2)) % 0xFFFF
