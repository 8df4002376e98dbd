"""Two connections that the memory takes for one, constructed with the known key; and how often that happens by chance.

Keyed words that differ by a pattern d have CRCs that differ by L(d), whatever they are: L is linear over GF(2). So a
collision is an element of L's kernel, here among the lower 64 bits of an IPv6 client, and is found by elimination.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from p4src.hashes import ORDERS, Place, place, words
from p4src.spec import Secret

Words = npt.NDArray[np.uint32]
_LOW_BITS = 64
_NOTHING = (0, 0, 0, 0, 0)


def collide(
    client: IPv6Address, port: int, owners: tuple[int, int], secret: Secret, way: int
) -> Iterator[IPv6Address]:
    """Clients of the same /64 whose connections to the second owner are taken for this one to the first.

    They have the same port, the same digest and the same cell of ``way``.
    """
    mine, wanted = (words(client, port, owner, secret) for owner in owners)
    patterns = [_pattern(1 << bit) for bit in range(_LOW_BITS)]
    patterns.append(tuple(a ^ b for a, b in zip(mine, wanted, strict=True)))
    base = _signature(place(_NOTHING), way)
    kernel = kernel_of([_signature(place(pattern), way) ^ base for pattern in patterns])
    for choice in range(1, 1 << len(kernel)):
        difference = 0
        for n, element in enumerate(kernel):
            if choice >> n & 1:
                difference ^= element
        low = difference & (1 << _LOW_BITS) - 1
        # With two owners their difference has to be part of it; with one it is nothing, and so may be.
        if low and (difference >> _LOW_BITS or owners[0] == owners[1]):
            other = [word ^ part for word, part in zip(mine, _pattern(low), strict=True)]
            yield IPv6Address(
                sum(
                    (word - (secret.key >> 32 * n) & 0xFFFFFFFF) << 32 * n for n, word in enumerate(other[:4])
                )
            )


def _pattern(bits: int) -> tuple[int, ...]:
    return (bits & 0xFFFFFFFF, bits >> 32, 0, 0, 0)


def _signature(where: Place, way: int) -> int:
    return where.digest << 16 | where.ways[way]


def kernel_of(images: list[int]) -> list[int]:
    """A basis of the combinations (as bits) of ``images`` that cancel out."""
    reduced: dict[int, tuple[int, int]] = {}
    out = []
    for bit, image in enumerate(images):
        combination = 1 << bit
        while image:
            top = image.bit_length()
            if top not in reduced:
                reduced[top] = (image, combination)
                break
            image ^= reduced[top][0]
            combination ^= reduced[top][1]
        else:
            out.append(combination)
    return out


class FalseHits(NamedTuple):
    """How often a connection that is not remembered was taken for one that is."""

    tried: int
    hits: int
    occupancy: float
    bits: int
    """Of the digest that were compared: fewer make hits frequent enough to be counted."""

    @property
    def rate(self) -> float:
        """Hits by connection."""
        return self.hits / self.tried

    @property
    def bound(self) -> float:
        """Four ways, each with a living cell as often as it is occupied, and a digest of so many bits."""
        return 4 * self.occupancy / 2.0**self.bits


def false_hits(
    remembered: int, tried: int, bits: int, secret: Secret, version: int = 4, seed: int = 1
) -> FalseHits:
    """Random connections against a full-size memory; a place is taken as recall takes it: the first free way."""
    generator = np.random.default_rng(seed)
    cells = np.zeros((4, 1 << 16), np.uint64)
    shift = np.uint32(32 - bits)
    stored = 0
    for part in _parts(remembered):
        ways, digest = places(random_words(generator, part, secret, version, 0))
        for n in range(part):
            for way in range(4):
                if not cells[way, ways[way, n]]:
                    cells[way, ways[way, n]] = 1 << 32 | int(digest[n] >> shift)
                    stored += 1
                    break
    hits = 0
    for part in _parts(tried):
        # Another half of the address space, so that none of these is remembered.
        ways, digest = places(random_words(generator, part, secret, version, 1))
        mine = (digest >> shift).astype(np.uint64) | np.uint64(1 << 32)
        hits += int((cells[np.arange(4)[:, None], ways] == mine).any(axis=0).sum())
    return FalseHits(tried, hits, stored / cells.size, bits)


def _parts(total: int, size: int = 1 << 18) -> Iterator[int]:
    for at in range(0, total, size):
        yield min(size, total - at)


def random_words(
    generator: np.random.Generator, count: int, secret: Secret, version: int, half: int
) -> Words:
    """Keyed words of TCP connections to one listener, from anywhere in half the addresses that a version has."""
    plain = np.zeros((5, count), np.uint32)
    if version == 4:
        plain[0] = generator.integers(1 << 31, size=count, dtype=np.uint32) | np.uint32(half << 31)
        plain[1] = 0xFFFF
    else:
        # A thousand networks, and random interfaces in them.
        plain[0], plain[1] = generator.integers(1 << 32, size=(2, count), dtype=np.uint32)
        plain[2] = generator.integers(1 << 10, size=count, dtype=np.uint32) << np.uint32(4)
        plain[3] = 0x20010DB8 + half
    ports = generator.integers(1024, 1 << 16, size=count, dtype=np.uint32)
    plain[4] = ports << np.uint32(16) | np.uint32(1)
    keys = [secret.key >> 32 * n & 0xFFFFFFFF for n in range(4)] + [secret.key_ports]
    return plain + np.array(keys, np.uint32)[:, None]


def places(keyed: Words) -> tuple[npt.NDArray[np.uint32], Words]:
    """As ``p4src.hashes.place`` for many: cells (4, n) and digests."""
    first, second, digest = (_crc32(keyed[list(order)]) for order in ORDERS)
    low = np.uint32(0xFFFF)
    high = np.uint32(16)
    return np.stack([first & low, first >> high, second & low, second >> high]), digest


def _crc32(rows: Words) -> Words:
    """CRC-32 of columns of words, each big-endian."""
    value = np.full(rows.shape[1], 0xFFFFFFFF, np.uint32)
    for row in rows:
        for shift in (24, 16, 8, 0):
            value = _TABLE[(value ^ (row >> np.uint32(shift))) & np.uint32(0xFF)] ^ (value >> np.uint32(8))
    return ~value


def _table() -> Words:
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = np.where(value & 1, value >> 1 ^ np.uint32(0xEDB88320), value >> 1).astype(np.uint32)
    return value


_TABLE = _table()
