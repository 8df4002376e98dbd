"""A mapping that never changes, and whose next version shares all that stays with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

COUNT = 1024
"""Shards, a power of two: of 100,000 entries, 100 are copied when one changes."""
_MASK = COUNT - 1


def differing(have: Mapping[K, V], want: Mapping[K, V]) -> Iterator[tuple[Mapping[K, V], Mapping[K, V]]]:
    """Pairs of parts (of ``have``, of ``want``) with the same keys on either side, in which all differences are.

    Between two versions of ``Shards`` this takes a time in proportion to the difference, otherwise to the size.
    """
    if have is want:
        return
    if not isinstance(want, Shards):
        yield have, want
    elif isinstance(have, Shards):
        yield from have.differing(want)
    else:
        yield from want.lacking(have)


class Shards(Mapping[K, V]):
    """Dicts by hash of the key. A version made by ``changed`` has its own of those that differ only.

    So one entry among many is replaced, and two versions are compared, in a time that hardly grows with their size.
    """

    __slots__ = ("_shards", "_size")

    def __init__(self, content: Mapping[K, V] | None = None) -> None:
        empty: dict[K, V] = {}
        self._shards = [empty] * COUNT
        self._size = 0
        if content:
            self._apply(content, ())

    def changed(self, put: Mapping[K, V], gone: Iterable[K] = ()) -> Shards[K, V]:
        """The next version: with ``put``, and without ``gone`` (those that are not there anyway do no harm)."""
        made: Shards[K, V] = Shards()
        made._shards = list(self._shards)
        made._size = self._size
        made._apply(put, gone)
        return made

    def differing(self, other: Shards[K, V]) -> Iterator[tuple[Mapping[K, V], Mapping[K, V]]]:
        """Pairs of parts (ours, theirs) in which all differences are."""
        for ours, theirs in zip(self._shards, other._shards, strict=True):
            if ours is not theirs and ours != theirs:
                yield ours, theirs

    def lacking(self, other: Mapping[K, V]) -> Iterator[tuple[Mapping[K, V], Mapping[K, V]]]:
        """The same, turned round (theirs, ours), for a mapping of another kind."""
        known = 0
        for ours in self._shards:
            if ours.items() <= other.items():
                known += len(ours)
                continue
            theirs = {key: other[key] for key in ours if key in other}
            known += len(theirs)
            yield theirs, ours
        if known < len(other):
            yield {key: value for key, value in other.items() if key not in self}, {}

    def _apply(self, put: Mapping[K, V], gone: Iterable[K]) -> None:
        shards, own = self._shards, set[int]()

        def mine(place: int) -> dict[K, V]:
            if place not in own:
                own.add(place)
                shards[place] = dict(shards[place])
            return shards[place]

        for key, value in put.items():
            place = hash(key) & _MASK
            known = shards[place].get(key)
            if known is None:
                self._size += key not in shards[place]
            elif known == value:
                continue
            mine(place)[key] = value
        for key in gone:
            place = hash(key) & _MASK
            if key in shards[place]:
                self._size -= 1
                del mine(place)[key]

    def __getitem__(self, key: K) -> V:
        return self._shards[hash(key) & _MASK][key]

    def __contains__(self, key: object) -> bool:
        return key in self._shards[hash(key) & _MASK]

    def __iter__(self) -> Iterator[K]:
        for shard in self._shards:
            yield from shard

    def __len__(self) -> int:
        return self._size
