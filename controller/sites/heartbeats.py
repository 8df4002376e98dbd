"""Who is heard, over which paths: lost are heartbeats only when every path is silent. Pure.

beat of a controller on a path ─► arrived ─► when it was heard last there, and which groups it means to hold
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from controller.sites.leasestate import NEVER
from controller.spec.leasetimes import LOST_AFTER, LeaseTimes


class Beat(NamedTuple):
    """What one controller says on every path, each ``renew`` / 2."""

    site: str
    controller: str
    life: str
    number: int
    """Grows within a life: of two beats that overtake each other the newer one counts."""
    holding: frozenset[str] = frozenset()
    """Keys of groups for which it has authority at the moment, and goes on (``lease.holding``)."""


class Path(NamedTuple):
    """One of the ways between two controllers, such as a pair of addresses."""

    controller: str
    name: str


@dataclass(frozen=True)
class Heartbeats:
    """All that was heard."""

    arrivals: Mapping[Path, float] = field(default_factory=dict)
    """Of the last beat on each path, by the own clock."""
    beats: Mapping[str, Beat] = field(default_factory=dict)
    """The newest of each controller, on whatever path it came."""

    def arrived(self, beat: Beat, path: str, now: float) -> Heartbeats:
        """One more."""
        before = self.beats.get(beat.controller)
        newer = before is None or before.life != beat.life or beat.number >= before.number
        return replace(
            self,
            arrivals={**self.arrivals, Path(beat.controller, path): now},
            beats={**self.beats, beat.controller: beat} if newer else self.beats,
        )

    def last(self, controller: str) -> float:
        """When it was heard last, on any path."""
        return max((at for path, at in self.arrivals.items() if path.controller == controller), default=NEVER)

    def heard(self, times: LeaseTimes, now: float) -> frozenset[str]:
        """Controllers that are heard on one path at least."""
        return frozenset(each for each in self.beats if now < self.last(each) + LOST_AFTER * times.renew)

    def holding(self, group: str, times: LeaseTimes, now: float) -> frozenset[str]:
        """Sites of which a controller is heard that holds this group: what ``lease.poll`` takes."""
        heard = self.heard(times, now)
        return frozenset(self.beats[each].site for each in heard if group in self.beats[each].holding)

    def silent(self, times: LeaseTimes, now: float) -> tuple[Path, ...]:
        """Paths that were heard before and are not now, although their controller may be."""
        lost = (path for path, at in self.arrivals.items() if now >= at + LOST_AFTER * times.renew)
        return tuple(sorted(lost))
