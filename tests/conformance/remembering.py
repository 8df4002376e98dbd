"""How long each kind of switch remembers a connection, and when it is old: for lives against the rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from controller.plan.pool import PoolState
from controller.plan.slotrule import Memory
from controller.spec.switch import PERIODS
from p4src.numbers import TICK, ticks
from p4src.pipeline import EMBRYO
from tests.conformance.plant import EMBRYONIC
from tests.conformance.says import Connection

MEMORY = 900.0
"""Seconds: ``memory_timeout`` of pools."""
TRANSITION = 120.0
"""Seconds: ``transition`` of pools."""


@dataclass
class Known:
    """A connection as the rule's memory has it."""

    connection: Connection
    spoke: float
    entry: Memory | None = None
    born: float = 0.0
    """When the entry got its backend."""
    period: int = 0
    """Of the pool, then."""
    confirmed: bool = False
    """More than its first packet was seen."""


class Remembering(ABC):
    """What differs between kinds of switches."""

    lasts_at_once = False
    """Whether what replaces a remembered connection on its first packet counts as confirmed."""

    @abstractmethod
    def old(self, state: PoolState, each: Known, now: float) -> bool:
        """Whether it counts as old."""

    @abstractmethod
    def forgets(self, each: Known, now: float, paused: float) -> bool:
        """Whether one of which only the first packet was seen is forgotten after a pause."""

    def unsure(self, each: Known, now: float) -> bool:
        """Whether it is not to be foretold what is remembered of it."""
        return now - each.spoke > MEMORY


class Generations(Remembering):
    """Open vSwitch: zones of conntrack, and halves of ``transition``."""

    lasts_at_once = True

    def old(self, state: PoolState, each: Known, now: float) -> bool:
        """See ``Remembering``."""
        return (state.tracking.period - each.period) % PERIODS > 2

    def forgets(self, each: Known, now: float, paused: float) -> bool:
        """See ``Remembering``."""
        return paused >= EMBRYONIC


@dataclass(frozen=True)
class Cells(Remembering):
    """P4: cells whose times are in ticks, so that nothing is foretold within two of a turn."""

    _unsure: tuple[tuple[float, float], ...] = field(
        default=tuple(
            (ticks(each) * TICK - 2 * TICK, ticks(each) * TICK + 2 * TICK) for each in (EMBRYO, TRANSITION)
        )
    )

    def old(self, state: PoolState, each: Known, now: float) -> bool:
        """See ``Remembering``."""
        return now - each.born > ticks(TRANSITION) * TICK

    def forgets(self, each: Known, now: float, paused: float) -> bool:
        """See ``Remembering``."""
        return now - each.spoke > ticks(EMBRYO) * TICK

    def unsure(self, each: Known, now: float) -> bool:
        """See ``Remembering``."""
        embryo, transition = self._unsure
        first = not each.confirmed and embryo[0] < now - each.spoke < embryo[1]
        turns = each.entry is not None and transition[0] < now - each.born < transition[1]
        return first or turns or now - each.spoke > MEMORY - 2 * TICK
