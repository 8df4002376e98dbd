"""The rules with one guard left out, each; and where that shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.plan import rehash, tracking
from controller.plan.rehash import Rehash
from controller.plan.slotrule import Choice, Memory, Report, SlotEntry, choose
from controller.plan.tracking import NEVER, UNHELD, Held, Tracking
from controller.spec.slots import Slots
from controller.spec.switch import SETTLED
from tests.tracking.parts import Rules


def _classless(slot: SlotEntry, memory: Memory | None, syn: bool, given: bool) -> Choice:
    believed = None if memory is None else memory._replace(class_=slot.class_)
    return choose(slot, believed, syn, given)


def _silent_syn(slot: SlotEntry, memory: Memory | None, syn: bool, given: bool) -> Choice:
    found = choose(slot, memory, syn, given)
    return found._replace(report=Report.NONE) if syn else found


def _silent_miss(slot: SlotEntry, memory: Memory | None, syn: bool, given: bool) -> Choice:
    found = choose(slot, memory, syn, given)
    return (
        found if memory is not None and memory.class_ == slot.class_ else found._replace(report=Report.NONE)
    )


def _no_age(slot: SlotEntry, memory: Memory | None, syn: bool, given: bool) -> Choice:
    return choose(slot, None if memory is None else memory._replace(old=False), syn, given)


def _one_origin(slot: SlotEntry, memory: Memory | None, syn: bool, given: bool) -> Choice:
    found = choose(slot, memory, syn, given)
    return found._replace(report=Report.OPENED) if found.report is Report.FOUND else found


def _baseless(slot: SlotEntry, memory: Memory | None, syn: bool, given: bool) -> Choice:
    return choose(replace(slot, base=0), memory, syn, given)


def _always(slot: SlotEntry, memory: Memory | None, syn: bool, given: bool) -> Choice:
    """Remembers, and so believes, on settled slots too."""
    found = choose(slot, memory, syn, given)
    if slot.class_ == SETTLED and memory is not None and not syn:
        return found._replace(backend=memory.backend)
    return found


def _planned(state: Tracking, held: Held, now: float, memory: float, stays: bool) -> Tracking:
    return tracking.advance(state, held._replace(revision=state.revision), now, memory, stays)


def _unheld_base(state: Tracking, held: Held, now: float, memory: float, stays: bool) -> Tracking:
    """Settles before every switch has the end of base."""
    ended = (state.base == 0) & (state.base_until == UNHELD)
    until = replace(state, base_until=state.base_until.copy())
    until.base_until[ended] = NEVER
    later = tracking.advance(until, held, now, memory, stays)
    return state if later is until else later


def _lossy(state: Tracking, held: Held, now: float, memory: float, stays: bool) -> Tracking:
    return tracking.advance(state, held._replace(lost=NEVER), now, memory, stays)


def _unpinned(state: Tracking, held: Held, now: float, memory: float, stays: bool) -> Tracking:
    return tracking.advance(state, held._replace(pinned=True), now, memory, stays)


def _own_site(state: Tracking, held: Held, now: float, memory: float, stays: bool) -> Tracking:
    return tracking.advance(state, held._replace(elsewhere=None), now, memory, stays)


def _short(state: Tracking, held: Held, now: float, memory: float, stays: bool) -> Tracking:
    return tracking.advance(state, held, now, memory / 3, stays)


def _forgetful_owner(state: Tracking, slot: int, gone: frozenset[int]) -> SlotEntry:
    entry = Tracking.entry(state, slot, gone)
    return replace(entry, owner=entry.base)


def _quiet_end(state: Tracking, slot: int, gone: frozenset[int]) -> SlotEntry:
    return replace(Tracking.entry(state, slot, gone), ages=bool(state.ages[slot]))


def _same_class(state: Tracking, table: Slots) -> Tracking:
    moved = tracking.move(state, table)
    return replace(moved, class_=(moved.class_ > 0).astype(moved.class_.dtype))


def _new_base(state: Tracking, table: Slots) -> Tracking:
    """A slot that moves again names the last owner, not the one that it had while it was settled."""
    moved = tracking.move(state, table)
    return replace(moved, base=np.where(table != state.now, state.now, moved.base))


def _stale_base(state: Tracking, table: Slots) -> Tracking:
    """Base ends when it would have, though it owned the slot again meanwhile."""
    moved = tracking.move(state, table)
    again = state.tracked & (state.base == state.now)
    return replace(moved, base_until=np.where(again, state.base_until, moved.base_until))


def _quiet_base(state: Tracking, slot: int, gone: frozenset[int]) -> SlotEntry:
    """What is base's own is not reported before every switch knows that it is."""
    entry = Tracking.entry(state, slot, gone)
    return replace(entry, ages=entry.ages and (bool(state.ages[slot]) or not entry.owner))


def _hasty(rehash: Rehash, held: Held, now: float, memory: float) -> bool:
    return rehash.written <= held.revision and held.pinned


def _lossy_turn(of: Rehash, held: Held, now: float, memory: float) -> bool:
    return rehash.ready(of, held._replace(lost=NEVER), now, memory)


def _unpinned_turn(of: Rehash, held: Held, now: float, memory: float) -> bool:
    return rehash.ready(of, held._replace(pinned=True), now, memory)


def _classes_apart(state: Tracking) -> Tracking:
    return replace(rehash.turned(state), class_=np.full(len(state.now), 1, np.uint8))


def _based_turn(state: Tracking) -> Tracking:
    return replace(rehash.turned(state), base=state.base, base_until=state.base_until)


MUTATIONS = {
    "no class in memory": Rules(choose=_classless),
    "a class that never changes": Rules(move=_same_class),
    "a SYN that follows memory is not reported": Rules(choose=_silent_syn),
    "what nothing is remembered of is not reported": Rules(choose=_silent_miss),
    "nothing is reported by age": Rules(choose=_no_age),
    "any report changes a pin": Rules(choose=_one_origin),
    "no base": Rules(choose=_baseless),
    "base is the last owner": Rules(move=_new_base),
    "base ends although it had the slot again": Rules(move=_stale_base),
    "base's own is not watched": Rules(entry=_quiet_base),
    "times run from planning": Rules(advance=_planned),
    "settles before base has ended everywhere": Rules(advance=_unheld_base),
    "settles although reports were lost": Rules(advance=_lossy),
    "settles although pins are not there": Rules(advance=_unpinned),
    "base and tracking for a third of memory": Rules(advance=_short),
    "a suspended base is forgotten": Rules(entry=_forgetful_owner),
    "the end of base is not watched": Rules(entry=_quiet_end),
    "a change of ways is not heeded": Rules(rerouted=lambda state: state),
    "a site ends base without the other": Rules(advance=_own_site),
    "slots turn before all has spoken": Rules(ready=_hasty),
    "slots turn although reports were lost": Rules(ready=_lossy_turn),
    "slots turn although pins are not there": Rules(ready=_unpinned_turn),
    "slots turn into another class": Rules(turned=_classes_apart),
    "base outlives the turn": Rules(turned=_based_turn),
    "one idle switch ends a pin": Rules(idle_everywhere=False),
    "pins need a controller to end": Rules(idles_alone=False),
}
