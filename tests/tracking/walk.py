"""Random walks: longer and larger than what can be explored, with every kind of event; replayed by their seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.tracking.events import Event, events, play
from tests.tracking.model import World
from tests.tracking.parts import Broken, Rules, Size

LARGE = Size(slots=4, lbs=3, backends=5, keys=24, memory=12, transition=3)
FAULTLESS: Mapping[str, float] = {
    "tick": 1.0,
    "move": 0.25,
    "open": 3.0,
    "speak": 6.0,
    "close": 0.5,
    "sync": 1.0,
}
"""How often each kind happens in proportion, while no lb switch fails and no packet changes its way."""
EVERYTHING: Mapping[str, float] = {
    **FAULTLESS,
    **{"gone": 0.03, "back": 0.05, "cut": 0.02, "jam": 0.02, "mute": 0.02, "heal": 0.08, "die": 0.02},
    **{"reroute": 0.03, "reroute_unseen": 0.02, "stray": 0.02},
}


TURNING: Mapping[str, float] = {**EVERYTHING, "rehash": 0.02}
TWO_SITES = replace(LARGE, sites=2, lbs=4)
PARTING: Mapping[str, float] = {**EVERYTHING, "part": 0.03, "join": 0.1}


@dataclass
class Walked:
    """What happened on the way."""

    events: Counter[str] = field(default_factory=Counter)
    risks: Counter[str] = field(default_factory=Counter)
    """Connections that were lost, by why they were at risk."""
    settled: int = 0


class Lost(Exception):
    """A walk broke a connection; the text tells how to play it again, and its last events."""


def walk(
    seed: int, steps: int, odds: Mapping[str, float], size: Size = LARGE, rules: Rules | None = None
) -> Walked:
    """So many events. Raises Lost."""
    chance, world, walked = random.Random(seed), World.new(size, rules), Walked()
    told: list[str] = []
    budget = dict.fromkeys(odds, 1)
    for _ in range(steps):
        by_kind: dict[str, list[Event]] = {}
        for each in events(world, budget):
            by_kind.setdefault(each.kind, []).append(each)
        kinds = [kind for kind in by_kind if odds.get(kind)]
        event = chance.choice(by_kind[chance.choices(kinds, [odds[each] for each in kinds])[0]])
        told.append(event.name)
        walked.events[event.kind] += 1
        before = _tracked(world)
        try:
            play(world, event.kind, event.target)
        except Broken as broken:
            last = "\n    ".join(told[-60:])
            raise Lost(f"seed {seed}, event {len(told)}: {broken}\n    {last}") from None
        walked.settled += max(before - _tracked(world), 0)
    walked.risks.update(world.counts)
    return walked


def _tracked(world: World) -> int:
    return sum(int(site.plan.tracked.sum()) for site in world.sites)
