"""The rules with one guard left out, each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from controller.sites import guards
from controller.sites.leasestate import NEVER, Asked, Attempt, Leaving, Me, Record, Reply, Seen, View
from controller.spec.leasetimes import LeaseTimes


@dataclass(frozen=True)
class Mutation:
    """A guard and what stands in its place."""

    guard: str
    """Its name in ``controller.sites.guards``."""
    instead: Callable[..., Any]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While it lasts the rules have it."""
        with mock.patch.object(guards, self.guard, self.instead):
            yield


_GRANTED = guards.granted


def _any_of_the_site(view: View, record: Record, now: float) -> Attempt | None:
    found = _GRANTED(view, record, now)
    return Attempt(now, record) if found is None and record.site == view.me.site else found


def _latest(view: View, record: Record, now: float) -> Attempt | None:
    found = _GRANTED(view, record, now)
    return found and view.attempts[-1]


def _from_answer(sent: float, now: float, authority: float) -> float:
    return now + authority


def _once(before: Seen | None, now: float) -> float:
    """The stamp of the first revision stays."""
    return now if before is None or before.record is None else before.stamp


def _no_drift(record: Record, stamp: float, times: LeaseTimes, now: float) -> bool:
    return now >= stamp + record.authority + times.margin


def _no_margin(record: Record, stamp: float, times: LeaseTimes, now: float) -> bool:
    return now >= stamp + times.wait(record.authority) - times.margin


def _own_setting(record: Record, stamp: float, times: LeaseTimes, now: float) -> bool:
    return now >= stamp + times.wait(times.authority)


def _missing_is_free(record: Record) -> bool:
    return record.released or not record.site


def _known_heirs(view: View) -> frozenset[str]:
    record = view.record
    return frozenset() if record is None else frozenset(record.heirs)


def _young_heirs(view: View) -> frozenset[str]:
    return _known_heirs(view).union(*(each.record.heirs for each in view.attempts)) - {view.me.name}


def _this_life(view: View, asked: Asked, reply: Reply) -> bool:
    return reply.life == view.me.life


def _silent_at_deadline(view: View, times: LeaseTimes, now: float) -> bool:
    return now >= view.spoken


def _at_once(leaving: Leaving, number: int) -> bool:
    return True


def _unconfirmed(view: View, now: float) -> bool:
    return view.leaving is not None and now >= view.others


def _alone(view: View, now: float) -> bool:
    return view.leaving is not None and view.leaving.silent


def _anyone(me: Me, record: Record) -> bool:
    return True


def _adopt_any(me: Me, record: Record) -> bool:
    return bool(record.site) and not record.released


def _no_promise(view: View, asker: Record, times: LeaseTimes, now: float) -> float:
    return view.promised


def _slow_promise(view: View, asker: Record, times: LeaseTimes, now: float) -> float:
    return max(view.promised, now + asker.authority)


def _unbound(times: LeaseTimes, seen: Seen) -> float:
    return NEVER


def _one_is_enough(asked: Asked, reply: Reply) -> frozenset[str]:
    return frozenset()


def _forced_at_once(times: LeaseTimes, record: Record | None, now: float) -> float:
    return now


def _siblings_forgotten(view: View, seen: Seen, times: LeaseTimes) -> float:
    return NEVER


MUTATIONS = {
    "a life takes what its site wrote for its own": Mutation("granted", _any_of_the_site),
    "a put found later counts from the last attempt": Mutation("granted", _latest),
    "authority runs from the answer": Mutation("ends", _from_answer),
    "the deadline leaves no time to fall silent": Mutation("deadline", lambda until, fence: until),
    "the first stamp stays": Mutation("stamped", _once),
    "clocks are taken for equal": Mutation("over", _no_drift),
    "no margin": Mutation("over", _no_margin),
    "the wait is by the own setting": Mutation("over", _own_setting),
    "a put compares with nothing": Mutation("compared", lambda seen: -1),
    "anyone may claim": Mutation("heir", _anyone),
    "a promise is forgotten": Mutation("free", lambda view, now: True),
    "any lease can be adopted": Mutation("adoptable", _adopt_any),
    "a lease that is held is claimed": Mutation("claimable", lambda record: True),
    "a missing key is free": Mutation("claimable", _missing_is_free),
    "any confirmation of silence will do": Mutation("confirmed", _at_once),
    "switches are silent at their deadline": Mutation("fell_silent", _silent_at_deadline),
    "released before switches are silent": Mutation("releasable", _unconfirmed),
    "released beside another controller": Mutation("releasable", _alone),
    "a lease that is being released is spoken for": Mutation("speaks", lambda view: True),
    "a release that is called off leaves authority": Mutation("called_off", lambda view: view.until),
    "promised with a claim under way": Mutation("promisable", lambda view: True),
    "a promise does not bind": Mutation("promised_until", _no_promise),
    "a promise by equal clocks": Mutation("promised_until", _slow_promise),
    "a life forgets what another promised": Mutation("bound_at_first", _unbound),
    "only heirs of the known record are asked": Mutation("needed", _known_heirs),
    "heirs of old puts are not asked": Mutation("needed", _young_heirs),
    "any answer counts for the newest question": Mutation("answers", _this_life),
    "one promise is enough": Mutation("still_missing", _one_is_enough),
    "what another controller wrote is forgotten": Mutation("sibling_ends", _siblings_forgotten),
    "forced before switches are silent": Mutation("forced_from", _forced_at_once),
}
