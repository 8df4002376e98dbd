"""Picks an answer from what a chain leaves, question by question: draws, turns, counts. Takes a few microseconds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, combinations, islice
from typing import Protocol

from controller.exits.names.chain import End, Fork, Tree
from controller.exits.names.content import RecordSet
from controller.exits.names.memory import Memory
from controller.spec.names import Policy

LISTED = 64
"""Sets of one end that are listed as possible, at most: more cannot be signed beforehand in good time."""
KEPT = 256
"""Sets in different orders that an end keeps made."""

Make = Callable[[Sequence[int]], RecordSet]
"""The records of some of an end's candidates, by their places."""


class Pick(Protocol):
    """A tree that is ready to be asked."""

    def pick(self) -> RecordSet:
        """The answer to one question."""
        ...

    def possible(self) -> Iterator[RecordSet]:
        """Sets that it may answer, as far as they can be listed."""
        ...


def picks(
    of: Tree, kind: str, answers: int | None, made: Callable[[End], Make], memory: Memory, name: str
) -> Pick:
    """What picks from a tree. ``kind``, ``name``: of the records. ``answers``: how many at most; None: all."""
    if isinstance(of, Fork):
        parts = tuple(picks(part, kind, answers, made, memory, name) for part in of.parts)
        return _Forked(tuple(accumulate(of.weights)), parts, memory)
    count = len(of.left) if answers is None else min(answers, len(of.left))
    if of.order is None or len(of.left) < 2:
        return Fixed(made(of)(range(count)))
    how = _HOW[of.order]
    key = (name, kind, of.order, tuple((each.name, w) for each, w in zip(of.left, of.weights, strict=True)))
    return how(of.weights, count, made(of), memory, key)


class Fixed:
    """Always the same."""

    def __init__(self, records: RecordSet) -> None:
        self._records = records

    def pick(self) -> RecordSet:
        """It."""
        return self._records

    def possible(self) -> Iterator[RecordSet]:
        """It."""
        yield self._records


class _Forked:
    """A site is drawn by weight."""

    def __init__(self, sums: tuple[int, ...], parts: tuple[Pick, ...], memory: Memory) -> None:
        self._sums, self._parts, self._memory = sums, parts, memory

    def pick(self) -> RecordSet:
        """Of the site that is drawn."""
        return self._parts[bisect_right(self._sums, self._memory.draw() * self._sums[-1])].pick()

    def possible(self) -> Iterator[RecordSet]:
        """Of any site."""
        for part in self._parts:
            yield from part.possible()


class _Ordered(ABC):
    """Several candidates in an order that changes."""

    def __init__(self, weights: tuple[int, ...], count: int, make: Make, memory: Memory, key: object) -> None:
        self._weights, self._count, self._make, self._memory, self._key = weights, count, make, memory, key
        self._made: dict[tuple[int, ...], RecordSet] = {}
        self._size = len(weights)

    def pick(self) -> RecordSet:
        """In the order of this question."""
        order = self._order()
        known = self._made.get(order)
        if known is None:
            known = self._make(order)
            if len(self._made) < KEPT:
                self._made[order] = known
        return known

    def possible(self) -> Iterator[RecordSet]:
        """Each set once, whatever its order; the likeliest first, where some are left out."""
        places = sorted(range(self._size), key=lambda each: -self._weights[each])
        for chosen in islice(combinations(places, self._count), LISTED):
            yield self._make(chosen)

    @abstractmethod
    def _order(self) -> tuple[int, ...]:
        """Places of the candidates that are answered now, the first one first."""

    def _from(self, first: int) -> tuple[int, ...]:
        """A candidate and those that follow it, in the order of the intent."""
        if self._count == 1:
            return (first,)
        return tuple((first + step) % self._size for step in range(self._count))


class _Weighted(_Ordered):
    """Drawn by weight, one after the other, without those that were drawn already."""

    def __init__(self, weights: tuple[int, ...], count: int, make: Make, memory: Memory, key: object) -> None:
        super().__init__(weights, count, make, memory, key)
        self._sums = tuple(accumulate(weights))

    def _order(self) -> tuple[int, ...]:
        draw = self._memory.draw
        if self._count == 1:
            return (bisect_right(self._sums, draw() * self._sums[-1]),)
        rest, weights = list(range(self._size)), list(self._weights)
        out = []
        for _ in range(self._count):
            place = bisect_right(list(accumulate(weights)), draw() * sum(weights))
            out.append(rest.pop(place))
            weights.pop(place)
        return tuple(out)


class _InTurn(_Ordered):
    """Smooth weighted round robin: each gains its weight, the highest comes first and pays the sum of all weights."""

    def _order(self) -> tuple[int, ...]:
        current = self._memory.counts(self._key, self._size)
        best = 0
        for place, weight in enumerate(self._weights):
            current[place] += weight
            if current[place] > current[best]:
                best = place
        current[best] -= sum(self._weights)
        return self._from(best)


class _LeastSelected(_Ordered):
    """The one that came first least often, since this set of candidates is asked for."""

    def _order(self) -> tuple[int, ...]:
        counts = self._memory.counts(self._key, self._size)
        if self._count == 1:
            first = counts.index(min(counts))
            counts[first] += 1
            return (first,)
        order = sorted(range(self._size), key=lambda each: (counts[each], each))
        counts[order[0]] += 1
        return tuple(order[: self._count])


_HOW: dict[Policy, type[_Ordered]] = {
    Policy.WEIGHT: _Weighted,
    Policy.ROUND_ROBIN: _InTurn,
    Policy.LEAST_SELECTED: _LeastSelected,
}
