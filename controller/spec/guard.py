"""Limits on new connections: frozen data."""

from __future__ import annotations

from dataclasses import dataclass

from controller.spec.addresses import Network


@dataclass(frozen=True)
class PrefixRate:
    """New connections per second allowed from one source prefix."""

    prefix: Network
    """Source addresses; the longest matching prefix counts."""
    rate: int
    """Packets per second on each lb switch that open connections, with a burst of one second."""


@dataclass(frozen=True)
class Guard:
    """Rates of new connections (packets per second)."""

    rate: int | None = None
    """Packets per second on each lb switch, with a burst of one second: bare SYNs, and packets that neither a pin nor
    the memory knows. None: unmetered."""
    prefixes: tuple[PrefixRate, ...] = ()
    """Rates by source prefix, of the same packets."""


UNGUARDED = Guard()
"""No limits."""
