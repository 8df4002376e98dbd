"""Conntrack zones of a switch: which number is for what, counted from ``placement.zones_from``.

Eight for each VIP: one for each of four generations, one for embryonic connections, one for fragments of fullnat
answers, two free. 1,000 that backends share for fragments to them. Three to gather fragments and for those of nat
answers. One for each fullnat listener.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.spec.switch import VipSpec
from flows.tables import BACKEND_ZONES, ZONES_PER_VIP, Placed, ZoneBase

GENERATIONS = 4
"""Zones that take turns. Two are looked at, in the others entries end."""


class Zones(NamedTuple):
    """Zones of a VIP's memory in one generation."""

    now: int
    before: int
    new: int
    """Embryonic connections."""


def of_vip(placed: Placed, vip: VipSpec) -> Zones:
    """Those of a VIP in the current generation."""
    base, turn = _base(placed, vip.id), vip.generation
    return Zones(base + turn % GENERATIONS, base + (turn - 1) % GENERATIONS, base + GENERATIONS)


def lasting(placed: Placed, vip: int) -> tuple[int, ...]:
    """Those that remember a VIP's established connections."""
    return tuple(_base(placed, vip) + n for n in range(GENERATIONS))


def fullnat(placed: Placed, listener: int) -> int:
    """In which connections of a fullnat listener get a source port."""
    return placed.place.zones_from + ZoneBase.FULLNAT + listener


def fullnat_fragments(placed: Placed, vip: int) -> int:
    """In which fragments of a VIP's fullnat answers get its address back."""
    return _base(placed, vip) + GENERATIONS + 1


def to_backend(placed: Placed, backend: int) -> int:
    """In which fragments get a backend's address, so that a connection that moves is translated again."""
    return placed.place.zones_from + ZoneBase.BACKENDS + backend % BACKEND_ZONES


def gathering(placed: Placed) -> int:
    """The first of three: two to gather fragments in, one for those of nat answers."""
    return placed.place.zones_from + ZoneBase.FRAGMENTS


def _base(placed: Placed, vip: int) -> int:
    return placed.place.zones_from + ZONES_PER_VIP * vip
