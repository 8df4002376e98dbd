"""Whether the place that probes is at fault: when everything asked from it fails at once, it is doubted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from controller.health.result import Outcome, ProbeResult

HOLD = 30.0
"""Seconds for which a doubt holds verdicts at most; failures that go on after that count."""


@dataclass(frozen=True)
class Doubt:
    """Every server that was up fails at once, so no failure counts at present."""

    since: float
    """Monotonic seconds (those of the probes' results)."""
    until: float
    """Monotonic seconds from which failures count again, whatever is heard."""
    servers: int
    """Distinct servers that failed when the doubt began."""
    held: int
    """Failures not counted so far."""


class Asked(NamedTuple):
    """A server that is up, and the newest answer to one of its probes."""

    backend: str
    newest: ProbeResult | None


class Vantage:
    """Doubts itself when the newest answers to all probes are failures.

    A doubt begins when a server is about to be judged down and, since its first failure in a row, nothing has
    passed, at least two distinct servers that were up have failed, and these are at least half of all
    that were up (the others are asked too seldom to have been heard). One pass of anything ends it; after ``hold``
    seconds it ends by itself, and the next can begin only when something has passed. Probes that could not
    be asked say nothing in either direction. A server that is judged by a single failure (``fall`` 1) is
    judged before others are heard, so the first of those is not protected.
    """

    def __init__(self, hold: float = HOLD) -> None:
        self.doubt: Doubt | None = None
        """The present doubt."""
        self._hold = hold
        self._spent = False
        self._last_pass: ProbeResult | None = None
        """The last pass heard, unless its probe failed since: most questions end with it."""

    def hear(self, result: ProbeResult) -> bool:
        """Take note of a result; True if it is the pass that ends a doubt."""
        if result.outcome is Outcome.PASS:
            self._last_pass = result
            self._spent = False
            if self.doubt is None:
                return False
            self.doubt = None
            return True
        if self._last_pass is not None and self._last_pass.probe is result.probe:
            self._last_pass = None
        self._expire(result.finished)
        return False

    def holds(self, began: float, now: float, up: Callable[[], Iterable[Asked]]) -> bool:
        """Whether a failure that would judge a server down is held, not counted.

        ``began`` is when the first of its failures in a row was asked, ``up`` gives
        all that are up, this one included; called only when nothing simpler decides.
        """
        if self.doubt is None and not self._spent and not self._passed_since(began):
            failing, known = self._failing(began, up())
            if failing >= 2 and 2 * failing >= known:
                self.doubt = Doubt(now, now + self._hold, failing, 0)
        return self.held()

    def held(self) -> bool:
        """Whether a failure of now is held; counts it if so."""
        if self.doubt is None:
            return False
        self.doubt = Doubt(self.doubt.since, self.doubt.until, self.doubt.servers, self.doubt.held + 1)
        return True

    def _expire(self, now: float) -> None:
        if self.doubt is not None and now >= self.doubt.until:
            self.doubt, self._spent = None, True

    def _passed_since(self, began: float) -> bool:
        return self._last_pass is not None and self._last_pass.started >= began

    def _failing(self, began: float, up: Iterable[Asked]) -> tuple[int, int]:
        """How many servers failed since ``began`` (none if one passed), and how many have ever been heard."""
        failing: list[Asked] = []
        known: list[Asked] = []
        for asked in up:
            newest = asked.newest
            if newest is None or newest.outcome is Outcome.LOCAL:
                continue
            known.append(asked)
            if newest.started >= began:
                if newest.outcome is Outcome.PASS:
                    return 0, 0
                failing.append(asked)
        return _servers(failing), _servers(known)


def _servers(asked: list[Asked]) -> int:
    """A server may have an address for each IP version, and a name for each of its ports."""
    addresses = {each.newest.probe.address for each in asked if each.newest is not None}
    return min(len(addresses), len({each.backend for each in asked}))
