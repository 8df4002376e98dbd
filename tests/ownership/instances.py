"""What is explored by command: worlds, how often what may happen in them, and how far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.ownership.parts import Size
from tests.ownership.sequences import HELD, HELD_HERE, HELD_THERE, PEERS, TWO, TWO_HERE, TWO_THERE

ONE_PUT = replace(TWO, renew=2)
"""A put is tried again only when its own time is over."""


@dataclass(frozen=True)
class Instance:
    """One exploration."""

    what: str
    size: Size = ONE_PUT
    budget: Mapping[str, int] = field(default_factory=dict)
    """What has no budget and is no fault (time, deliveries, timers) has no bound."""
    after: str = ""
    limit: int = 500_000
    """States at most: where it is reached, all are visited that need fewer events than are printed."""


_PART = 300_000

INSTANCES = (
    Instance("clocks in every way", replace(ONE_PUT, ticks=())),
    Instance("puts tried again while others are on their way", replace(TWO, ticks=())),
    Instance("longer times", Size(authority=3, renew=3, ticks=TWO.ticks)),
    Instance("observers that see older states of the key", replace(ONE_PUT, history=2)),
    Instance(
        "different lengths of authority", Size(authority=4, authority_there=2, renew=4, ticks=TWO.ticks)
    ),
    Instance("a deleted key", ONE_PUT, {"lose": 1}),
    Instance("a restart", ONE_PUT, {"restart": 1}),
    Instance(
        "a site's death, and a claim without quorum", ONE_PUT, {"kill": 1, "force": 1, "return": 1}, HELD
    ),
    Instance("deadlines that come late", replace(ONE_PUT, lag=True), {"tick": 4}, HELD, _PART),
    Instance("a release", ONE_PUT, {"leave": 1, "tick": 4}, HELD, _PART),
    Instance("two releases", ONE_PUT, {"leave": 2, "tick": 3}, HELD, _PART),
    Instance("promises", PEERS, {"tick": 5}, HELD, _PART),
    Instance("promises and a release", PEERS, {"leave": 1, "tick": 4}, HELD, _PART),
    Instance("promises and a restart", PEERS, {"restart": 1, "tick": 4}, HELD, _PART),
    Instance(
        "two controllers at the owner's site",
        replace(TWO_HERE, promises=False),
        {"tick": 3},
        HELD_HERE,
        _PART,
    ),
    Instance(
        "the same, with a release",
        replace(TWO_HERE, promises=False),
        {"leave": 1, "tick": 2},
        HELD_HERE,
        _PART,
    ),
    Instance("two heirs at the other site", TWO_THERE, {"heirs": 1, "tick": 3}, HELD_THERE, _PART),
)
"""The first eight have no bound on time: what they find holds for schedules of any length."""
