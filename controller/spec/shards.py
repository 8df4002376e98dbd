"""A mapping that never changes, and whose next version shares all that stays with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

BITS = 5
"""Of a hash that tell the branch, and as many more that tell the shard on it: of 100,000 entries, 100 are copied when
one changes."""
_BRANCH = 1 << BITS
_MASK = _BRANCH - 1
_SHARD = _BRANCH * _BRANCH - 1


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

    __slots__ = ("_branches", "_size")

    def __init__(self, content: Mapping[K, V] | None = None) -> None:
        empty: dict[K, V] = {}
        self._branches = [[empty] * _BRANCH] * _BRANCH
        self._size = 0
        if content:
            self._apply(content, ())

    def changed(self, put: Mapping[K, V], gone: Iterable[K] = ()) -> Shards[K, V]:
        """The next version: with ``put``, and without ``gone`` (those that are not there anyway do no harm)."""
        made: Shards[K, V] = Shards.__new__(Shards)
        made._branches = list(self._branches)
        made._size = self._size
        made._apply(put, gone)
        return made

    def differing(self, other: Shards[K, V]) -> Iterator[tuple[Mapping[K, V], Mapping[K, V]]]:
        """Pairs of parts (ours, theirs) in which all differences are."""
        for mine, its in zip(self._branches, other._branches, strict=True):
            if mine is its:
                continue
            for ours, theirs in zip(mine, its, strict=True):
                if ours is not theirs and ours != theirs:
                    yield ours, theirs

    def lacking(self, other: Mapping[K, V]) -> Iterator[tuple[Mapping[K, V], Mapping[K, V]]]:
        """The same, turned round (theirs, ours), for a mapping of another kind."""
        known = 0
        for ours in self._shards():
            if ours.items() <= other.items():
                known += len(ours)
                continue
            theirs = {key: other[key] for key in ours if key in other}
            known += len(theirs)
            yield theirs, ours
        if known < len(other):
            yield {key: value for key, value in other.items() if key not in self}, {}

    def _shards(self) -> Iterator[dict[K, V]]:
        for branch in self._branches:
            yield from branch

    def _shard(self, key: object) -> dict[K, V]:
        place = hash(key)
        return self._branches[place & _MASK][place >> BITS & _MASK]

    def _apply(self, put: Mapping[K, V], gone: Iterable[K]) -> None:
        """For a version that is held nowhere yet."""
        own, branches = dict[int, dict[K, V]](), set[int]()

        def mine(place: int) -> dict[K, V]:
            """The shard of a hash, to be changed: a copy, on a branch that is one."""
            which = place & _SHARD
            shard = own.get(which)
            if shard is None:
                branch, twig = place & _MASK, which >> BITS
                if branch not in branches:
                    branches.add(branch)
                    self._branches[branch] = list(self._branches[branch])
                shard = own[which] = self._branches[branch][twig] = dict(self._branches[branch][twig])
            return shard

        for key, value in put.items():
            shard = self._shard(key)
            known = shard.get(key)
            if known is None:
                self._size += key not in shard
            elif known is value or known == value:
                continue
            mine(hash(key))[key] = value
        for key in gone:
            if key in self._shard(key):
                self._size -= 1
                del mine(hash(key))[key]

    def __getitem__(self, key: K) -> V:
        return self._shard(key)[key]

    def __contains__(self, key: object) -> bool:
        return key in self._shard(key)

    def __iter__(self) -> Iterator[K]:
        for shard in self._shards():
            yield from shard

    def __len__(self) -> int:
        return self._size
