"""Which slots are tracked, since when and until when: the controller's half of just enough tracking. Pure.

    settled ──move──► based: base = the former owner, class + 1
                        │ ▲ moves again: base stays
      memory after every│ │          ▲ moves again: base = the owner until then
      lb switch has it  ▼ │          │
                       ending: base is taken out, what is old is reported
                        │ every lb switch has that; memory since the last move
                        ▼
                       settled

Both steps down wait until no report was lost, and every lb switch had every pin, for ``memory``. Times run from when
every lb switch that forwards has acknowledged what was written (``Held``), never from when it was planned: a switch
that was cut off may still open connections by the slot as it was. ``memory`` is the longest silence after which a
connection may be remembered: the pool's ``memory_timeout``, or a generation of a VIP before it, if that is longer; and
``MARGIN``. So a class is used again only when what was remembered in it is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from controller.plan.slotrule import SlotEntry
from controller.spec.slots import Pairs, Slots, SlotTable
from controller.spec.switch import CLASSES, MIGRATED, PERIODS

MARGIN = 1.0
"""Seconds by which times last longer than what they wait for: clocks of switches, and a packet on its way."""

SHORTEST_PERIOD = 5.0
"""Seconds; the shorter a pool's ``transition``, the more often switches are told of another period."""

Times = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
NEVER, UNHELD = float("-inf"), float("inf")


class Held(NamedTuple):
    """What lb switches have, as far as the controller knows."""

    revision: int
    """The latest that every lb switch acknowledged to which edges send packets."""
    pinned: bool = True
    """Each of them holds every pin that was made."""
    lost: float = NEVER
    """When a report may have been lost for the last time: over a rate, in a queue, in a full book, or unheard."""
    heard: float = UNHELD
    """Until when ``lost`` is known: later losses may not have been noticed yet."""
    elsewhere: Flags | None = None
    """Slots that switches of another site may still have with a base; all of them, if that is not heard."""


EVERYTHING = Held((1 << 32) - 1)
"""What there is when nothing is under way, nor was lost."""


def everything(_: str = "") -> Held:
    """See ``EVERYTHING``: of any state, by its key."""
    return EVERYTHING


@dataclass(frozen=True, eq=False)
class Tracking:
    """All slots of one pool, one element each."""

    now: Slots
    base: Slots
    class_: npt.NDArray[np.uint8]
    """The tracked time that it is in, or was in last; 0: it never moved."""
    tracked: Flags
    written: npt.NDArray[np.uint32]
    """The revision that changed it last."""
    base_until: Times
    """When base ends; UNHELD: a switch may not have it yet. Only where there is one."""
    moved_until: Times
    """When ``memory`` has passed since the last move; UNHELD likewise."""
    ages: Flags
    """What is old is reported, wherever a switch without memory would send it."""
    revision: int = 0
    period: int = 0
    """Half of the pool's ``transition`` that goes on now, 0 to ``PERIODS`` - 1, while slots are tracked."""
    period_since: float = NEVER
    former: Pairs = field(default_factory=lambda: np.empty(0, np.uint32))
    """(backend << 16 | slot) sorted: who owned a tracked slot before, in the same tracked time."""

    @staticmethod
    def of(now: Slots) -> Tracking:
        """Slots that have always been so."""
        size = len(now)
        never, no = np.full(size, NEVER), np.zeros(size, np.bool_)
        return Tracking(
            now,
            np.zeros(size, np.uint16),
            np.zeros(size, np.uint8),
            no,
            np.zeros(size, np.uint32),
            never,
            never,
            no,
        )

    @staticmethod
    def migrated(now: Slots, before: Slots, watched: Pairs) -> Tracking:
        """Slots of switches that remembered every connection, and go on from there.

        ``before``: who had what was not remembered, 0: ``now`` had. ``watched``: pairs of those who owned them within
        ``memory``: these slots are tracked, and what is remembered of them is believed.
        """
        made = Tracking.of(now)
        tracked = before != 0
        tracked[watched & 0xFFFF] = True
        return replace(
            made,
            base=np.where(tracked, before, 0).astype(np.uint16),
            class_=np.where(tracked, MIGRATED, 0).astype(np.uint8),
            tracked=tracked,
            base_until=np.where(before != 0, UNHELD, NEVER),
            moved_until=np.where(tracked, UNHELD, NEVER),
            former=np.unique(watched).astype(np.uint32),
        ).unheard()

    @cached_property
    def tracks(self) -> int:
        """How many slots are tracked."""
        return int(np.count_nonzero(self.tracked))

    @cached_property
    def differ(self) -> int:
        """How many of them an lb switch decides otherwise for what it remembers, and for what it does not."""
        return int(np.count_nonzero(self.tracked & (self.base != 0) & (self.base != self.now)))

    @cached_property
    def awaited(self) -> int:
        """The revision from which on more times run, once every lb switch has acknowledged it; 0: all run."""
        based = self.tracked & (self.base_until == UNHELD)
        waits = based | self.tracked & (self.moved_until == UNHELD)
        return int(self.written[waits].min()) if waits.any() else 0

    def untracked(self, now: Slots) -> Tracking:
        """These owners, of a pool whose connections are all remembered; classes go on from where they are."""
        return replace(Tracking.of(now), class_=self.class_, revision=self.revision + 1)

    def later(self, seconds: float) -> Tracking:
        """The same with all times later by ``seconds``."""
        return replace(
            self,
            base_until=self.base_until + seconds,
            moved_until=self.moved_until + seconds,
            period_since=self.period_since + seconds,
        )

    def unheard(self) -> Tracking:
        """The same, told to switches of which it is not known what they have of it: after a restart."""
        written = np.where(self.base_until == UNHELD, 1, 0) | np.where(self.moved_until == UNHELD, 1, 0)
        return replace(self, written=(written * self.tracked).astype(np.uint32), revision=1)

    def entry(self, slot: int, gone: Collection[int] = ()) -> SlotEntry:
        """One slot for switches. ``gone``: backends that give their connections away."""
        now, owner = int(self.now[slot]), int(self.base[slot])
        if not self.tracked[slot]:
            return SlotEntry(now)
        base = 0 if owner in gone else owner
        # Until every switch has base, or its end, one that has may be followed by one that has not.
        unheld = self.base_until[slot] == UNHELD and owner in (0, now)
        return SlotEntry(now, base, int(self.class_[slot]), owner, bool(self.ages[slot] or unheld))


def slot_table(state: Tracking, kept: Collection[int]) -> SlotTable:
    """All slots as switches hold them: ``entry`` of each, and the pairs whose connections they report.

    ``kept``: backends that keep their connections.
    """
    owner = np.where(state.tracked, state.base, 0)
    unheld = state.base_until == UNHELD
    ages = state.tracked & (state.ages | unheld | (owner != 0) & (owner != state.now))
    unknown = np.where(np.isin(owner, list(kept)) & (owner != 0), owner, state.now)
    unknown = np.where(state.tracked, unknown, 0).astype(np.uint16)
    told = (unknown != state.now) | ages
    aged = np.flatnonzero(ages & (state.now != 0))
    slot, backend = state.former & 0xFFFF, state.former >> 16
    pairs = np.sort(state.now[aged].astype(np.uint32) << 16 | aged.astype(np.uint32))
    return SlotTable(
        state.now,
        np.zeros(len(state.now), np.uint16),
        class_=np.where(state.tracked, state.class_, 0).astype(np.uint16),
        base=np.where(told, unknown, 0).astype(np.uint16),
        home=np.where(told, 0, unknown).astype(np.uint16),
        former=state.former[(state.now[slot] != backend) & np.isin(backend, list(kept))],
        young=pairs,
        aged=pairs,
    )


def move(state: Tracking, table: Slots) -> Tracking:
    """The slots have these owners now. A slot that had none before has no connections to look out for."""
    moved = (table != state.now) & (state.now != 0)
    if not moved.any():
        return replace(state, now=table, revision=state.revision + int((table != state.now).any()))
    begun, slots = _track(state, moved), np.flatnonzero(moved)
    left = (state.now[slots].astype(np.uint32) << 16 | slots.astype(np.uint32)).astype(np.uint32)
    former = _united(state.former, left)
    return replace(begun, now=table, ages=begun.ages & (state.tracked | ~moved), former=former)


def _united(one: Pairs, other: Pairs) -> Pairs:
    """What is in either, sorted. ``union1d`` hashes, and takes ten times as long."""
    both = np.concatenate([one, other])
    both.sort()
    first = np.ones(len(both), bool)
    first[1:] = both[1:] != both[:-1]
    return both[first]


def rerouted(state: Tracking) -> Tracking:
    """Edges send packets otherwise: connections may have come to switches that do not remember them, and come back."""
    told = state.tracked & ~state.ages
    return _written(state, told, ages=state.ages | told) if told.any() else state


def watch(state: Tracking, slots: Flags) -> Tracking:
    """Track these slots although they stay: other switches have them otherwise, as those of a site that was away.

    What is there is reported, so that it has a pin when its packets come to the others.
    """
    if not slots.any():
        return state
    begun = _track(state, slots)
    return replace(begun, ages=begun.ages | slots)


def joined(state: Tracking, other: Tracking) -> Tracking:
    """One state for what two had, of which all slots are settled and alike: it begins with a class that neither had."""
    mine, theirs = state.class_.astype(np.int64), other.class_.astype(np.int64)
    unlike = (mine != theirs) & (mine % MIGRATED != 0) & (theirs % MIGRATED != 0)
    # The sum of the three is 6: what is left of it is the next class.
    third = (6 - mine - theirs - 2) % CLASSES + 1
    known = np.where(mine % MIGRATED == 0, np.where(theirs == 0, mine, theirs), mine)
    class_ = np.where(unlike, third, known).astype(np.uint8)
    return state if np.array_equal(class_, state.class_) else replace(state, class_=class_)


def differing(one: Tracking, other: Tracking) -> Flags:
    """Slots by which two sites would send a connection that neither remembers to different backends."""
    found: Flags = (one.now != other.now) | (one.base != other.base) | (one.tracked != other.tracked)
    return found


def advance(state: Tracking, held: Held, now: float, memory: float, stays: bool = False) -> Tracking:
    """What acknowledgements and time change up to ``now``. ``stays``: what is in class ``MIGRATED`` does not settle."""
    if not state.tracks:
        return state
    state = _acknowledge(state, held, now + memory)
    heard = min(now, held.heard)
    if not held.pinned or held.lost + memory > heard:
        return state
    ends = state.tracked & (state.base != 0) & (state.base_until <= heard)
    if ends.any():
        return _end_bases(state, ends)
    settles = state.tracked & (state.base == 0) & (state.moved_until <= heard) & (state.base_until <= now)
    if stays:
        settles &= state.class_ != MIGRATED
    if not settles.any():
        return state
    former = state.former[~settles[state.former & 0xFFFF]]
    done = _written(state, settles, tracked=state.tracked & ~settles, ages=state.ages & ~settles)
    return replace(done, former=former)


def tick(state: Tracking, now: float, transition: float) -> Tracking:
    """The next period, once this one is over; only one, however long ago it ended."""
    if period_ends(state, transition) > now:
        return state
    return replace(state, period=(state.period + 1) % PERIODS, period_since=now)


def period_ends(state: Tracking, transition: float) -> float:
    """When the present period is over; never, while nothing is tracked."""
    length = max(transition / 2, SHORTEST_PERIOD)
    return state.period_since + length if state.tracks else UNHELD


class Waits(NamedTuple):
    """Until when slots stay tracked, and why."""

    seconds: float | None = 0.0
    """Until the last one settles, if nothing else happens; None: that depends on switches."""
    why: str = ""
    """Empty: no slot is tracked."""


def waits(state: Tracking, held: Held, now: float, memory: float) -> Waits:
    """What tracked slots wait for before they settle."""
    if not state.tracks:
        return Waits()
    tracked = state.tracked
    based = tracked & (state.base != 0)
    if (tracked & (state.moved_until == UNHELD)).any() or (based & (state.base_until == UNHELD)).any():
        return Waits(None, "an lb switch does not have the last move yet")
    if not held.pinned:
        return Waits(None, "an lb switch does not hold every pin yet")
    quiet = held.lost + memory
    ends = float(max(state.moved_until[tracked].max(), state.base_until[based].max(initial=NEVER)))
    if quiet > max(ends, now):
        return Waits(quiet - now, "a report may have been lost, so some connections may have no pin")
    return Waits(max(ends - now, 0.0), "connections that were silent since the last move may still speak")


def next_change(state: Tracking, held: Held, memory: float, after: float) -> float | None:
    """When time alone changes something next; None: never."""
    if not state.tracks:
        return None
    if not held.pinned:
        return None
    tracked, based = state.tracked, state.base != 0
    ended = tracked & ~based & (state.base_until != UNHELD)
    times = np.concatenate([state.base_until[tracked & based], state.moved_until[ended]])
    times = np.maximum(times, held.lost + memory)
    times = times[(times > after) & np.isfinite(times)]
    return float(times.min()) if times.size else None


def _acknowledge(state: Tracking, held: Held, until: float) -> Tracking:
    """Times begin to run for what all switches have."""
    known = state.written <= held.revision
    based = known & (state.base_until == UNHELD)
    if held.elsewhere is not None:  # a connection may come to the switches there as to those here
        based &= (state.base != 0) | ~held.elsewhere
    moved = known & (state.moved_until == UNHELD)
    if not (based.any() or moved.any()):
        return state
    return replace(
        state,
        # A base that has ended has nothing more to wait for.
        base_until=np.where(based, np.where(state.base != 0, until, NEVER), state.base_until),
        moved_until=np.where(moved, until, state.moved_until),
    )


def _end_bases(state: Tracking, ends: Flags) -> Tracking:
    base = np.where(ends, 0, state.base).astype(np.uint16)
    return _written(state, ends, base=base, base_until=np.where(ends, UNHELD, state.base_until))


def _track(state: Tracking, slots: Flags) -> Tracking:
    """These slots are tracked from now on, or for longer; ``base`` is whose they are, where there is none.

    Where it had the slot until now, nothing of it was reported meanwhile: it is base for ``memory`` from here.
    """
    begins, based = slots & ~state.tracked, slots & ((state.base == 0) | (state.base == state.now))
    return _written(
        state,
        slots,
        base=np.where(based, state.now, state.base).astype(np.uint16),
        class_=np.where(begins, state.class_ % CLASSES + 1, state.class_).astype(np.uint8),
        tracked=state.tracked | slots,
        base_until=np.where(based, UNHELD, state.base_until),
        moved_until=np.where(slots, UNHELD, state.moved_until),
    )


def _written(state: Tracking, slots: Flags, **changes: npt.NDArray[Any]) -> Tracking:
    """The next revision, in which these slots are written."""
    revision = state.revision + 1
    written = np.where(slots, revision, state.written).astype(np.uint32)
    changed: dict[str, Any] = {**changes, "written": written, "revision": revision}
    return replace(state, **changed)
