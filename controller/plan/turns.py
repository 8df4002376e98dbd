"""Generations of a VIP's memory on Open vSwitch: a stored counter that moves by one, never computed from a clock. Pure.

Connections are remembered in the zone of the present generation and looked up in it and in the one before. A
generation lasts at least as long as the longest ``memory_timeout`` that was asked for while it, or the one before, was
present: what spoke within ``memory_timeout`` is found, also across an edit of it. After a long absence it turns once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Turn:
    """The present generation of one VIP."""

    number: int
    """How many there were before."""
    since: float
    """When it began, seconds of the clock."""
    period: float
    """How long it lasts, seconds."""
    asked: float
    """The longest memory that was asked for since it began."""


def first(memory: float, now: float) -> Turn:
    """A VIP that is served from now on."""
    return Turn(0, now, memory, memory)


def advance(turn: Turn, memory: float, now: float) -> Turn:
    """The turn at ``now`` for a VIP that asks for so many seconds of ``memory``: at most one generation later."""
    asked, period = max(turn.asked, memory), max(turn.period, memory)
    if now >= turn.since + period:
        return Turn(turn.number + 1, now, asked, memory)
    if (asked, period) == (turn.asked, turn.period):
        return turn
    return replace(turn, asked=asked, period=period)


def due(turn: Turn) -> float:
    """When the next generation begins."""
    return turn.since + turn.period
