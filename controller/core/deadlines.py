"""Until when one switch may answer for each VIP, as it was told last."""

from __future__ import annotations

from collections.abc import Mapping

from controller.clock import Clock


class Deadlines:
    """By VIP id, seconds of the clock; none at first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: Mapping[int, float] = {}
        self._first = float("-inf")
        """When the first of them is over."""

    @property
    def lapsed(self) -> bool:
        """Whether one of them is over, or there is none."""
        return self._clock.now() >= self._first

    def renew(self, until: Mapping[int, float]) -> bool:
        """Take other ones; whether none is over now, and one was."""
        lapsed = self.lapsed
        self._until, self._first = until, min(until.values(), default=float("-inf"))
        return lapsed and not self.lapsed

    def left(self) -> dict[int, float]:
        """Seconds of those that are not over."""
        now = self._clock.now()
        return {vip: until - now for vip, until in self._until.items() if until > now}
