"""Random walks: larger and longer than what can be explored, with every kind of event; replayed by their seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.ownership.model import Model
from tests.ownership.parts import Broken, Event, Size, World

LARGE = Size(sites=(2, 2), renew=2, authority=8, fence=2, margin=1, slow=4, fast=5, promises=True, history=3)
"""Two controllers a site, times of finer grain, clocks that differ by a ninth each way."""
LAGGING = Size(
    sites=(2, 1),
    renew=3,
    authority=9,
    fence=3,
    margin=2,
    slow=1,
    fast=2,
    lag=True,
    promises=True,
    resolution=3,
)
"""Coarse clocks, and deadlines that come late to switches."""
THREE = Size(
    sites=(1, 1, 1), renew=2, authority=6, fence=1, margin=0, slow=1, fast=2, promises=True, history=2
)
"""Three sites."""
EVERYTHING: Mapping[str, float] = {
    **{
        "tick": 1.5,
        "poll": 6.0,
        "apply": 4.0,
        "observe": 6.0,
        "deadline": 3.0,
        "silence": 3.0,
        "confirm": 3.0,
    },
    **{"ask": 5.0, "reply": 5.0, "leave": 0.15, "leaving": 3.0, "heirs": 0.5, "restart": 0.05},
    **{"kill": 0.02, "return": 0.3, "force": 0.3},
}
"""How often each kind happens in proportion, of those that may."""


@dataclass
class Walked:
    """What happened on the way."""

    events: Counter[str] = field(default_factory=Counter)
    owners: int = 0
    """Changes of the site that answers."""


class TwoOwners(Exception):
    """A walk came to two owners; the text tells how to play it again, and its events."""


def walk(seed: int, steps: int, size: Size = LARGE, odds: Mapping[str, float] = EVERYTHING) -> Walked:
    """So many events. Raises TwoOwners."""
    chance, model, walked = random.Random(seed), Model(size), Walked()
    world, played, last = model.new(), list[str](), set[int]()
    for _ in range(steps):
        by_kind: dict[str, list[Event]] = {}
        for each in model.events(world, dict.fromkeys(odds, 1)):
            by_kind.setdefault(each.kind, []).append(each)
        kinds = [kind for kind in by_kind if odds.get(kind)]
        event = chance.choice(by_kind[chance.choices(kinds, [odds[each] for each in kinds])[0]])
        played.append(str(event))
        walked.events[event.kind] += 1
        try:
            world = model.play(world, event)
        except Broken as broken:
            raise TwoOwners(f"seed {seed}, event {len(played)}: {broken}\n    {' '.join(played)}") from None
        if now := answering(world, size):
            walked.owners += now != last
            last = now
    return walked


def answering(world: World, size: Size) -> set[int]:
    """Sites whose switches may answer."""
    return {node.site for node in world.nodes if node.clock < node.deadline + size.fence}
