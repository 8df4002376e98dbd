"""Another spread for a pool in use: all its connections are pinned, then its slots are taken otherwise. Pure.

    asked ─► gathering: every slot is tracked in one class, ``MIGRATED``, and what is on it is reported
                │          (a slot that is tracked in another class settles first)
                ▼ every lb switch has that
             watching: for ``memory``; whatever lives has spoken by then, and has a pin
                ▼ every pin is everywhere, no report was lost
             turned: the slots are taken otherwise; they stay tracked for ``memory`` more

By then its slot decides nothing of a connection: it has a pin, or the lb switch that opened it remembers it in the
one class that all slots share, whichever slot its packets meet. Only what is younger than its pin is at risk if its
packets come to another lb switch: as on any slot that moves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from controller.plan import tracking
from controller.plan.tracking import NEVER, UNHELD, Flags, Held, Tracking, Waits
from controller.spec.switch import MIGRATED


@dataclass(frozen=True)
class Rehash:
    """One that is under way."""

    written: int = 0
    """Revision of the tracking in which every slot is watched; 0: not every one is yet."""
    until: float = UNHELD
    """When every connection that lives has spoken since every lb switch watches every slot; UNHELD: one does not."""

    def later(self, seconds: float) -> Rehash:
        """The same with its time later by ``seconds``."""
        return replace(self, until=self.until + seconds)


class Gathered(NamedTuple):
    """What a step makes of both."""

    tracking: Tracking
    rehash: Rehash


def step(state: Tracking, rehash: Rehash, held: Held, now: float, memory: float) -> Gathered:
    """What acknowledgements and time change up to ``now``. The same objects, where nothing changes."""
    state = _gather(state)
    if _strays(state).any():
        return Gathered(state, rehash if rehash == Rehash() else Rehash())
    if not rehash.written:
        rehash = replace(rehash, written=max(state.revision, 1))
    if rehash.written and rehash.until == UNHELD and rehash.written <= held.revision:
        rehash = replace(rehash, until=now + memory)
    return Gathered(state, rehash)


def ready(rehash: Rehash, held: Held, now: float, memory: float) -> bool:
    """Whether every connection that lives is pinned, or younger than that."""
    heard = min(now, held.heard)
    return held.pinned and max(rehash.until, held.lost + memory) <= heard


def turned(state: Tracking) -> Tracking:
    """All slots, taken otherwise: what nothing is remembered of belongs to the present owner."""
    size = len(state.now)
    revision = state.revision + 1
    return replace(
        state,
        base=np.zeros(size, np.uint16),
        class_=np.full(size, MIGRATED, np.uint8),
        tracked=np.full(size, True),
        written=np.full(size, revision, np.uint32),
        base_until=np.full(size, NEVER),
        moved_until=np.full(size, UNHELD),
        ages=np.full(size, True),
        revision=revision,
    )


def waits(state: Tracking, rehash: Rehash, held: Held, now: float, memory: float) -> Waits:
    """What the turn waits for."""
    strays = int(np.count_nonzero(_strays(state) & state.tracked))
    if strays:
        before = tracking.waits(state, held, now, memory)
        seconds = None if before.seconds is None else before.seconds + memory
        return Waits(seconds, f"{strays} slots that are tracked already settle first: {before.why}")
    if rehash.until == UNHELD:
        return Waits(None, "an lb switch does not watch every slot yet")
    if not held.pinned:
        return Waits(None, "an lb switch does not hold every pin yet")
    if held.lost + memory > max(rehash.until, now):
        return Waits(
            held.lost + memory - now, "a report may have been lost, so some connections may have no pin"
        )
    return Waits(max(rehash.until - now, 0.0), "connections that are silent may still speak and be pinned")


def next_change(rehash: Rehash, held: Held, memory: float) -> float | None:
    """When time alone lets it go on; None: that depends on switches."""
    if not rehash.written or rehash.until == UNHELD or not held.pinned:
        return None
    return max(rehash.until, held.lost + memory)


def _gather(state: Tracking) -> Tracking:
    """Watch what is settled, and what is in the shared class already.

    One that was in that class last may be remembered with it: it is watched in another one, and settles, first.
    """
    idle = ~state.tracked & (state.now != 0)
    fresh = idle & (state.class_ != MIGRATED)
    late = state.tracked & (state.class_ == MIGRATED) & ~state.ages
    if not (idle | late).any():
        return state
    begun = tracking.watch(state, idle | late)
    return replace(begun, class_=np.where(fresh, MIGRATED, begun.class_).astype(np.uint8))


def _strays(state: Tracking) -> Flags:
    """Slots that are not watched in the shared class, and may have connections."""
    found: Flags = (state.now != 0) & (state.class_ != MIGRATED)
    return found
