"""Places that see servers otherwise than is decided: who, which, and since when. What lasts is said once."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_

from controller.clock import Clock
from controller.core.journal import Journal
from controller.core.probeplaces import ProbePlaces
from controller.health.places import View
from controller.plan.tables import Verdicts

DIFFERS = 5.0
"""Seconds after which it is said that a place differs."""
NAMED = 10
"""Servers that an event names, at most."""


class Differing:
    """Compares each place with what is decided."""

    def __init__(self, places: ProbePlaces, journal: Journal, clock: Clock) -> None:
        self._places, self._journal, self._clock = places, journal, clock
        self._since: dict[tuple[str, str], float] = {}
        """(place, pool) -> since when it differs."""
        self._said: set[tuple[str, str]] = set()
        self.found: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
        """By place and pool, servers that it sees otherwise."""
        self._basis: tuple[object, ...] = ()
        """What was compared last."""

    def look(self, verdicts: Verdicts) -> None:
        """Compare, and say what has lasted."""
        now = self._clock.now()
        views = list(self._places.counting())
        basis = (verdicts, *(view for _, view in views))
        if len(basis) != len(self._basis) or not all(map(is_, basis, self._basis)):
            self._basis = basis
            self.found = {name: found for name, view in views if (found := _of(view, verdicts))}
        pairs = {(name, pool) for name, pools in self.found.items() for pool in pools}
        self._since = {pair: self._since.get(pair, now) for pair in pairs}
        for place, pool in sorted(pairs - self._said):
            if now >= self._since[place, pool] + DIFFERS:
                self._said.add((place, pool))
                self._say(place, pool, verdicts)
        for place, pool in sorted(self._said - pairs):
            self._said.discard((place, pool))
            self._journal.event("place_agrees", place=place, pool=pool)

    def _say(self, place: str, pool: str, verdicts: Verdicts) -> None:
        names = self.found[place][pool]
        view = next(view for name, view in self._places.counting() if name == place)
        up = [name for name in names if view.verdicts[pool, name].up]
        down = [name for name in names if not view.verdicts[pool, name].up]
        reasons = {view.verdicts[pool, name].reason for name in down}
        self._journal.event(
            "place_differs",
            place=place,
            site=self._places.site(place),
            pool=pool,
            up=up[:NAMED],
            down=down[:NAMED],
            count=len(names),
            reason=min(reasons, default=""),
        )


def _of(view: View, verdicts: Verdicts) -> dict[str, tuple[str, ...]]:
    out: dict[str, list[str]] = {}
    for (pool, name), seen in view.verdicts.items():
        known = verdicts.get(pool, {}).get(name)
        if known is not None and known.up is not seen.up:
            out.setdefault(pool, []).append(name)
    return {pool: tuple(sorted(names)) for pool, names in out.items()}
