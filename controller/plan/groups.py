"""Priority groups: which share of new connections each takes, and who serves in it. Pure.

    fitness of a group   the living share of its weight over ``spill_below``, at most 1; draining backends do not live
    its share            as much of what the groups before it left as its fitness allows
    what no group takes  is shared by all groups in proportion to their fitness

So a group that has lost little takes everything, one that has lost much takes what its living backends can bear, and
one that has lost all takes nothing. The more of a group lives, the less the later ones take. All depends on who lives
now and on nothing else: when the same servers live again, the table is the one that it was.

Health is ignored (panic) only where no group is left that can be believed: in each one more than ``panic_threshold`` of
the backends are down. Backends that serve have in the table the weights that they have in the intent, scaled where
groups or zones share (zones take even parts of their group's share, as far as their fitness allows), and where servers
or a scheduler say so: of that too nothing counts in panic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from controller.health.panic import effective
from controller.model.shares import fitness, scaled, weight_of
from controller.spec.types import Backend, Pool


class GroupShare(NamedTuple):
    """One priority group of a pool."""

    group: int
    weight: int
    """Of all its backends, draining ones too."""
    living: int
    """Of those that are up and do not drain."""
    share: Fraction
    """Of new connections, 0 to 1."""


class Serving(NamedTuple):
    """Who gets new connections."""

    weights: Mapping[str, int]
    """In the table, by backend; empty: none serves."""
    panicked: bool
    """Health is ignored."""


def serving(
    backends: Iterable[Backend],
    up: Mapping[str, bool],
    pool: Pool,
    factors: Mapping[str, Fraction] = MappingProxyType({}),
) -> Serving:
    """Who serves, of the backends that the intent names. ``up``: by name; who is missing is taken to live.

    ``factors``: of weights, by name; what they take from one backend goes to others of its group and zone.
    """
    members = [real for real in backends if pool.weight_of(real) > 0]
    taking = {each.group: each.share for each in _shares(members, up, pool.spill_below) if each.share}
    judged = {real.name: up.get(real.name, True) for real in members if not real.drain}
    panicked = bool(judged) and all(_doubtful(group, judged, pool) for group in _grouped(members).values())
    weights: dict[str, int] = {}
    for group, share in taking.items():
        whole = [real for real in members if real.group == group]
        serves = [real for real in whole if real.name in judged and (panicked or judged[real.name])]
        weights |= scaled(pool, whole, serves, share, {} if panicked else factors)
    return Serving(weights, panicked)


def shares(backends: Iterable[Backend], up: Mapping[str, bool], pool: Pool) -> tuple[GroupShare, ...]:
    """The groups that have a weight, the first one first."""
    return _shares([real for real in backends if pool.weight_of(real) > 0], up, pool.spill_below)


def _shares(members: Sequence[Backend], up: Mapping[str, bool], spill_below: float) -> tuple[GroupShare, ...]:
    groups = sorted(_grouped(members).items())
    found = [(group, weight_of(of), weight_of(_living(of, up))) for group, of in groups]
    fit = {group: fitness(living, weight, spill_below) for group, weight, living in found}
    if not any(fit.values()):
        # None lives: whatever is done about that, is done with the first group of which not all drain.
        able = next((group for group, of in groups if not all(real.drain for real in of)), None)
        return tuple(GroupShare(group, weight, 0, Fraction(group == able)) for group, weight, _ in found)
    left, taken = Fraction(1), {}
    for group, value in fit.items():
        taken[group] = min(left, value)
        left -= taken[group]
    # What no group takes is left only if each takes as much as it can: then shares are in proportion to that.
    return tuple(GroupShare(*each, taken[each[0]] / (1 - left)) for each in found)


def _doubtful(group: Sequence[Backend], judged: Mapping[str, bool], pool: Pool) -> bool:
    """Whether so much of a group is down that its health is not believed; one that drains as a whole has none."""
    up = {real.name: judged[real.name] for real in group if real.name in judged}
    return not up or effective(up, pool.panic_threshold)[1]


def _grouped(members: Iterable[Backend]) -> dict[int, list[Backend]]:
    out: dict[int, list[Backend]] = {}
    for real in members:
        out.setdefault(real.group, []).append(real)
    return out


def _living(of: Iterable[Backend], up: Mapping[str, bool]) -> list[Backend]:
    return [real for real in of if not real.drain and up.get(real.name, True)]
