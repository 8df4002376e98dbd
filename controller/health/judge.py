"""From results to verdicts on backends: one damper per target, all targets of a backend must be up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from controller.health.damper import State, damp, remembered, undecided, unproven
from controller.health.result import Outcome, ProbeResult
from controller.health.targets import Member, Target, members_of


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


class _Watched:
    """A target, its state, and the backends that hang on it."""

    __slots__ = ("members", "state", "target")

    def __init__(self, target: Target, members: frozenset[Member], state: State) -> None:
        self.target = target
        self.members = members
        self.state = state


class Judge:
    """Holds the states; every method that may change a verdict returns the changed ones.

    How a backend begins:
    - seeded, or known from before its target changed: with that verdict;
    - added to a pool that is being judged already: down until it has passed ``rise`` times in a row;
    - in a pool of which nothing is known (cold start, new pool, checks just switched on): without a
      verdict, and its first result decides.
    """

    def __init__(self) -> None:
        self._verdicts: dict[Member, Verdict] = {}
        self._watched: dict[Target, _Watched] = {}
        self._by_probe: dict[str, list[_Watched]] = {}
        self._members: dict[Member, frozenset[Target]] = {}
        self._errors: dict[str, str] = {}

    def seed(self, verdicts: Iterable[Verdict]) -> None:
        """Begin with what was believed before; call before the first ``set_targets``."""
        self._verdicts.update({(v.pool, v.backend): v for v in verdicts})

    def verdicts(self) -> dict[Member, Verdict]:
        """All present verdicts; a backend that is watched but missing here has had no result yet."""
        return dict(self._verdicts)

    def pending(self) -> frozenset[Member]:
        """Backends that are watched and have no verdict yet."""
        return frozenset(self._members.keys() - self._verdicts.keys())

    def errors(self) -> dict[str, str]:
        """Probes that could not be asked, by probe key, with the reason: their verdicts stand still."""
        return dict(self._errors)

    def set_targets(self, targets: Mapping[Target, frozenset[Member]], unix: float) -> list[Verdict]:
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
                watched[old.target] = _Watched(old.target, members, old.state)
        self._watched = watched
        self._by_probe = {}
        for item in watched.values():
            self._by_probe.setdefault(item.target.probe.key, []).append(item)
        self._errors = {key: why for key, why in self._errors.items() if key in self._by_probe}
        return self._settle(self._members, unix)

    def take(self, results: Iterable[ProbeResult], unix: float) -> list[Verdict]:
        """Judge a batch (``unix``: Unix seconds now). Time within the dampers is the results' own."""
        touched: dict[Member, None] = {}
        for result in results:
            key = result.probe.key
            if result.outcome is Outcome.LOCAL:
                self._errors[key] = result.reason
            elif self._errors:
                self._errors.pop(key, None)
            for item in self._by_probe.get(key, ()):
                old = item.state
                item.state = new = damp(old, result, result.finished)
                if new is not old and (new.up is not old.up or new.held_since != old.held_since):
                    touched.update(dict.fromkeys(item.members))
        return self._settle(touched, unix) if touched else []

    def _beginning(self, target: Target, members: frozenset[Member], judged: set[str]) -> State:
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
        if any(pool not in judged for pool, _ in members):
            return undecided(target.policy)
        return unproven(target.policy)

    def _settle(self, members: Iterable[Member], unix: float) -> list[Verdict]:
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


def _all(ups: Iterable[bool | None]) -> bool | None:
    """False if any is; else None if any is unknown; else True."""
    seen = set(ups)
    return False if False in seen else None if None in seen else True
