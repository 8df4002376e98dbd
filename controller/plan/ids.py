"""Small stable ids for names: VIPs, listeners, pools, backends, meters, local addresses, groups. Pure.

Ids are allocated for all names of an intent at once, before a plan can see them, and stored before a switch does. The
id of a name that is no more is quarantined for as long as a switch may remember it; a name that returns in that time
has the same id again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
QUARANTINE = 3
"""An id rests for so many times the longest time that a switch was asked to remember it."""

Demand = Mapping[Space, Mapping[str, float]]
"""Names that need ids, each with the seconds for which a switch may remember it after its last packet."""


class IdsExhausted(RuntimeError):
    """All ids of a space are in use or quarantined."""


class Room(NamedTuple):
    """How many ids of a space there are."""

    free: int
    allocated: int
    quarantined: int
    next_free: float | None
    """When the first of the quarantined ones is free again; None: none is quarantined."""
    limit: int


class Allocated(NamedTuple):
    """An id in use."""

    id: int
    memory: float
    """The longest time, in seconds, that a switch was asked to remember it."""


class Quarantined(NamedTuple):
    """A quarantined id."""

    name: str
    """Who had it, and has it again if the name returns in time."""
    until: float
    memory: float


@dataclass(frozen=True)
class IdAllocator:
    """Who has which id. Never changed in place."""

    allocated: Mapping[str, Mapping[str, Allocated]] = field(default_factory=dict)
    """Space -> name -> id."""
    quarantined: Mapping[str, Mapping[int, Quarantined]] = field(default_factory=dict)
    """Space -> quarantined id."""

    def id(self, space: Space, name: str) -> int:
        """The id of a name. Raises KeyError for a name that was not asked for when ids were allocated."""
        try:
            return self.allocated[space][name].id
        except KeyError:
            raise KeyError(f"no id was allocated for {space} {name!r}") from None

    def find(self, space: Space, name: str) -> int | None:
        """The id of a name, if it has one."""
        found = self.allocated.get(space, {}).get(name)
        return None if found is None else found.id

    def ids(self, space: Space) -> dict[str, int]:
        """All ids of a space by name."""
        return {name: each.id for name, each in self.allocated.get(space, {}).items()}

    def name(self, space: Space, number: int) -> str | None:
        """Who has an id now."""
        return next((n for n, each in self.allocated.get(space, {}).items() if each.id == number), None)

    def quarantined_names(self, space: Space) -> set[str]:
        """Names that would have their ids again if they returned now."""
        return {each.name for each in self.quarantined.get(space, {}).values()}

    def step(self, demand: Demand, now: float) -> IdAllocator:
        """Ids for exactly these names; those of other names are quarantined. Raises IdsExhausted."""
        allocated, quarantined = dict(self.allocated), dict(self.quarantined)
        for space, names in demand.items():
            allocated[space], quarantined[space] = _step(
                space, allocated.get(space, {}), quarantined.get(space, {}), names, now
            )
        if all(
            allocated[s] is self.allocated.get(s) and quarantined[s] is self.quarantined.get(s)
            for s in demand
        ):
            return self
        return IdAllocator(allocated, quarantined)

    def renamed(self, space: Space, names: Mapping[str, str]) -> IdAllocator:
        """Names changed, all at once: each new name has the id of its old one."""
        old = self.allocated.get(space, {})
        if not any(name in old for name in names):
            return self
        kept = {name: each for name, each in old.items() if name not in names}
        moved = {names[name]: old[name] for name in names if name in old}
        return replace(self, allocated={**self.allocated, space: {**kept, **moved}})

    def room(self, space: Space, now: float, most: int | None = None) -> Room:
        """How many names can be allocated an id now, none above ``most`` (None: whatever there is)."""
        limit = LIMIT if most is None else min(most, LIMIT)
        allocated, quarantined = self.allocated.get(space, {}), self.quarantined.get(space, {})
        waiting = [each.until for each in quarantined.values() if each.until > now]
        rested = sum(each.until <= now and number <= limit for number, each in quarantined.items())
        unused = limit - max((*(each.id for each in allocated.values()), *quarantined), default=0)
        return Room(rested + max(unused, 0), len(allocated), len(waiting), min(waiting, default=None), limit)

    def shifted(self, seconds: float) -> IdAllocator:
        """The same with all deadlines later by ``seconds``."""
        quarantined = {
            space: {number: each._replace(until=each.until + seconds) for number, each in rows.items()}
            for space, rows in self.quarantined.items()
        }
        return replace(self, quarantined=quarantined)

    def dump(self) -> str:
        """As JSON."""
        return json.dumps({"allocated": self.allocated, "quarantined": self.quarantined})

    @staticmethod
    def load(text: str) -> IdAllocator:
        """Inverse of ``dump``. Raises ValueError, KeyError or TypeError for what is not."""
        data = json.loads(text)
        allocated = {
            space: {name: Allocated(*each) for name, each in rows.items()}
            for space, rows in data["allocated"].items()
        }
        quarantined = {
            space: {int(number): Quarantined(*each) for number, each in rows.items()}
            for space, rows in data["quarantined"].items()
        }
        return IdAllocator(allocated, quarantined)


def _step(
    space: Space,
    allocated: Mapping[str, Allocated],
    quarantined: Mapping[int, Quarantined],
    names: Mapping[str, float],
    now: float,
) -> tuple[Mapping[str, Allocated], Mapping[int, Quarantined]]:
    if allocated.keys() == names.keys() and all(each.memory >= names[n] for n, each in allocated.items()):
        return allocated, quarantined
    made: dict[str, Allocated] = {}
    waiting = dict(quarantined)
    for name, each in allocated.items():
        if name in names:
            made[name] = Allocated(each.id, max(each.memory, names[name]))
        else:
            waiting[each.id] = Quarantined(name, now + QUARANTINE * each.memory, each.memory)
    former = {each.name: number for number, each in waiting.items()}
    free = _Free(space, allocated, waiting, now)
    for name, memory in names.items():
        if name in made:
            continue
        number = former.get(name)
        if number is None or number not in waiting:
            number = free.take()
            memory = max(memory, 0.0)
        else:
            memory = max(memory, waiting[number].memory)
        waiting.pop(number, None)
        made[name] = Allocated(number, memory)
    return made, waiting


class _Free:
    """Ids to hand out: quarantined ones whose time is over first, then those never used."""

    def __init__(
        self, space: Space, allocated: Mapping[str, Allocated], waiting: dict[int, Quarantined], now: float
    ) -> None:
        self._space = space
        self._waiting = waiting
        self._rested = sorted((n for n, each in waiting.items() if each.until <= now), reverse=True)
        self._highest = max((*(each.id for each in allocated.values()), *waiting), default=0)

    def take(self) -> int:
        while self._rested:
            number = self._rested.pop()
            if number in self._waiting:
                return number
        if self._highest >= LIMIT:
            raise IdsExhausted(
                f"all {LIMIT} ids for {self._space}s are in use or quarantined; try again later"
            )
        self._highest += 1
        return self._highest
