"""From results to verdicts on backends: one damper per target, all targets of a backend must be up. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from controller.health.damper import State, damp, forgive, remembered, undecided, unproven
from controller.health.result import Outcome, ProbeResult
from controller.health.status import Unasked
from controller.health.targets import BackendRef, Target, members_of
from controller.health.vantage import HOLD, Asked, Doubt, Vantage
from controller.spec.names import is_probe_key


@dataclass(frozen=True)
class Verdict:
    """What is believed of a backend from ``since`` on."""

    pool: str
    backend: str
    up: bool
    since: float
    """Unix seconds of the change."""
    reason: str
    """E.g. ``connect refused``, ``timeout after 500 ms while connecting``, ``passed 2 times in a row``."""
    confirmed: float = -math.inf
    """When a probe of ours failed as well, of a server that was remembered as down; infinity: none did yet."""


class _Watched:
    """A target, its state, and the backends that hang on it."""

    __slots__ = ("apart", "members", "newest", "state", "target")

    def __init__(
        self,
        target: Target,
        members: frozenset[BackendRef],
        state: State,
        newest: ProbeResult | None = None,
    ) -> None:
        self.target = target
        self.members = members
        self.apart = all(is_probe_key(pool) for pool, _ in members)
        self.state = state
        self.newest = newest
        """The answer that came last."""


class Judge:
    """Holds the states; every method that may change a verdict returns the changed ones.

    How a backend begins:
    - seeded, or known from before its target changed: with that verdict;
    - added to a pool that is being judged already: down until it has passed ``rise`` times in a row;
    - in a pool of which nothing is known (cold start, new pool, checks just switched on): without a
      verdict, and its first result decides.
    A ``patient`` judge is one of several: a backend that it knows nothing of is without a verdict until it has passed
    ``rise`` times or failed ``fall`` times in a row.

    While the vantage point is doubted (``vantage``; for at most ``hold`` seconds), failures of servers that
    are not down count for nothing; a server that still fails when the doubt ends well is counted from then.
    Candidates of names stand apart: they are asked on the way of clients, so they say nothing of the way to servers,
    and their failures always count.
    """

    def __init__(self, hold: float = HOLD, patient: bool = False) -> None:
        self.local = 0
        """Probes that could not be asked."""
        self.held = 0
        """Failures that did not count because the vantage point was doubted."""
        self._vantage = Vantage(hold)
        self._patient = patient
        self._verdicts: dict[BackendRef, Verdict] = {}
        self._watched: dict[Target, _Watched] = {}
        self._by_probe: dict[str, list[_Watched]] = {}
        self._members: dict[BackendRef, frozenset[Target]] = {}
        self._unasked: dict[str, Unasked] = {}

    def seed(self, verdicts: Iterable[Verdict]) -> None:
        """Go on from what was believed before, except of servers that were found to be otherwise here.

        That a server is down is not ``confirmed`` before one of our probes fails: it may have come back meanwhile.
        """
        for v in verdicts:
            own = self._verdicts.get((v.pool, v.backend))
            if own is None:
                self._verdicts[v.pool, v.backend] = _unconfirmed(v)
            elif own.up is v.up:
                self._verdicts[v.pool, v.backend] = replace(v, confirmed=own.confirmed)

    def forget_failures(self) -> None:
        """Time has passed in which nothing was heard: servers that were down may have come back meanwhile."""
        self._verdicts = {ref: _unconfirmed(v) for ref, v in self._verdicts.items()}

    def decides(self) -> None:
        """From now on it is not one of several: of a server that nothing is known of, the first result decides."""
        self._patient = False

    def verdicts(self) -> dict[BackendRef, Verdict]:
        """All present verdicts; a backend that is watched but missing here has had no result yet."""
        return dict(self._verdicts)

    def pending(self) -> frozenset[BackendRef]:
        """Backends that are watched and have no verdict yet."""
        return frozenset(self._members.keys() - self._verdicts.keys())

    def latencies(self, passed: bool = False) -> dict[BackendRef, float]:
        """Seconds that the last probe of each backend took, of the slowest of its targets; of those that were asked.

        ``passed``: of those alone that passed; a server that refuses is quick to say so.
        """
        found: dict[BackendRef, float] = {}
        for item in self._watched.values():
            newest = item.newest
            if newest is None or newest.outcome is Outcome.LOCAL:
                continue
            if passed and newest.outcome is not Outcome.PASS:
                continue
            for member in item.members:
                found[member] = max(found.get(member, 0.0), newest.finished - newest.started)
        return found

    def unasked(self) -> tuple[Unasked, ...]:
        """Probes that could not be asked the last time."""
        return tuple(sorted(self._unasked.values(), key=_in_order))

    @property
    def doubt(self) -> Doubt | None:
        """Whether everything fails at once, so that no failure counts."""
        return self._vantage.doubt

    def set_targets(self, targets: Mapping[Target, frozenset[BackendRef]], unix: float) -> list[Verdict]:
        """Watch exactly these from now on (``unix``: Unix seconds)."""
        judged = {pool for pool, _ in self._verdicts} | {pool for pool, _ in self._members}
        self._members = members_of(targets)
        self._verdicts = {m: v for m, v in self._verdicts.items() if m in self._members}
        watched: dict[Target, _Watched] = {}
        for target, members in targets.items():
            old = self._watched.get(target)
            if old is None:
                watched[target] = _Watched(target, members, self._beginning(target, members, judged))
            else:  # the old target object knows its key already
                watched[old.target] = _Watched(old.target, members, old.state, old.newest)
        self._watched = watched
        self._by_probe = {}
        for item in watched.values():
            self._by_probe.setdefault(item.target.probe.key, []).append(item)
        self._unasked = {
            key: replace(item, members=self._members_of(key))
            for key, item in self._unasked.items()
            if key in self._by_probe
        }
        return self._settle(self._members, unix)

    def take(self, results: Iterable[ProbeResult], unix: float) -> list[Verdict]:
        """Judge a batch (``unix``: Unix seconds now). Time within the dampers is the results' own."""
        touched: dict[BackendRef, None] = {}
        confirmed: list[Verdict] = []
        for result in results:
            key = result.probe.key
            if result.outcome is Outcome.LOCAL:
                self._note_unasked(key, result)
            elif self._unasked:
                self._unasked.pop(key, None)
            items = self._by_probe.get(key, ())
            if not (items and all(item.apart for item in items)) and self._vantage.hear(result):
                self._forgive()
            for item in items:
                item.newest = result
                old = item.state
                new = damp(old, result, result.finished)
                fails = result.outcome is Outcome.FAIL
                if fails and not item.apart and self._is_held(old, new, result.finished):
                    continue
                if fails and old.up is False:
                    confirmed += self._confirm(item.members, unix)
                item.state = new
                if new is not old and (new.up is not old.up or new.held_since != old.held_since):
                    touched.update(dict.fromkeys(item.members))
        return confirmed + (self._settle(touched, unix) if touched else [])

    def _confirm(self, members: Iterable[BackendRef], unix: float) -> list[Verdict]:
        """A probe of ours failed too: those that were only remembered as down are."""
        told = (self._verdicts.get(member) for member in members)
        found = [replace(v, confirmed=unix) for v in told if v is not None and v.confirmed == math.inf]
        self._verdicts.update({(v.pool, v.backend): v for v in found})
        return found

    def _is_held(self, old: State, new: State, now: float) -> bool:
        """Whether a failure does not count, because everything fails at once."""
        if old.raw is False or new is old:
            return False
        judges = old.raw is True and new.raw is False
        held = self._vantage.holds(new.against, now, self._up) if judges else self._vantage.held()
        self.held += held
        return held

    def _up(self) -> list[Asked]:
        return [
            Asked(backend, item.newest)
            for item in self._watched.values()
            if item.state.raw and not item.apart
            for _, backend in item.members
        ]

    def _forgive(self) -> None:
        for item in self._watched.values():
            item.state = forgive(item.state)

    def _note_unasked(self, key: str, result: ProbeResult) -> None:
        self.local += 1
        if key not in self._by_probe:
            return
        known = self._unasked.get(key)
        since, count = (known.since, known.count) if known is not None else (result.started, 0)
        members = self._members_of(key)
        self._unasked[key] = Unasked(result.probe, members, result.reason, since, count + 1)

    def _members_of(self, key: str) -> tuple[BackendRef, ...]:
        return tuple(sorted({member for item in self._by_probe[key] for member in item.members}))

    def _beginning(self, target: Target, members: frozenset[BackendRef], judged: set[str]) -> State:
        """A target shared by several backends begins with the most favourable of their beginnings.

        Otherwise adding a server to a second pool would take it out of the first one.
        """
        known = [self._verdicts[m] for m in sorted(members) if m in self._verdicts]
        best = max(known, key=lambda v: v.up, default=None)
        if best is not None:
            return remembered(target.policy, best.up, best.reason)
        shared = [w.state for w in self._by_probe.get(target.probe.key, ()) if w.state.raw is not None]
        if shared:
            return replace(shared[0], policy=target.policy)
        if self._patient or any(pool not in judged for pool, _ in members):
            return undecided(target.policy, self._patient)
        return unproven(target.policy)

    def _settle(self, members: Iterable[BackendRef], unix: float) -> list[Verdict]:
        changed: list[Verdict] = []
        for member in members:
            states = [self._watched[target].state for target in self._members[member]]
            up = _all(state.up for state in states)
            old = self._verdicts.get(member)
            if up is None or (old is not None and old.up is up):
                continue
            reasons = sorted({state.reason for state in states if state.up is up and state.reason})
            verdict = Verdict(*member, up, unix, "; ".join(reasons) or ("passed" if up else "failed"))
            self._verdicts[member] = verdict
            changed.append(verdict)
        return changed


def _unconfirmed(verdict: Verdict) -> Verdict:
    return verdict if verdict.up else replace(verdict, confirmed=math.inf)


def _in_order(item: Unasked) -> tuple[int, int, int, str]:
    probe = item.probe
    return (probe.address.version, int(probe.address), probe.port, probe.kind)


def _all(ups: Iterable[bool | None]) -> bool | None:
    """False if any is; else None if any is unknown; else True."""
    seen = set(ups)
    return False if False in seen else None if None in seen else True
