"""Which switches have yet to take which changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 256
"""Changes that switches have yet to take, at most; the oldest is given up."""


@dataclass(eq=False)
class Awaited(Generic[T]):
    """A change that switches have yet to take."""

    change: int
    told: T
    """What is to be told."""
    switches: dict[int, str]
    """Names by id."""


class Following(Generic[T]):
    """Changes that are stored."""

    def __init__(self, end: Callable[[Awaited[T]], None], most: int = MOST) -> None:
        """``end``: called when no switch has to take it any more, and for one that is given up, which names those."""
        self._end, self._most = end, most
        self._open: list[Awaited[T]] = []

    def begin(self, change: int, told: T, switches: Mapping[int, str]) -> Awaited[T]:
        """These have yet to take it."""
        made = Awaited(change, told, dict(switches))
        if not made.switches:
            self._end(made)
            return made
        self._open.append(made)
        if len(self._open) > self._most:
            self._end(self._open.pop(0))
        return made

    def __len__(self) -> int:
        return len(self._open)

    def lacked(self, number: int, change: int) -> Iterator[Awaited[T]]:
        """Changes up to one that a switch has yet to take, the oldest first."""
        return (each for each in self._open if each.change <= change and number in each.switches)

    def taken(self, number: int, change: int) -> None:
        """A switch has taken all up to one."""
        self._take(number, list(self.lacked(number, change)))

    def gone(self, number: int) -> None:
        """A switch will take nothing."""
        self._take(number, [each for each in self._open if number in each.switches])

    def give_up(self, awaited: Awaited[T]) -> None:
        """Wait for it no longer, if it is waited for."""
        if awaited in self._open:
            self._open.remove(awaited)
            self._end(awaited)

    def _take(self, number: int, them: list[Awaited[T]]) -> None:
        for each in them:
            del each.switches[number]
            if not each.switches:
                self._open.remove(each)
                self._end(each)
