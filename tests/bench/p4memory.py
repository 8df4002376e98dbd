"""How full the memory's four ways get before connections have to be pinned: the compiled program, fed packet by packet.

It runs in this process on the embedded switch's engine, whose registers are read. Its clock is simulated and its
connections are drawn with a seed, so that every run finds the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import islice
from math import exp
from typing import NamedTuple

from controller.spec.types import Mode
from p4src.ids import Reason
from tests.bench import p4frames as frames
from tests.bench import p4scene as scene
from tests.p4.box import Said
from tests.p4.cells import ESTABLISHED
from tests.p4.embedded import EmbeddedBox

WAYS = 4
CELLS = 1 << 16
"""Of a way."""
STEPS = tuple(n / 10 for n in range(1, 15))
"""Live connections, as a share of all cells."""


class Share(NamedTuple):
    """How many connections find no room, as shares of 1."""

    new: float
    """Of those that open at this load."""
    all: float
    """Of all that are live."""


class Row(NamedTuple):
    """What was measured when so many connections were live."""

    live: float
    """As a share of all cells."""
    connections: int
    cells_used: int
    no_room: int
    """Connections that the switch asked to be pinned, since the beginning."""
    no_room_new: float
    """Share of the connections since the row before."""
    no_room_all: float
    """Share of all connections."""


def theory(live: float) -> Share:
    """First fit in four ways, each hashed by itself, in the limit of many cells; ``live`` is connections a cell.

    Of ``a`` connections a cell that ask a way, at random, 1 - exp(-a) find its cell free: they are the way's load. The
    others ask the next way. So a1 = 4 live, and a' = a - 1 + exp(-a) from way to way; after the last, a is what has no
    room. A new connection has none when its cell is taken in every way: the product of the four loads.
    """
    asked, new = WAYS * live, 1.0
    for _ in range(WAYS):
        load = 1 - exp(-asked)
        new *= load
        asked -= load
    return Share(new, asked / (WAYS * live))


def occupancy(cells: int = CELLS, seed: int = 1) -> list[Row]:
    """Open connections one after the other, two packets each so that they are established, and count at each step.

    ``cells`` of each way are used, a power of two. Raises RuntimeError when cells taken and connections reported by the
    switch do not add up to the connections opened.
    """
    box = EmbeddedBox()
    box.hold(scene.target(cells=cells))
    opened = talks(random.Random(seed), scene.MODES[Mode.DR])
    rows = [Row(0, 0, 0, 0, 0, 0)]
    refused: set[tuple[object, int]] = set()
    for step in STEPS:
        before, total = rows[-1], int(step * WAYS * cells)
        box.send([(1, frame) for talk in islice(opened, total - before.connections) for frame in talk])
        refused |= {
            (said.client, said.port)
            for said in box.told()
            if isinstance(said, Said) and said.reason == Reason.OVERFLOW
        }
        ways = [box.register(f"cells{way}")[:cells] for way in range(WAYS)]
        used = sum(bits >> 5 & 7 == ESTABLISHED for way in ways for bits in way)
        if used + len(refused) != total:
            raise RuntimeError(f"{total} connections, but {used} cells taken and {len(refused)} reported")
        new = (len(refused) - before.no_room) / (total - before.connections)
        rows.append(Row(step, total, used, len(refused), new, len(refused) / total))
    box.close()
    return rows[1:]


def talks(chance: random.Random, port: int) -> Iterator[tuple[bytes, bytes]]:
    """SYN and first packet of connections from anywhere to a listener, no two the same."""
    seen: set[tuple[int, int]] = set()
    while True:
        key = chance.getrandbits(32), chance.randrange(1024, 65536)
        if key not in seen:
            seen.add(key)
            yield frames.opening(IPv4Address(key[0]), key[1], port)
