"""How evenly slots spread clients: the heaviest backend over the mean, by where slots come from and who connects.

Computed with the product's own hashes and tables; no switch is needed. Each figure is the median of a few draws.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from statistics import median

import numpy as np

from controller import maglev
from controller.hashes import Slotting
from controller.spec.spread import Spread
from controller.spec.types import Protocol

SLOTS = 4096
BACKENDS = (10, 40)
DRAWS = 5
_VIP, _PORT = IPv4Address("203.0.113.80"), 443
_EPHEMERAL = range(32_768, 61_000)
Connections = Sequence[tuple[IPv4Address, int]]
"""Address and port of each client's connection."""


def run() -> dict[str, object]:
    """Some seconds."""
    rows = []
    for name, clients in CLIENTS.items():
        row: dict[str, object] = {"clients": name}
        for spread in Spread:
            for count in BACKENDS:
                found = (heaviest(spread, count, clients(random.Random(draw))) for draw in range(DRAWS))
                row[f"{spread}_{count}"] = round(median(found), 2)
        rows.append(row)
    return {"clients": rows, "slots": SLOTS, "draws": DRAWS}


def heaviest(spread: Spread, count: int, connections: Connections) -> float:
    """Connections of the heaviest of so many equal backends, over their mean."""
    members = tuple(maglev.WeightedBackend(f"s{n}", n, 1) for n in range(1, count + 1))
    table = maglev.build(tuple(sorted(members)), SLOTS)
    slotting = Slotting(spread, SLOTS, "ovs-jenkins", _VIP, _PORT, Protocol.TCP)
    slots = np.fromiter((slotting.slot(*each) for each in connections), np.int64, len(connections))
    held = np.bincount(table[slots], minlength=count + 1)[1:]
    return float(held.max() / held.mean())


def _addresses(chance: random.Random, count: int) -> list[IPv4Address]:
    return [IPv4Address(chance.randrange(0x0B00_0000, 0xDF00_0000)) for _ in range(count)]


def _each(clients: int, connections: int) -> Callable[[random.Random], Connections]:
    """So many clients anywhere, each with so many connections from any even port."""

    def draw(chance: random.Random) -> Connections:
        return [
            (address, chance.choice(_EPHEMERAL[::2]))
            for address in _addresses(chance, clients)
            for _ in range(connections)
        ]

    return draw


def _counted(chance: random.Random) -> Connections:
    """One client, 1,000 even ports counted up."""
    (address,), first = _addresses(chance, 1), chance.randrange(32_768, 50_000, 2)
    return [(address, first + 2 * n) for n in range(1_000)]


def _proxies(chance: random.Random) -> Connections:
    """20 proxies with 500 ports each of the same thousand."""
    return [
        (address, port)
        for address in _addresses(chance, 20)
        for port in chance.sample(range(60_000, 61_000), 500)
    ]


def _same_ports(chance: random.Random) -> Connections:
    """10,000 clients that all use the same four ports."""
    ports = chance.sample(_EPHEMERAL, 4)
    return [(address, chance.choice(ports)) for address in _addresses(chance, 10_000)]


CLIENTS: dict[str, Callable[[random.Random], Connections]] = {
    "10,000 with a connection each": _each(10_000, 1),
    "1,000 with 100 each": _each(1_000, 100),
    "one, 1,000 ports counted up": _counted,
    "20 proxies with 500 ports each": _proxies,
    "10,000 with the same four ports": _same_ports,
}
