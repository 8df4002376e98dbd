"""Which lb switch an edge prefers for each hash slot, and which ones after it: the same at every edge that has them.

    identities of the uplinks ─► Maglev ─► the first of each slot ─┐
                              └► scores, ``FALLBACKS`` orders each ┴► ways: the first, then the others

Maglev gives each lb switch its exact share. An lb switch that dies leaves its slots to the next ones in their ways,
which differ, so that its load spreads. One that returns gets these slots again and no others: no other packets change
their lb switch.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from hashlib import blake2b

from controller.maglev import WeightedBackend
from controller.maglev_reference import build
from controller.spec.switch import FALLBACKS, NO_ECMP, Ecmp, Way

SLOTS = 1024
"""Each is one cached decision per VIP, protocol and port of arrival."""


@lru_cache(maxsize=256)
def ecmp(uplinks: tuple[tuple[int, str], ...]) -> Ecmp:
    """The ways and slots of an edge. ``uplinks``: port, and what tells this lb switch from others at every edge."""
    if not uplinks:
        return NO_ECMP
    members = [WeightedBackend(name, index, 1) for index, (_, name) in enumerate(uplinks, 1)]
    slots, had = [], Counter[int]()
    # In plain Python: a controller that starts must not wait for compiled code, and these tables are small.
    for owner in build(members, SLOTS):
        port = uplinks[owner - 1][0]
        slots.append(port * FALLBACKS + had[port] % FALLBACKS)
        had[port] += 1
    return Ecmp(tuple(way for first in uplinks for way in _ways(first, uplinks)), tuple(slots))


def _ways(first: tuple[int, str], uplinks: tuple[tuple[int, str], ...]) -> list[Way]:
    """The ways that begin with one uplink; each other one comes second in as many of them, or one less."""
    port, name = first
    others = [uplink for uplink in uplinks if uplink != first]
    taken, made = Counter[int](), []
    for turn in range(FALLBACKS):
        ranked = sorted(others, key=lambda other: _score(name, other[1], turn))
        second = min(ranked, key=lambda other: taken[other[0]], default=None)
        if second is not None:
            taken[second[0]] += 1
            ranked.sort(key=lambda other: other is not second)
        made.append(Way(port * FALLBACKS + turn, (port, *(other[0] for other in ranked))))
    return made


def _score(first: str, other: str, turn: int) -> bytes:
    return blake2b(f"{turn} {first} {other}".encode(), digest_size=8).digest()
