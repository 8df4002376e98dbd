"""Generations of a VIP's memory on Open vSwitch: a stored counter that moves by one, never computed from a clock. Pure.

Connections are remembered in the zone of the present generation and looked up in it and in the one before. conntrack
does not renew an entry that sees one direction only: it lasts for twice the memory that held when it was made, and for
``late`` more, in which no controller may be there to begin the next generation.

So another ``memory_timeout`` begins with a generation: a longer one with the next, a shorter one as soon as no entry of
a longer one is left. After a long absence the counter moves once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LATE = 300.0
"""Seconds by which a generation may be late, at most, and nothing is forgotten; entries stay for as much longer."""


@dataclass(frozen=True)
class Turn:
    """The present generation of one VIP."""

    number: int
    """How many there were before."""
    since: float
    """When it began, seconds of the clock."""
    period: float
    """How long it lasts, seconds; what speaks in it may be silent for as long, unless less is asked for."""
    asked: float
    """The longest memory that was asked for since it began: entries made in it last for that, or for the period."""


def first(memory: float, now: float) -> Turn:
    """A VIP that is served from now on."""
    return Turn(0, now, memory, memory)


def advance(turn: Turn, memory: float, now: float) -> Turn:
    """The turn at ``now`` for a VIP that asks for so many seconds of ``memory``: at most one generation later."""
    asked = max(turn.asked, memory)
    if now >= due(turn):
        return Turn(turn.number + 1, now, asked, memory)
    return turn if asked == turn.asked else replace(turn, asked=asked)


def due(turn: Turn) -> float:
    """When the next generation begins."""
    return turn.since + turn.period


def lasting(turn: Turn) -> float:
    """For how long an entry is needed that is made now, seconds.

    Its zone is that of the fourth generation from then on, so it may be there for three of them.
    """
    length = max(turn.asked, turn.period)
    return 2 * length + late(length)


def late(length: float) -> float:
    """By how many seconds the end of a generation of ``length`` seconds may be late."""
    return min(length, LATE)
