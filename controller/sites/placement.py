"""Which site should own a group, and what its controllers should do for that. Pure.

    fitness of each site ──┐                       ┌─► Decision: site, cause, price, when time alone changes it
    the group's list ──────┼─► decide(now, owner) ─┤
    orders of operators ───┤                       └─► wish ─► lease.poll: HOLD, LEAVE to, FOLLOW
    unsynced of each site ─┘

A move of a group that is served well waits until the connections are safe at the other site; a failover does not.
The leases decide who owns: sites that disagree here put at worst one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from controller.sites.causes import Cause
from controller.sites.fitness import Fitness
from controller.sites.groups import MacGroup
from controller.sites.lease import Want, Wish
from controller.sites.leasestate import View
from controller.sites.promise import acts
from controller.spec.moves import Moves

CALL_OFF = 0.3
"""Seconds after which a release that is not written is called off, and the former owner goes on. Shorter than any
sensible ``authority``: when that has ended the other site claims, and cannot promise any more."""
RETRY = 10.0
"""Seconds until it is tried again."""


class OrderKind(StrEnum):
    """What an operator may ask for."""

    MOVE = "move"
    """Own the group at this site, until the order is withdrawn or the site is not fit."""
    PIN = "pin"
    """Leave it there, whatever the list prefers and even if the site is not fit."""
    DRILL = "drill"
    """As MOVE, until ``until``: the program that runs the drill may die."""


class Order(NamedTuple):
    """An operator's wish for one group."""

    kind: OrderKind
    site: str
    until: float | None = None


class SiteState(NamedTuple):
    """A site as a candidate."""

    fitness: Fitness = Fitness()
    unsynced: int = 0
    """What is not safe there yet: pins, retractions, slots that differ."""
    drained: bool = False
    """``site drain``: it should own nothing."""


UNKNOWN = SiteState()


class Waiting(NamedTuple):
    """A move that waits for ``unsynced``."""

    site: str
    since: float


@dataclass(frozen=True)
class Decision:
    """Who should own a group."""

    site: str
    """Empty: no site can."""
    cause: Cause
    text: str
    """Short, with the values that explain it."""
    price: int = 0
    """Connections and slots that are not safe at that site, if the group moves there now."""
    waiting: Waiting | None = None
    """To be given to the next call."""
    at: float | None = None
    """When time alone changes it; None: never."""


@dataclass(frozen=True)
class Situation:
    """What is known when a decision is made."""

    group: MacGroup
    owner: str
    """The site that owns it by the store; empty: none."""
    sites: Mapping[str, SiteState]
    policy: Moves = field(default_factory=Moves)
    order: Order | None = None
    waiting: Waiting | None = None
    """From the decision before."""
    shared: bool = True
    """The store is one that several machines share."""

    def state(self, site: str) -> SiteState:
        """Of a site, known or not."""
        return self.sites.get(site, UNKNOWN)

    def usable(self, site: str) -> bool:
        """It is fit, and not drained."""
        state = self.state(site)
        return state.fitness.fit and not state.drained


def decide(of: Situation, now: float) -> Decision:
    """The site that should own the group now."""
    if not of.shared:
        site = of.order.site if of.order is not None else of.owner or of.group.home
        return Decision(site, Cause.NO_STORE, "without etcd no VIP moves by itself")
    order = _valid(of, now)
    if order is not None and order.kind is OrderKind.PIN:
        return Decision(order.site, Cause.PINNED, f"at {order.site} by an operator")
    wanted, cause, text = _wanted(of, order)
    if not wanted:
        left = of.owner if of.owner and not of.state(of.owner).drained else ""
        return Decision(left, Cause.NO_SITE, _unfit(of))
    if wanted == of.owner:
        return Decision(wanted, cause, text, at=_until(order, now))
    price = of.state(wanted).unsynced
    if not of.owner or not of.state(of.owner).fitness.fit:
        return Decision(wanted, cause, text, price)
    return _in_time(of, now, order, Decision(wanted, cause, text, price))


def wish(decision: Decision, view: View, leader: str, heirs: tuple[str, ...]) -> Wish:
    """What this controller should do. ``leader``: name of the controller that leads its site."""
    me, record = view.me, view.record
    ours = record is not None and record.site == me.site and not record.released
    if not acts(view, leader):
        return Wish(Want.FOLLOW)
    if decision.site == me.site:
        return Wish(Want.HOLD, heirs=heirs)
    if ours and decision.site:
        return Wish(Want.LEAVE, decision.site, heirs)
    return Wish(Want.FOLLOW)


def patient(wanted: Wish, leaving_since: float | None, now: float) -> Wish:
    """The same, but a release that takes too long is called off, for a while. ``leaving_since``: None: none began."""
    if wanted.want is not Want.LEAVE or leaving_since is None:
        return wanted
    spent = (now - leaving_since) % (CALL_OFF + RETRY)
    return wanted if spent < CALL_OFF else Wish(Want.HOLD, heirs=wanted.heirs)


def _valid(of: Situation, now: float) -> Order | None:
    order = of.order
    if order is None or order.site not in of.group.owners or (order.until is not None and now >= order.until):
        return None
    return order


def _wanted(of: Situation, order: Order | None) -> tuple[str, Cause, str]:
    """The site, whatever the time; empty: none is fit."""
    if order is not None and of.usable(order.site):
        cause = Cause.DRILL if order.kind is OrderKind.DRILL else Cause.MOVED
        return order.site, cause, f"to {order.site} by an operator"
    first = next((site for site in of.group.owners if of.usable(site)), "")
    if not first:
        return "", Cause.NO_SITE, ""
    owner = of.owner
    if first == of.group.home and owner in ("", first):
        return first, Cause.HOME, f"{first} is fit"
    if first == owner:
        return first, Cause.NEXT, _unfit(of, before=first)
    if not owner or not of.usable(owner):
        cause = Cause.DRAINED if owner and of.state(owner).drained else Cause.UNFIT if owner else Cause.NEXT
        return (
            first,
            cause,
            f"{owner} is drained" if cause is Cause.DRAINED else _unfit(of, before=first, owner=owner),
        )
    if not of.policy.preempt:
        return owner, Cause.KEPT, f"{owner} is fit, and preempt is off"
    return first, Cause.PREEMPTED, f"{first} comes before {owner}"


def _in_time(of: Situation, now: float, order: Order | None, move: Decision) -> Decision:
    """A move of a group that is served well: after the hold time, and when it costs nothing or has waited."""
    state = of.state(move.site)
    if move.cause is Cause.PREEMPTED:
        fit_at = (state.fitness.since if state.fitness.since is not None else now) + of.policy.hold
        if now < fit_at:
            text = (
                f"{move.site} has been fit for {state.fitness.for_seconds(now):.0f} of {of.policy.hold:.0f} s"
            )
            return Decision(of.owner, Cause.HOLDING, text, at=fit_at)
    if not move.price:
        return Decision(move.site, move.cause, move.text, at=_until(order, now))
    waiting = (
        of.waiting if of.waiting is not None and of.waiting.site == move.site else Waiting(move.site, now)
    )
    ends = waiting.since + of.policy.unsynced_wait
    if now < ends:
        text = f"{move.price} not safe at {move.site}; waits for up to {ends - now:.0f} s more"
        return Decision(of.owner, Cause.UNSYNCED, text, move.price, waiting, ends)
    text = f"{move.text}; {move.price} are not safe there after {of.policy.unsynced_wait:.0f} s"
    return Decision(move.site, Cause.PAID, text, move.price, waiting)


def _until(order: Order | None, now: float) -> float | None:
    return order.until if order is not None and order.until is not None and order.until > now else None


def _unfit(of: Situation, before: str = "", owner: str = "") -> str:
    """What the sites of the list lack, up to one of them, and the owner."""
    names = of.group.owners[: of.group.owners.index(before)] if before else of.group.owners
    if owner and owner not in names:
        names = (*names, owner)
    lacking = [f"{name}: {_lack(of.state(name))}" for name in names if not of.usable(name)]
    return "; ".join(lacking) or "no owner"


def _lack(state: SiteState) -> str:
    return "drained" if state.drained else state.fitness.why
