"""What keeps two sites from answering at one moment: one guard, one function. Pure.

``tests/ownership`` explores what can happen with all of them, finds nothing, and finds two owners without any one.
"""

from __future__ import annotations

from collections.abc import Collection

from controller.sites.leasestate import NEVER, Asked, Attempt, Leaving, Me, Record, Reply, Seen, View
from controller.spec.leasetimes import LeaseTimes


def granted(view: View, record: Record, _now: float) -> Attempt | None:
    """The put of this life that wrote ``record``. What another life wrote gives this one nothing, of its own name even:
    it does not know when that was sent."""
    if record.life != view.me.life:
        return None
    return next((each for each in view.attempts if each.record.seq == record.seq), None)


def ends(sent: float, _now: float, authority: float) -> float:
    """When what was sent then, and is answered now, stops to be authority: an answer that is late extends nothing."""
    return sent + authority


def deadline(until: float, fence: float) -> float:
    """What the switches are given: they may need ``fence`` more to fall silent."""
    return until - fence


def stamped(_before: Seen | None, now: float) -> float:
    """When a revision arrived: each has a time of its own, since each is a renewal."""
    return now


def over(record: Record, stamp: float, times: LeaseTimes, now: float) -> bool:
    """Whether authority by what was stamped then has surely ended. It lasts as long as its writer says."""
    return now >= stamp + times.wait(record.authority)


def unheard(record: Record, heard: Collection[str]) -> bool:
    """No heartbeat of the owner on any path. Not needed against two owners, but against moves without need: etcd may
    be slow for a healthy owner alone."""
    return record.site not in heard


def compared(seen: Seen) -> int:
    """The revision that a put must find: the very one that was waited for."""
    return seen.revision


def heir(me: Me, record: Record) -> bool:
    """Whether this controller may put the next record: only those whose promise its holder would have to ask for."""
    return me.name == record.holder or me.name in record.heirs


def free(view: View, now: float) -> bool:
    """No promise of this controller forbids it to claim or adopt, even what is released: its holder may have called
    that off."""
    return now >= view.promised


def adoptable(me: Me, record: Record) -> bool:
    """Whether the lease can be renewed without a wait: its authority, of any controller, is for the same switches."""
    return record.site == me.site and not record.released


def claimable(record: Record) -> bool:
    """Whether no site answers, so that no wait is needed."""
    return record.released


def confirmed(leaving: Leaving, number: int) -> bool:
    """Whether this is the silence that the release waits for, not one before."""
    return number == leaving.number


def fell_silent(view: View, times: LeaseTimes, now: float) -> bool:
    """Whether the switches are silent by themselves, whatever they confirm."""
    return now >= view.spoken + times.fence


def releasable(view: View, now: float) -> bool:
    """Whether the release may be written: the switches are silent, and no other controller of the site can have
    authority, who may have other responders."""
    leaving = view.leaving
    return leaving is not None and leaving.silent and now >= view.others


def speaks(view: View) -> bool:
    """Whether authority may be handed to switches: not once a release has asked them to be silent."""
    return view.leaving is None


def called_off(_view: View) -> float:
    """What is left of authority when a release is called off: nothing. The release may still be applied, until another
    put is, or until all that could claim have promised."""
    return NEVER


def promisable(view: View) -> bool:
    """Whether no put of this controller is under way: it may be applied at any time."""
    return not view.open


def promised_until(view: View, asker: Record, times: LeaseTimes, now: float) -> float:
    """Until when a promise binds: as an owner's renewal that arrived now."""
    return max(view.promised, now + times.wait(asker.authority))


def bound_at_first(times: LeaseTimes, seen: Seen) -> float:
    """Until when a life that begins is bound by what an earlier life of its name may have promised."""
    return seen.stamp + times.wait(times.authority if seen.record is None else seen.record.authority)


def needed(view: View) -> frozenset[str]:
    """Who must promise: all that the known record names, and all that a put names which may have been applied."""
    record = view.record
    known = frozenset() if record is None else frozenset(record.heirs)
    return known.union(view.old_heirs, *(each.record.heirs for each in view.attempts)) - {view.me.name}


def answers(view: View, asked: Asked, reply: Reply) -> bool:
    """Whether this is an answer to the newest question of this life: an older one was asked earlier."""
    return (reply.life, reply.number) == (view.me.life, asked.number)


def still_missing(asked: Asked, reply: Reply) -> frozenset[str]:
    """Who has not promised yet; authority goes on when all have."""
    return asked.missing - {reply.name}


def sibling_ends(view: View, seen: Seen, times: LeaseTimes) -> float:
    """Until when another controller of this site may have authority, by what it wrote or was promised."""
    record = seen.record
    if record is None or record.site != view.me.site or record.life == view.me.life or record.released:
        return view.others
    return max(view.others, seen.stamp + times.wait(record.authority))


def forced_from(times: LeaseTimes, record: Record | None, now: float) -> float:
    """When an operator's word that the other site is dead becomes authority: its switches may outlive its
    controllers."""
    return now + times.wait(times.authority if record is None else max(record.authority, times.authority))
