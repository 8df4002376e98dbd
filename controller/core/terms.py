"""The term with which switches are claimed: greater than any that they have seen. Owns ``term``."""

from __future__ import annotations

from collections.abc import Callable

from controller.clock import Clock
from controller.core.cells import Cell

PAUSE = 1.0
"""Seconds between two claims: a switch that refuses for another reason must not be claimed in a loop."""


class Terms:
    """Grows at every start, and when a switch names a greater one."""

    def __init__(self, term: Cell[int], clock: Clock) -> None:
        self._term = term
        self._clock = clock
        self._seen = 0
        self._since = float("-inf")
        self.on_change: Callable[[], None] = lambda: None
        """Claim all switches again."""
        # Wall time is only where the count begins: a controller with a new store comes after one with another.
        term.put(max(term.value + 1, int(clock.wall())))

    @property
    def now(self) -> int:
        """The present term."""
        return self._term.value

    def outdo(self, seen: int) -> None:
        """A switch refuses our term, and names the greatest that it has seen; claimed again after a pause."""
        self._seen = max(self._seen, seen)
        if self._seen >= self._term.value and self._clock.now() >= self._since + PAUSE:
            self.step()

    def deadline(self) -> float | None:
        """When a term is due that a pause holds back."""
        return self._since + PAUSE if self._seen >= self._term.value else None

    def step(self) -> None:
        """Take a greater term, and claim all switches with it."""
        if self._seen < self._term.value:
            return
        self._since = self._clock.now()
        self._term.put(self._seen + 1)
        self.on_change()
