"""Which of several controllers on one store leads: it alone serves, the others stand by and take over. Pure.

             absent: at once                           renew every ``renew``
    standby ────────────────────────────────► leading ◄──┐
       ▲ │  one revision for ``wait``: compare │  │ ▲     │ put seen: until = its send time + authority
       └─┘                                     │  │ └─────┘
    read every ``renew``; no answer: ``blind`` │  └── another's record: lost, for good
                                               └───── clean stop: delete by compare

One register (``KEY``) names the leader. Times are those of ``leasetimes``: only rates of clocks matter. While all
clocks keep to them and nothing else deletes the register, no two controllers lead at one moment.

This is for liveness, and so that controllers do not alternate. Where two act as leaders all the same, the store
refuses the batches of the one that read it first (``Guard.head``), and switches refuse the older term. So a leader
whose authority has lapsed because the store does not answer goes on: it serves its switches with what was stored, can
store nothing new, and ends once the store shows another leader. One thing does depend on it: what switches answer for
VIPs that several sites may own ends with this authority, for a switch that is cut off refuses nothing. A
standby counts only time in which the store answers it, so that a leader that lives is first after an outage.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from controller.sites.leasestate import NEVER
from controller.spec.leasetimes import LeaseTimes

KEY = "leader"
"""Name of the register."""
TIMES = LeaseTimes(renew=0.5, authority=3.0, margin=0.05, fence=0.0)
"""A leader outlasts an election of etcd at its default of 1 s, and a loop that is busy for two seconds."""
TIMES_BESIDE_AGENTS = LeaseTimes(renew=0.3, authority=1.5, margin=0.05, fence=0.0)
"""Where agents answer for all VIPs nothing ends with the leader's authority, and one that is replaced too early costs a
takeover; one that has died holds up verdicts for as long as this lasts."""
STARTING = 5.0
"""Times its usual authority that a leader has before it serves: to read and build all of a large fabric keeps it from
renewing, and two that start must not depose each other for that."""
SLOW = 2.0
"""Renewals that a read may take, until the store counts as out of reach meanwhile."""


class Leader(NamedTuple):
    """What the register holds."""

    name: str
    """Of the controller, for people."""
    life: str
    """Of its process: another one after each start."""
    seq: int
    """Number of the put within that life."""
    authority: float
    """Seconds that it counts from when it sent this; who waits for its end waits by this."""

    def encode(self) -> bytes:
        """As it is stored."""
        return json.dumps(self._asdict(), separators=(",", ":")).encode()

    @staticmethod
    def decode(data: bytes) -> Leader:
        """What is stored. Raises ValueError."""
        try:
            found = Leader(**json.loads(data))
        except (ValueError, TypeError) as error:
            raise ValueError(f"the register {KEY!r} is damaged: {error}; {_REMEDY}") from error
        for name, kind in (("name", str), ("life", str), ("seq", int), ("authority", float)):
            value = getattr(found, name)
            if type(value) is not kind:
                raise ValueError(f"the register {KEY!r} is damaged: {name} is {value!r}; {_REMEDY}")
        if not 0 < found.authority < float("inf"):
            raise ValueError(f"the register {KEY!r} is damaged: authority is {found.authority}; {_REMEDY}")
        return found


_REMEDY = "stop all controllers of this prefix and delete it"


class Seen(NamedTuple):
    """The newest state of the register that is known."""

    revision: int
    """Of its value; where it is absent, the store's at the time."""
    leader: Leader | None
    """None: it is absent."""
    stamp: float
    """Since when it has been so, as far as the store answered, by the own clock."""


class Attempt(NamedTuple):
    """A put that may be carried out, or may have been."""

    seq: int
    sent: float


class View(NamedTuple):
    """What one life of a controller knows. Nothing of it is stored."""

    name: str
    life: str
    seen: Seen | None = None
    attempts: tuple[Attempt, ...] = ()
    """Those that compare with what is seen and may still give authority."""
    tried: float = NEVER
    """When something was asked of the store last."""
    claimed: bool = False
    """A put compares with what is seen."""
    seq: int = 0
    serving: bool = False
    """Or it will be in no time, once it leads."""
    until: float = NEVER
    """When authority ends."""
    led: bool = False
    lost: Leader | None = None
    """Who leads in the place of this one, that has led."""
    forced: bool = False
    """An operator has said that no other one leads: nothing is waited for."""

    @property
    def leader(self) -> Leader | None:
        """Who is known to lead."""
        return None if self.seen is None else self.seen.leader

    @property
    def holds(self) -> bool:
        """The newest record is of this life, whether its authority lasts or not."""
        return self.leader is not None and self.leader.life == self.life


class Look(NamedTuple):
    """Read the register: ``observed``, or ``blind`` if there is no answer, or a slow one."""


class Put(NamedTuple):
    """Write it if its revision is ``compare``; 0: if it is absent.

    What the answer shows goes to ``observed``; where there is none, to ``blind``.
    """

    compare: int
    leader: Leader


def born(name: str, life: str) -> View:
    """A life that begins: it has read nothing, and does not lead whatever the register says."""
    return View(name, life)


def observed(view: View, now: float, revision: int, leader: Leader | None) -> View:
    """The register as a watch, a read or the answer to a put shows it, in any order, however late."""
    if view.seen is not None and revision <= view.seen.revision:
        return view
    sent = next((a.sent for a in view.attempts if leader is not None and a.seq == leader.seq), None)
    view = view._replace(seen=Seen(revision, leader, now), attempts=(), claimed=False)
    if leader is None:
        return view
    if leader.life != view.life:
        return view._replace(lost=view.lost or (leader if view.led else None), until=NEVER)
    if sent is not None and view.lost is None:
        # An answer that is late extends nothing.
        return view._replace(until=sent + leader.authority, led=True)
    return view


def blind(view: View, now: float) -> View:
    """The store did not answer until now. It may not have taken the leader's renewals either: wait again."""
    if view.seen is None or view.holds:
        return view
    return view._replace(seen=view.seen._replace(stamp=max(view.seen.stamp, now)))


def forced(view: View) -> View:
    """It leads by an operator's word. It ends, as any other one, when another life's record is seen after this."""
    return view._replace(forced=True, led=True)


def serves(view: View) -> View:
    """The start of a controller is over: from now on it is replaced sooner."""
    return view._replace(serving=True)


def slow(times: LeaseTimes, took: float) -> bool:
    """Whether a read took so long that the store may have been out of reach."""
    return took > SLOW * times.renew


def leads(view: View, now: float) -> bool:
    """Whether its authority lasts."""
    return view.holds and view.lost is None and now < view.until


def poll(view: View, times: LeaseTimes, now: float) -> tuple[View, Look | Put | None]:
    """What is due. Call it at ``due``, and after every other call."""
    if view.lost is not None or now < due(view, times):
        return view, None
    view = view._replace(tried=now)
    if view.seen is None or not _may_put(view, times, now):
        return view, Look()
    authority = times.authority * (1.0 if view.serving else STARTING)
    leader = Leader(view.name, view.life, view.seq + 1, authority)
    fresh = tuple(each for each in view.attempts if now < each.sent + STARTING * times.authority)
    view = view._replace(
        attempts=(*fresh, Attempt(leader.seq, now)),
        seq=leader.seq,
        claimed=True,
        # Others may wait by this put from now on, whether its answer arrives or not.
        until=min(view.until, now + authority),
    )
    assert view.seen is not None
    return view, Put(_compared(view.seen), leader)


def due(view: View, times: LeaseTimes) -> float:
    """When ``poll`` is to be called next; in the past: now."""
    usual = view.tried + times.renew
    if view.seen is None or view.claimed or view.holds or view.forced:
        return usual
    return min(usual, _over(view.seen, times))


def released(view: View) -> int | None:
    """The revision to delete the register by, at a clean stop; None: it is not this controller's."""
    return _compared(view.seen) if view.holds and view.seen is not None else None


def _may_put(view: View, times: LeaseTimes, now: float) -> bool:
    if view.seen is None:
        return False
    return view.holds or view.forced or now >= _over(view.seen, times)


def _over(seen: Seen, times: LeaseTimes) -> float:
    """When what is seen surely gives no authority any more."""
    return NEVER if seen.leader is None else seen.stamp + times.wait(seen.leader.authority)


def _compared(seen: Seen) -> int:
    """The very revision that was waited for."""
    return 0 if seen.leader is None else seen.revision
