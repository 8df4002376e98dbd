"""Generations of a VIP's memory on Open vSwitch: a stored counter that moves by one, never computed from a clock. Pure.

Connections are remembered in the zone of the present generation and looked up in it and in the one before. conntrack
does not renew an entry that sees one direction only: it lasts for its generation and the next one, and for ``late``
more, in which no controller may be there to begin the next generation.

Four zones take turns. So the three generations after an entry's have to last for as long as it does, or it would be
found again in the fourth. Another ``memory_timeout`` begins with a generation: a longer one with the next, a shorter
one with the fourth, in steps (``SHRINK``), and with less time to be late until then. After a long absence the counter
moves once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LATE = 300.0
"""Seconds by which a generation may be late, at most, and nothing is forgotten; entries stay for as much longer."""
SHRINK = 0.8
"""Least share of the former generation's time that a generation lasts. The second and the third after one together last
longer than that one (0.8 ** 2 + 0.8 ** 3 > 1), and its entries live for so long beyond the first."""


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
    """The longest memory that was asked for since it began."""
    former: tuple[float, float] = (0.0, 0.0)
    """The longest that was asked for in the generation before, and in the one before that."""


def first(memory: float, now: float) -> Turn:
    """A VIP that is served from now on."""
    return Turn(0, now, memory, memory)


def advance(turn: Turn, memory: float, now: float) -> Turn:
    """The turn at ``now`` for a VIP that asks for so many seconds of ``memory``: at most one generation later."""
    asked = max(turn.asked, memory)
    if now >= due(turn):
        begun = replace(turn, asked=asked)
        return Turn(turn.number + 1, now, _next(begun), memory, (asked, turn.former[0]))
    return turn if asked == turn.asked else replace(turn, asked=asked)


def due(turn: Turn) -> float:
    """When the next generation begins."""
    return turn.since + turn.period


def lasting(turn: Turn) -> float:
    """For how long an entry is needed that is made now, seconds: until the next generation ends, however late."""
    return turn.period + _next(turn) + late(turn)


def late(turn: Turn) -> float:
    """By how many seconds the end of this generation and the next may be late, in all."""
    # What the second and the third after this one last at least, whatever is asked for then.
    second = max(turn.asked, turn.former[0], SHRINK**2 * turn.period)
    third = max(turn.asked, SHRINK**3 * turn.period)
    return min(max(turn.asked, turn.period), LATE, second + third - turn.period)


def pin_lasts(memory: float, alone: bool) -> float:
    """Seconds without a packet after which a pin ends.

    ``alone``: the switch ends it by itself. Another one may see its connection, and no controller be there to hear
    that; for as long as one may be late for a generation, nothing is lost for want of it.
    """
    return memory + (min(memory, LATE) if alone else 0.0)


def _next(turn: Turn) -> float:
    """Seconds of the next generation, if nothing longer is asked for in this one."""
    return max(turn.asked, *turn.former, SHRINK * turn.period)
