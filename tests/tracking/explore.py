"""Every order of a bounded number of events in a small fabric: the shortest way to a broken connection, or none."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from tests.tracking.events import events, play
from tests.tracking.identity import key
from tests.tracking.model import World
from tests.tracking.parts import Broken, Rules, Size

Budget = Mapping[str, int]
"""How often each kind of event may happen; what has no budget does not."""
Key = tuple[object, ...]

INSTANCES: tuple[tuple[Size, Budget], ...] = (
    (Size(), {"tick": 8, "move": 2, "open": 1}),
    (Size(), {"tick": 5, "move": 2, "open": 2}),
    (Size(), {"tick": 6, "move": 1, "open": 1, "die": 1}),
    (Size(), {"tick": 5, "move": 1, "open": 1, "cut": 1}),
    (Size(), {"tick": 6, "move": 1, "open": 1, "reroute": 1}),
    (Size(), {"tick": 4, "move": 2, "open": 2, "reroute": 2}),
    (Size(), {"tick": 5, "move": 2, "open": 1, "reroute_unseen": 1}),
    (Size(), {"tick": 5, "move": 2, "open": 1, "stray": 1}),
    (Size(), {"tick": 5, "move": 1, "open": 2, "gone": 1, "die": 1}),
    (Size(), {"tick": 5, "move": 1, "open": 1, "jam": 1, "reroute": 1}),
    (Size(), {"tick": 5, "move": 1, "open": 1, "mute": 1, "reroute": 1}),
    (Size(), {"tick": 5, "move": 1, "open": 1, "gone": 1, "reroute": 1}),
    (Size(sites=2), {"tick": 4, "move": 2, "open": 1, "part": 1, "reroute": 1}),
    (Size(slots=2, keys=2, backends=2), {"tick": 4, "move": 1, "open": 2}),
)
"""What is explored by command, in full."""


@dataclass(frozen=True)
class Found:
    """What an exploration came to."""

    states: int
    sequence: tuple[str, ...] = ()
    """Events that end with a broken connection; none: there is no such sequence."""
    finished: bool = True
    """All states were visited."""


def explore(size: Size, budget: Budget, rules: Rules | None = None, limit: int = 2_000_000) -> Found:
    """Breadth first, at most ``limit`` states."""
    names = tuple(sorted(budget))
    start, left = World.new(size, rules), tuple(budget[name] for name in names)
    seen: dict[Key, tuple[Key, str] | None] = {(key(start), left): None}
    queue = deque([(start, left)])
    while queue:
        world, left = queue.popleft()
        here = (key(world), left)
        for event in events(world, dict(zip(names, left, strict=True))):
            made = world.copy()
            try:
                play(made, event.kind, event.target)
            except Broken as broken:
                return Found(len(seen), (*_path(seen, here), f"{event.name}: {broken}"))
            spent = tuple(n - (each == event.kind) for each, n in zip(names, left, strict=True))
            there = (key(made), spent)
            if there not in seen:
                seen[there] = (here, event.name)
                queue.append((made, spent))
        if len(seen) > limit:
            return Found(len(seen), finished=False)
    return Found(len(seen))


def _path(seen: Mapping[Key, tuple[Key, str] | None], at: Key) -> list[str]:
    out: list[str] = []
    while (step := seen[at]) is not None:
        at = step[0]
        out.append(step[1])
    return out[::-1]
