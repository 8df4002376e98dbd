"""From an address to the region that it is in, and to the prefix for which that answer holds. Pure.

Prefixes of regions may lie within each other; the longest counts. They are cut once into blocks that do not overlap and
that all belong to one region (or none): a look is a search among the blocks' beginnings. So the block is what RFC 7871
calls the scope: everything in it gets the same region.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from typing import NamedTuple

from controller.spec.addresses import Address, Network
from controller.spec.names import Region

_BITS = {4: 32, 6: 128}
_MADE: dict[int, Callable[[int], Address]] = {4: IPv4Address, 6: IPv6Address}


class Found(NamedTuple):
    """Where an address is."""

    region: str
    """Empty: in none."""
    scope: int
    """Bits of the address that say so: all addresses that share them are in the same region."""


@dataclass(frozen=True)
class _Version:
    begins: Sequence[int]
    blocks: Sequence[Found]


class Regions:
    """Those of a zone."""

    def __init__(self, regions: Iterable[Region]) -> None:
        rows = [(prefix, region.name) for region in regions for prefix in region.prefixes]
        self._versions = {v: _cut([r for r in rows if r[0].version == v], v) for v in _BITS}

    def of(self, address: Address) -> Found:
        """The region that an address is in."""
        return self.at(int(address), address.version)

    def at(self, number: int, version: int) -> Found:
        """The same of an address as a number."""
        known = self._versions[version]
        return known.blocks[bisect_right(known.begins, number) - 1]


def _cut(rows: list[tuple[Network, str]], version: int) -> _Version:
    """Blocks in order, the whole space covered."""
    begins: list[int] = []
    blocks: list[Found] = []
    for first, last, name in _joined(_parts(rows, (1 << _BITS[version]) - 1)):
        for block in summarize_address_range(_MADE[version](first), _MADE[version](last)):
            begins.append(int(block.network_address))
            blocks.append(Found(name, block.prefixlen))
    return _Version(begins, blocks)


def _parts(rows: list[tuple[Network, str]], top: int) -> Iterator[tuple[int, int, str]]:
    """From the first address to the last: each part with the region of the longest prefix that holds it."""
    at = 0
    open_: list[tuple[int, str]] = [(top, "")]
    for prefix, name in sorted(rows, key=lambda row: (int(row[0].network_address), row[0].prefixlen)):
        first, last = int(prefix.network_address), int(prefix.broadcast_address)
        while open_[-1][0] < first:
            end, was = open_.pop()
            if at <= end:
                yield at, end, was
                at = end + 1
        if at < first:
            yield at, first - 1, open_[-1][1]
        at = first
        open_.append((last, name))
    while open_:
        end, was = open_.pop()
        if at <= end:
            yield at, end, was
            at = end + 1


def _joined(parts: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    out: list[tuple[int, int, str]] = []
    for first, last, name in parts:
        if out and out[-1][2] == name:
            out[-1] = (out[-1][0], last, name)
        else:
            out.append((first, last, name))
    return out
