"""What an lb switch makes of a packet once it knows its slot: just enough tracking. Pure, and the same on every kind.

    settled slot                              -> now; nothing is looked up or remembered
    tracked slot:  remembered                 -> that backend, subject to its fate; reported if siblings would not know,
                                                 at once, or at a rate of its own while it is young
                   not remembered, a SYN      -> now, remembered
                   not remembered, no SYN     -> base, remembered; reported where that is not now

A slot that has not moved for ``memory_timeout`` is settled: all of its connections belong to ``now``, or have a pin.
One that moves is tracked (``tracking.py`` says until when), and ``base`` names the one to whom belongs what nothing is
remembered of: it was opened while the slot was settled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from controller.spec.switch import MIGRATED, SETTLED


@dataclass(frozen=True)
class SlotEntry:
    """One slot as a switch holds it."""

    now: int
    """Backend of what is new; 0: none."""
    base: int = 0
    """Backend of what is not remembered and no SYN; 0: ``now``."""
    class_: int = SETTLED
    """Which tracked time it is in, 1 to ``spec.switch.CLASSES``, or ``MIGRATED``."""
    owner: int = 0
    """``base`` too while its backend gives its connections away; a sibling may go by it again."""
    ages: bool = False
    """Whatever is older than ``transition`` is reported, wherever it goes."""


class Memory(NamedTuple):
    """What a switch remembers of a connection."""

    backend: int
    class_: int
    old: bool
    """Older than the pool's ``transition``."""
    opened: bool = True
    """By a SYN that came by; else a packet that nothing was remembered of, which was sent to ``base``."""


class Report(Enum):
    """What the controller is told, and makes a pin of."""

    NONE = "none"
    OPENED = "opened"
    """A connection that was opened here, and so belongs to its backend."""
    FOUND = "found"
    """One that was not: another switch may know better, so this changes no pin that is there."""


class Choice(NamedTuple):
    """What becomes of the packet."""

    backend: int
    """0: dropped."""
    remember: bool
    """Written to memory with the class of the slot; an entry that is there keeps its age if it names the backend."""
    report: Report


def choose(slot: SlotEntry, memory: Memory | None, syn: bool, given: bool = False) -> Choice:
    """The choice for a packet that no pin decides.

    ``given``: the backend in ``memory`` gives the packet away: all that it had, or, where this is a SYN, what is new.
    """
    if slot.class_ == SETTLED:
        return Choice(slot.now, False, Report.NONE)
    if memory is not None and not believed(slot.class_, memory.class_):
        memory = None
    if memory is None:
        return _unknown(slot, syn)
    if given:
        return Choice(slot.now, bool(slot.now), Report.NONE)
    told = memory.backend != slot.now or (memory.old and _ages(slot))
    report = Report.OPENED if memory.opened else Report.FOUND
    return Choice(memory.backend, True, report if told else Report.NONE)


def believed(slot: int, memory: int) -> bool:
    """Whether what is remembered with one class holds on a tracked slot of another."""
    return memory == slot or (slot == MIGRATED and memory == SETTLED)


def _unknown(slot: SlotEntry, syn: bool) -> Choice:
    if syn:
        return Choice(slot.now, bool(slot.now), Report.NONE)
    backend = slot.base or slot.now
    # At once: it may be silent until the slot has settled. Of how old it is nothing is known.
    return Choice(backend, bool(backend), Report.FOUND if backend != slot.now or _ages(slot) else Report.NONE)


def _ages(slot: SlotEntry) -> bool:
    """Whether a connection of ``now`` may be sent elsewhere by a switch that does not remember it."""
    return slot.ages or slot.owner not in (0, slot.now)
