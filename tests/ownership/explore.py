"""Every order of what may happen in a small world: the shortest way to two owners, or none."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.ownership.key import Keys
from tests.ownership.model import Model
from tests.ownership.parts import Broken, Event, Size, World

Budget = Mapping[str, int]
"""How often each kind of event may happen. Time, deliveries and timers have no bound, so the search has no depth."""


_ENDLESS: Budget = dict.fromkeys(("leave", "heirs", "restart", "kill", "return", "force", "lose"), 1)


@dataclass(frozen=True)
class Found:
    """What an exploration came to."""

    states: int
    sequence: tuple[Event, ...] = ()
    """Events that end with two owners; none: there is no such sequence."""
    why: str = ""
    finished: bool = True
    """All states were visited."""
    depth: int = 0
    """Events to the last new state."""


def parse(text: str) -> tuple[Event, ...]:
    """Events as they are printed."""
    found = (each.split(":") for each in text.split())
    return tuple(Event(kind, tuple(map(int, target))) for kind, *target in found)


def replay(size: Size, events: Sequence[Event], possible: bool = False) -> World:
    """The world after these events; ``possible``: leaving out what cannot happen. Raises Broken."""
    model = Model(size)
    world = model.new()
    for event in events:
        if possible and event not in set(model.events(world, _ENDLESS)):
            continue
        world = model.play(world, event)
    return world


def explore(size: Size, budget: Budget, limit: int = 1_000_000, after: str = "") -> Found:
    """Breadth first, at most ``limit`` states. ``after``: from what these events lead to.

    Of a state 64 bits of its hash are remembered: among a million, two are alike in one of 30 million searches.
    """
    model, keys, names = Model(size), Keys(size), tuple(sorted(budget))
    start, left = replay(size, parse(after)), tuple(budget[each] for each in names)
    seen: dict[int, tuple[int, Event] | None] = {hash((keys.of(start), left)): None}
    queue: deque[tuple[World, tuple[int, ...], int, int]] = deque(
        [(start, left, hash((keys.of(start), left)), 0)]
    )
    depth = 0
    while queue:
        world, left, here, depth = queue.popleft()
        for event in model.events(world, dict(zip(names, left, strict=True))):
            try:
                made = model.play(world, event)
            except Broken as broken:
                return Found(len(seen), (*_path(seen, here), event), str(broken), depth=depth + 1)
            spent = tuple(n - (each == event.kind) for each, n in zip(names, left, strict=True))
            there = hash((keys.of(made), spent))
            if there not in seen:
                seen[there] = (here, event)
                queue.append((made, spent, there, depth + 1))
        if len(seen) > limit:
            return Found(len(seen), finished=False, depth=depth)
    return Found(len(seen), depth=depth)


def _path(seen: Mapping[int, tuple[int, Event] | None], at: int) -> list[Event]:
    out: list[Event] = []
    while (step := seen[at]) is not None:
        at = step[0]
        out.append(step[1])
    return out[::-1]
