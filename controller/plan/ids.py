"""Small stable numbers for names: listeners, pools, VIPs, backends, meters, local addresses.

A number given back rests before somebody else gets it, because a switch may still remember it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Space(StrEnum):
    """Names are numbered from 1 within a space."""

    VIP = "vip"
    LISTENER = "listener"
    POOL = "pool"
    BACKEND = "backend"
    METER = "meter"
    LOCAL4 = "local4"
    LOCAL6 = "local6"
    GROUP = "group"


LIMIT = 0xFFFF


class NumbersExhausted(RuntimeError):
    """All numbers of a space are given out or resting."""


class Room(NamedTuple):
    """How many numbers of a space there are."""

    free: int
    given: int
    resting: int
    next_free: float | None
    """When the first of the resting ones may be given again; None: none rests."""
    limit: int


@dataclass
class Numbers:
    """Who has which number. Mutable, but does no I/O; the store saves ``dump()``."""

    given: dict[str, dict[str, int]] = field(default_factory=dict)
    resting: dict[str, dict[int, float]] = field(default_factory=dict)
    """Number -> time (seconds) from which it may be given again."""

    def of(self, space: Space, name: str, now: float) -> int:
        """The number of a name, given now if it has none.

        Raises NumbersExhausted when 65,535 numbers are in use or resting.
        """
        taken = self.given.setdefault(space, {})
        if name not in taken:
            taken[name] = self._free(space, now)
        return taken[name]

    def name(self, space: Space, number: int) -> str | None:
        """Who has a number now."""
        return next((n for n, k in self.given.get(space, {}).items() if k == number), None)

    def room(self, space: Space, now: float, most: int | None = None) -> Room:
        """How many names can be given a number now, none above ``most`` (None: whatever there is)."""
        limit = LIMIT if most is None else min(most, LIMIT)
        given, resting = self.given.get(space, {}), self.resting.get(space, {})
        waiting = [until for until in resting.values() if until > now]
        rested = sum(until <= now and number <= limit for number, until in resting.items())
        unused = limit - max((*given.values(), *resting), default=0)
        return Room(rested + max(unused, 0), len(given), len(waiting), min(waiting, default=None), limit)

    def keep_only(self, space: Space, names: Iterable[str], rest_until: float) -> None:
        """Take back the numbers of all other names; they rest until then."""
        wanted = set(names)
        taken = self.given.setdefault(space, {})
        for name in [n for n in taken if n not in wanted]:
            self.resting.setdefault(space, {})[taken.pop(name)] = rest_until

    def _free(self, space: Space, now: float) -> int:
        resting = self.resting.setdefault(space, {})
        rested = sorted(number for number, until in resting.items() if until <= now)
        if rested:
            del resting[rested[0]]
            return rested[0]
        highest = max((*self.given[space].values(), *resting), default=0)
        if highest < LIMIT:
            return highest + 1
        raise NumbersExhausted(f"all {LIMIT} numbers for {space}s are in use or resting; try again later")

    def dump(self) -> str:
        """As JSON."""
        return json.dumps({"given": self.given, "resting": self.resting})

    @staticmethod
    def load(text: str) -> Numbers:
        """Inverse of ``dump``."""
        data = json.loads(text)
        resting = {space: {int(n): t for n, t in rows.items()} for space, rows in data["resting"].items()}
        return Numbers(data["given"], resting)
