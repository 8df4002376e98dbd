"""How full the memory's four ways get before connections have to be pinned; the pipeline's own hashes, no packets."""

from __future__ import annotations

import random
from ipaddress import IPv4Address

from p4src.hashes import place, words
from p4src.spec import Secret

WAYS = 4
CELLS = 1 << 16
STEPS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
"""Connections offered, as a share of all cells."""


def occupancy(seed: int = 1) -> list[dict[str, object]]:
    """Connections offered, cells used and connections left over; each takes the first free one of its four cells."""
    chance = random.Random(seed)
    secret = Secret.of(chance.randbytes(20))
    total = WAYS * CELLS
    used = [bytearray(CELLS) for _ in range(WAYS)]
    rows: list[dict[str, object]] = []
    done = left = 0
    for step in STEPS:
        while done < int(step * total):
            done += 1
            client, port = IPv4Address(chance.getrandbits(32)), chance.randrange(1024, 65536)
            left += not _take(used, place(words(client, port, 1, secret)).ways)
        rows.append(
            {
                "offered": step,
                "connections": done,
                "cells_used": (done - left) / total,
                "left_over": left / done,
            }
        )
    return rows


def _take(used: list[bytearray], cells: tuple[int, ...]) -> bool:
    for way, cell in zip(used, cells, strict=True):
        if not way[cell]:
            way[cell] = 1
            return True
    return False
