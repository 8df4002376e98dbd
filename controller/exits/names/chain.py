"""The chain: policies in their order, each handed what the one before it leaves. Pure.

    candidates ─► health ─► region ─► ... ─┬─► site-weight ─┬─ a site ─► ... ─► an order
                                           │                └─ a site ─► ... ─► an order
                                           └─► an order

What follows from state and asker alone is decided once and becomes a tree: its forks are drawn, and its ends put the
candidates in an order, question by question (``ends.py``). ``walk`` says the same in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller.exits.names.candidates import Facts
from controller.exits.names.policies import NARROWS, Where, shares, site_shares
from controller.spec.names import ORDERS, NoneLive, Policy, Service


@dataclass(frozen=True)
class End:
    """Candidates that are left, and how they are put in an order."""

    left: Facts
    weights: tuple[int, ...]
    """Of ``left``, where the order goes by weights."""
    order: Policy | None
    """None: the order of the intent."""


@dataclass(frozen=True)
class Fork:
    """A site is drawn."""

    sites: tuple[str, ...]
    weights: tuple[int, ...]
    """Of the sites, all above 0."""
    parts: tuple[Tree, ...]
    """What follows for each."""


Tree = End | Fork
NOTHING = End((), (), None)


@dataclass(frozen=True)
class Step:
    """One policy, as it went."""

    policy: Policy
    at: str
    """The site that was drawn before it; empty: none was."""
    given: tuple[str, ...]
    """Candidates that it was handed."""
    kept: tuple[str, ...]
    """Candidates that it leaves."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Grounds, by candidate."""
    note: str = ""
    """What else is to be said of it."""


def tree(service: Service, given: Facts, where: Where) -> Tree:
    """What the chain leaves of candidates of one IP version."""
    return _Walk(service, where, []).follow(service.policies, given, "")


def walk(service: Service, given: Facts, where: Where) -> tuple[Tree, tuple[Step, ...]]:
    """The same, and how it came about."""
    steps: list[Step] = []
    made = _Walk(service, where, steps).follow(service.policies, given, "")
    return made, tuple(steps)


def left(of: Tree) -> Facts:
    """All candidates that may still be answered."""
    if isinstance(of, End):
        return of.left
    return tuple(each for part in of.parts for each in left(part))


def firsts(of: Tree) -> Iterator[tuple[str, float | None]]:
    """Share of answers in which each candidate comes first; None: that depends on what was counted."""
    if isinstance(of, Fork):
        total = sum(of.weights)
        for weight, part in zip(of.weights, of.parts, strict=True):
            yield from ((name, None if p is None else p * weight / total) for name, p in firsts(part))
        return
    total = sum(of.weights)
    for index, (fact, weight) in enumerate(zip(of.left, of.weights, strict=True)):
        if of.order is None:
            yield fact.name, 1.0 if index == 0 else 0.0
        elif of.order is Policy.LEAST_SELECTED:
            yield fact.name, None if len(of.left) > 1 else 1.0
        else:
            yield fact.name, weight / total


class _Walk:
    def __init__(self, service: Service, where: Where, steps: list[Step]) -> None:
        self._service, self._where, self._steps = service, where, steps

    def follow(self, chain: Sequence[Policy], given: Facts, at: str) -> Tree:
        for index, policy in enumerate(chain):
            if policy is Policy.SITE_WEIGHT:
                return self._fork(chain[index + 1 :], given, at)
            if policy in ORDERS:
                return self._end(policy, given, at)
            after = self._narrow(policy, given, at)
            if after is None:
                return NOTHING
            given = after
        return End(given, (1,) * len(given), None)

    def _narrow(self, policy: Policy, given: Facts, at: str) -> Facts | None:
        """None: nothing is answered."""
        judged = NARROWS[policy](self._service, given, self._where)
        if judged.kept or not given:
            self._say(policy, at, given, judged.kept, judged.why)
            return judged.kept
        if policy is Policy.HEALTH and self._service.none_live is NoneLive.NONE:
            self._say(policy, at, given, (), judged.why, "none lives: nothing is answered")
            return None
        why = (
            "none lives: it is as if all did"
            if policy is Policy.HEALTH
            else "it would leave none: passed over"
        )
        self._say(policy, at, given, given, judged.why, why)
        return given

    def _fork(self, rest: Sequence[Policy], given: Facts, at: str) -> Tree:
        weights = site_shares(self._service, given)
        total = sum(weights.values())
        why = {each.name: f"site {each.site or 'none'}: {weights[each.site] / total:.1%}" for each in given}
        drawn = {site: weight for site, weight in weights.items() if weight}
        kept = tuple(each for each in given if each.site in drawn)
        self._say(Policy.SITE_WEIGHT, at, given, kept, why, "one site is drawn")
        if len(drawn) == 1:
            return self.follow(rest, kept, at)
        parts = []
        for site in drawn:
            of_site = tuple(each for each in kept if each.site == site)
            parts.append(self.follow(rest, of_site, site or "no site"))
        return Fork(tuple(drawn), tuple(drawn.values()), tuple(parts)) if parts else NOTHING

    def _end(self, order: Policy, given: Facts, at: str) -> Tree:
        if order is Policy.LEAST_SELECTED:
            why = {each.name: "counted by each name server by itself" for each in given}
            self._say(order, at, given, given, why)
            return End(given, (1,) * len(given), order)
        weights = shares(given)
        total = sum(weights)
        why = {f.name: f"weight {w}: {w / total:.1%}" for f, w in zip(given, weights, strict=True)}
        kept = [(f, w) for f, w in zip(given, weights, strict=True) if w]
        facts = tuple(f for f, _ in kept)
        self._say(order, at, given, facts, why)
        return End(facts, tuple(w for _, w in kept), order)

    def _say(
        self, policy: Policy, at: str, given: Facts, kept: Facts, why: Mapping[str, str], note: str = ""
    ) -> None:
        names = tuple(each.name for each in given), tuple(each.name for each in kept)
        self._steps.append(Step(policy, at, *names, why, note))
