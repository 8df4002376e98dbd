"""The owner's authority while the store does not answer: a promise of every controller that could claim. Pure.

    owner                                        each heir
    Ask, sent at t ────────────────────────────► its record is the newest known, and no put of its own is under way:
    until = t + authority  ◄── Reply from all ── no put until its clock shows ``wait`` more

A promise is to its giver what a renewal that arrives is to an observer, so the same times and clock rates hold. The
record names its heirs, and no other controller may put the next one: all that could claim are asked.

Two sites without a witness lose the quorum with either of them: the owner goes on while the other site is heard, and a
site that dies is not replaced until an operator confirms its death (``lease.force``), since from afar it looks like a
cut. With a witness the same holds while two of the three are cut off from each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from controller.sites import guards
from controller.sites.causes import Cause, Note
from controller.sites.leasestate import Action, Ask, Asked, Me, Reply, Step, View
from controller.spec.leasetimes import LeaseTimes

SLOW = 2.0
"""Renewals without an answer until the others are asked."""


def heirs(
    me: Me, controllers: Mapping[str, Collection[str]], heard: Collection[str], before: Collection[str] = ()
) -> tuple[str, ...]:
    """Whom the next record should name. ``controllers``: all that are configured, by the sites that may own the group.

    Those that are heard, so that one that is away does not end a promise. Of another site always one at least, as
    ``before`` named it or all, so that one can take over. A controller of the own site that was away is named
    again when it is heard.
    """
    found: set[str] = set()
    for site, names in controllers.items():
        others = set(names) - {me.name}
        here = others.intersection(heard)
        found |= here or (set() if site == me.site else others.intersection(before) or others)
    return tuple(sorted(found))


def acts(view: View, leader: str) -> bool:
    """Whether this controller plays the lease for its site: as its leader, or for a leader that is no heir.

    Who holds names all that are heard, so a leader is no heir only until the next record, or if its holder died before.
    """
    me, record = view.me, view.record
    if leader == me.name or record is None:
        return leader == me.name
    return leader not in (record.holder, *record.heirs) and guards.heir(me, record)


def ask(view: View, times: LeaseTimes, now: float) -> Step:
    """Of the holder: ask, once the store has not answered for ``SLOW`` renewals."""
    record, seen = view.record, view.seen
    if record is None or seen is None or not view.open or view.leaving is not None:
        return view, ()
    if now < view.until - record.authority + SLOW * times.renew:
        return view, ()
    if view.asked is not None and now < view.asked.sent + times.renew:
        return view, ()
    missing = guards.needed(view)
    if not missing:  # there is no one who could claim
        return view._replace(until=max(view.until, guards.ends(now, now, record.authority))), ()
    number = view.number + 1
    view = view._replace(asked=Asked(number, now, missing), number=number)
    return view, (Ask(number, tuple(sorted(missing)), seen),)


def give(view: View, times: LeaseTimes, now: float, question: Ask) -> Step:
    """Of one that is asked and has taken in what the other knows: promise or refuse."""
    asker, known = question.seen.record, view.record
    notes: tuple[Action, ...] = ()
    holds = asker is not None and known is not None and known.life == asker.life and not known.released
    promised = holds and guards.promisable(view)
    if promised and asker is not None:
        if view.promised < now:
            notes = (Note(Cause.PROMISE_GIVEN, f"to {asker.holder} of {asker.site}, epoch {asker.epoch}"),)
        view = view._replace(promised=guards.promised_until(view, asker, times, now))
    return view, (
        Reply(asker.life if asker else "", question.number, view.me.name, promised, view.seen),
        *notes,
    )


def collect(view: View, now: float, reply: Reply) -> Step:
    """Of the holder that has taken in what the other knows: count its promise."""
    asked, record = view.asked, view.record
    if asked is None or record is None or not view.holds or not guards.answers(view, asked, reply):
        return view, ()
    if not reply.promised:
        refused = Note(Cause.PROMISE_REFUSED, f"by {reply.name}")
        return view._replace(refused=True), () if view.refused else (refused,)
    missing = guards.still_missing(asked, reply)
    if missing:
        return view._replace(asked=asked._replace(missing=missing)), ()
    until = max(view.until, guards.ends(asked.sent, now, record.authority))
    begins = Note(Cause.PROMISED, "the store does not answer")
    later = view._replace(until=until, asked=None, by_promise=True, refused=False)
    return later, () if view.by_promise else (begins,)
