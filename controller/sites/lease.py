"""The lease of one MAC group as one controller plays it: observe, renew, claim, adopt, release. Pure.

              the key is of this site              poll: renew every ``renew``
    watching ─────────────────────────► holding ◄──────────────┐
       │  ▲   released, or no renewal for ``wait``   │  put seen: until = its send time + authority
       │  │   and no heartbeat: claim                ├─────────┘
       │  │                                          │ wish LEAVE
       │  └── release seen ◄── put ◄── silent ◄──────┘ Silence, confirmed or run out
       └── forced: an operator confirmed the other site's death

Ownership changes by compare-and-put alone. What a put gave counts from when it was sent and is
known when its record is seen, in whatever way. A put without an answer gives nothing and forbids nothing but promises.

A store that was restored from a copy is another store: begin with a new life.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from controller.sites import guards, promise
from controller.sites.causes import Cause, Note
from controller.sites.leasestate import (
    NEVER,
    Action,
    Announce,
    Ask,
    Attempt,
    Leaving,
    Me,
    Put,
    Record,
    Reply,
    Seen,
    Silence,
    Speak,
    Step,
    View,
)
from controller.spec.leasetimes import LeaseTimes


class Want(StrEnum):
    """What a controller should do with a group."""

    HOLD = "hold"
    """Own it: renew, adopt, claim what may be claimed."""
    LEAVE = "leave"
    """Release it, if it is held."""
    FOLLOW = "follow"
    """Put nothing: another controller of the site writes, or another site should own it."""


@dataclass(frozen=True)
class Wish:
    """What placement and the site's leadership come to."""

    want: Want
    to: str = ""
    """LEAVE: the site that should claim first; empty: any."""
    heirs: tuple[str, ...] = ()
    """Other controllers that may put the next record, as ``promise.heirs`` finds them."""


FOLLOW = Wish(Want.FOLLOW)


def born(me: Me) -> View:
    """A life that begins. It has read nothing and has no authority, whatever the key says."""
    return View(me)


def observed(view: View, times: LeaseTimes, now: float, revision: int, record: Record | None) -> Step:
    """The key as a watch, a read or the answer to a put shows it, in any order, however late."""
    before = view.seen
    if before is not None and revision <= before.revision:
        return view, ()
    seen = Seen(revision, record, guards.stamped(before, now))
    mine = None if record is None else guards.granted(view, record, now)
    epoch = view.epoch if record is None else max(view.epoch, record.epoch)
    bound = view.promised if before is not None else guards.bound_at_first(times, seen)
    # Puts that compared with what was seen before can no longer be applied.
    later = view._replace(
        seen=seen, attempts=(), old_heirs=frozenset(), open=False, epoch=epoch, promised=bound
    )
    if record is not None and mine is not None and not record.released:
        later = later._replace(until=max(view.until, guards.ends(mine.sent, now, record.authority)))
        return _granted(later, view, times, now, mine.why)
    if record is not None and record.life == view.me.life and not record.released:
        return later, ()  # a put so old that it gives nothing
    return _of_another(later._replace(others=guards.sibling_ends(later, seen, times)), view)


def silenced(view: View, number: int) -> Step:
    """The switches confirm a Silence."""
    leaving = view.leaving
    if leaving is None or leaving.silent or not guards.confirmed(leaving, number):
        return view, ()
    return _silent(view, "confirmed by the switches")


def asked(view: View, times: LeaseTimes, now: float, question: Ask) -> Step:
    """Another controller asks for a promise. ``now`` is read after the question came."""
    view, done = _learnt(view, times, now, question.seen)
    view, reply = promise.give(view, times, now, question)
    return view, (*done, *reply)


def promised(view: View, times: LeaseTimes, now: float, reply: Reply) -> Step:
    """Another controller answers a question."""
    view, done = _learnt(view, times, now, reply.seen)
    view, notes = promise.collect(view, now, reply)
    view, spoken = speak(view, times, now)
    return view, (*done, *notes, *spoken)


def force(view: View, times: LeaseTimes, now: float) -> Step:
    """An operator confirms that every other site is dead, and stays so until this one has written its claim."""
    since = guards.forced_from(times, view.record, now)
    note = Note(Cause.FORCED, f"answers in {since - now:.2f} s unless the other site is heard")
    return view._replace(forced=since, leaving=None), (note,)


def poll(view: View, times: LeaseTimes, now: float, wish: Wish, heard: Collection[str] = ()) -> Step:
    """What is due. Call it at ``due``, after every other call, and whenever the wish or ``heard`` changes.

    ``heard``: sites of which some controller says, on any path, that it is ``holding`` this group.
    """
    view, done = _lapsed(view, now)
    out = list(done)
    if view.forced is not None:
        view, done = _forced(view, times, now, heard)
        out += done
    if view.leaving is not None and wish.want is Want.HOLD:
        view = view._replace(leaving=None, until=guards.called_off(view), speaking=False, tried=NEVER)
        out.append(Note(Cause.STAYED, "the release was not written in time"))
    if view.leaving is not None or (wish.want is Want.LEAVE and view.holds):
        view, done = _leave(view, times, now, wish)
    elif wish.want is Want.HOLD:
        view, done = _hold(view, times, now, wish, heard)
    else:
        done = ()
    return view, (*out, *done)


def holding(view: View, now: float) -> bool:
    """What heartbeats say: there is authority, and it is not being given away."""
    return now < view.until and view.leaving is None


def due(view: View, times: LeaseTimes, now: float) -> float:
    """When to poll next if nothing is observed before."""
    record, times_due = view.record, [now + times.renew]
    if view.holds or view.leaving is not None or view.forced is not None:
        times_due.append(view.tried + times.renew)
    if view.speaking:
        times_due.append(view.spoken)
    if view.seen is not None and record is not None:
        times_due += [view.seen.stamp + times.wait(record.authority), view.promised, view.others]
    return min(each for each in times_due if each > now)


# -- observed


def _learnt(view: View, times: LeaseTimes, now: float, seen: Seen | None) -> Step:
    return (view, ()) if seen is None else observed(view, times, now, seen.revision, seen.record)


def _granted(view: View, before: View, times: LeaseTimes, now: float, why: Note | None) -> Step:
    """A put of this life stands."""
    view = view._replace(forced=None, by_promise=False, refused=False, asked=None)
    view, done = speak(view, times, now)
    if why is None and view.speaking and not before.speaking:
        why = Note(Cause.RESUMED, f"epoch {view.epoch}")
    return view, done if why is None else (why, *done)


def _of_another(view: View, before: View) -> Step:
    """The record is another life's, released, or missing."""
    record, me = view.record, view.me
    first = before.seen is None  # of a life that was forced before it could read
    view = view._replace(asked=None, forced=view.forced if first else None, by_promise=False)
    if record is not None and record.site == me.site and not record.released:
        return view._replace(leaving=None), ()  # a controller of this site goes on
    was, view = view.speaking, view._replace(until=NEVER, leaving=None, speaking=first and view.speaking)
    done: tuple[Action, ...] = ()
    if was and not first:
        view = view._replace(number=view.number + 1)
        done = (Silence(view.number),)
    if record is not None and record.life == me.life:
        to = f", to {record.to}" if record.to else ""
        return view, (*done, Note(Cause.RELEASED, f"epoch {record.epoch}{to}"))
    if first or not (was or before.forced is not None):
        return view, ()
    cause = Cause.DEPOSED if before.forced is None else Cause.FORCE_ENDED
    who = "no owner" if record is None else f"{record.site or 'no owner'}, epoch {record.epoch}"
    return view, (*done, Note(cause, f"the store names {who}"))


# -- authority


def speak(view: View, times: LeaseTimes, now: float) -> Step:
    """Hand to the switches what there is of authority."""
    until = guards.deadline(view.until, times.fence)
    if not guards.speaks(view) or until <= now or (view.speaking and until <= view.spoken):
        return view, ()
    done: tuple[Action, ...] = (Speak(until, view.epoch),)
    if not view.speaking:
        done += (Announce(view.epoch),)
    return view._replace(spoken=max(until, view.spoken), speaking=True), done


def _lapsed(view: View, now: float) -> Step:
    """Authority may have ended since the last look."""
    if not view.speaking or now < view.spoken:
        return view, ()
    return view._replace(speaking=False), (Note(Cause.LAPSED, f"since {now - view.spoken:.3f} s"),)


def _forced(view: View, times: LeaseTimes, now: float, heard: Collection[str]) -> Step:
    others = sorted(set(heard) - {view.me.site})
    if others:
        view = view._replace(forced=None, until=NEVER, speaking=False, number=view.number + 1)
        return view, (Silence(view.number), Note(Cause.FORCE_ENDED, f"{', '.join(others)} is heard"))
    assert view.forced is not None
    if now < view.forced:
        return view, ()
    return speak(view._replace(until=now + times.authority), times, now)


# -- puts


def _hold(view: View, times: LeaseTimes, now: float, wish: Wish, heard: Collection[str]) -> Step:
    if view.seen is None:
        return view, ()
    record = view.seen.record
    if record is None:
        return _found(view, times, now, wish)
    if view.holds:
        return _renew(view, times, now, wish, record.epoch)
    cause = _permitted(view, times, now, heard)
    if cause is None or now < view.tried + times.renew:
        return view, ()
    epoch = record.epoch if cause is Cause.ADOPTED else max(view.epoch, record.epoch) + 1
    why = Note(cause, f"epoch {epoch}, after {record.site or 'no owner'}")
    return _put(view, now, _next(view, times, wish, epoch), why)


def _renew(view: View, times: LeaseTimes, now: float, wish: Wish, epoch: int) -> Step:
    puts: tuple[Action, ...] = ()
    if now >= view.tried + times.renew:
        view, puts = _put(view, now, _next(view, times, wish, epoch))
    view, asks = promise.ask(view, times, now)
    view, spoken = speak(view, times, now)
    return view, (*puts, *asks, *spoken)


def _permitted(view: View, times: LeaseTimes, now: float, heard: Collection[str]) -> Cause | None:
    """Why the next record may be put now."""
    seen = view.seen
    assert seen is not None
    assert seen.record is not None
    record, stamp, me = seen.record, seen.stamp, view.me
    if view.forced is not None and now >= view.forced:
        return Cause.FORCED
    if not guards.heir(me, record):
        return None
    waited = guards.over(record, stamp, times, now)
    if not guards.free(view, now):
        return None
    if guards.claimable(record):
        return Cause.CLAIMED_RELEASED if waited or record.to in ("", me.site) else None
    if guards.adoptable(me, record):
        return Cause.ADOPTED
    if not waited or not guards.unheard(record, heard):
        return None
    return Cause.CLAIMED_SILENT if record.site else Cause.CLAIMED_FREE


def _next(view: View, times: LeaseTimes, wish: Wish, epoch: int) -> Record:
    me = view.me
    heirs = tuple(each for each in wish.heirs if each != me.name)
    return Record(me.site, me.name, me.life, epoch, view.seq + 1, times.authority, heirs)


def _put(view: View, now: float, record: Record, why: Note | None = None) -> Step:
    """Send it; those of before whose own time is over are remembered by their heirs alone."""
    seen = view.seen
    assert seen is not None
    fresh = tuple(each for each in view.attempts if now < each.sent + each.record.authority)
    old = view.old_heirs.union(*(each.record.heirs for each in view.attempts if each not in fresh))
    view = view._replace(
        attempts=(*fresh, Attempt(now, record, why)), old_heirs=old, open=True, seq=record.seq, tried=now
    )
    return view, (Put(guards.compared(seen), record),)


def _found(view: View, times: LeaseTimes, now: float, wish: Wish) -> Step:
    """A missing key says nothing of who answers: write that, and wait as for any owner's end.

    A put that finds the key missing may be late, and the key missing again: so it must not give anything.
    """
    if now < view.tried + times.renew:
        return view, ()
    heirs = tuple(sorted({*wish.heirs, view.me.name}))
    record = Record("", view.me.name, "", view.epoch, 0, times.authority, heirs)
    return view._replace(tried=now), (Put(0, record),)


# -- leaving


def _leave(view: View, times: LeaseTimes, now: float, wish: Wish) -> Step:
    if view.leaving is None:
        view = view._replace(
            leaving=Leaving(wish.to, view.number + 1),
            number=view.number + 1,
            asked=None,
            tried=NEVER,
            forced=None,
        )
        began: tuple[Action, ...] = (
            Silence(view.number),
            Note(Cause.LEAVING, f"to {wish.to}" if wish.to else "to any other site"),
        )
    else:
        began = ()
    leaving = view.leaving
    assert leaving is not None
    if not leaving.silent and guards.fell_silent(view, times, now):
        view, done = _silent(view, "by its deadline")
        began += done
    if not guards.releasable(view, now) or not view.holds or now < view.tried + times.renew:
        return view, began
    assert view.record is not None
    record = view.record._replace(released=True, to=leaving.to, seq=view.seq + 1)
    view, puts = _put(view, now, record)
    return view, (*began, *puts)


def _silent(view: View, how: str) -> Step:
    assert view.leaving is not None
    view = view._replace(leaving=view.leaving._replace(silent=True), speaking=False)
    return view, (Note(Cause.SILENT, how),)
