"""Which priority groups of a pool serve, as it is shown and said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from controller.plan import groups
from controller.plan.pool import Health, PoolState
from controller.spec.types import Pool


@dataclass(frozen=True)
class GroupStatus:
    """A priority group of a pool."""

    pool: str
    """The pool that names its backends: this one, or one that is its ``backup``."""
    weight: int
    """Of all its backends, draining ones too."""
    living: int
    """Of those that are up and do not drain."""
    share: float
    """Of new connections, 0 to 1."""


@dataclass(frozen=True)
class SubsetStatus:
    """A part of a pool that is split."""

    weight: int
    """By the intent."""
    backends: int
    """That belong to it."""
    living: int
    """Of those, that are up and do not drain."""
    share: float
    """Of the pool's slots, 0 to 1."""


def subset_statuses(
    state: PoolState, pool: Pool | None, health: Mapping[str, Health]
) -> dict[str, SubsetStatus]:
    """The subsets of a pool that is split, in the order of the file; ``pool``: its rules, None: it only drains."""
    if pool is None:
        return {}
    held = np.bincount(state.now, minlength=1 + max((m.id for m in state.members), default=0))
    found = {}
    for each in pool.split:
        of = [m for m in state.members if not m.removed and pool.subset_of(m.backend) == each.name]
        living = sum(m.draining_since is None and _up(health, m.backend.name) for m in of)
        slots = int(sum(held[m.id] for m in of))
        found[each.name] = SubsetStatus(each.weight, len(of), living, round(slots / len(state.now), 4))
    return found


def _up(health: Mapping[str, Health], name: str) -> bool:
    return name not in health or health[name].up


def group_statuses(
    state: PoolState, pool: Pool | None, health: Mapping[str, Health]
) -> dict[str, GroupStatus]:
    """The groups of a pool that has several, by number; ``pool``: its rules, None: it only drains."""
    if pool is None or pool.failover is not None:
        return {}
    present = [m.backend for m in state.members if not m.removed]
    up = {name: verdict.up for name, verdict in health.items()}
    homes = {real.group: real.home for real in present}
    found = groups.shares(present, up, pool)
    if len(found) < 2:
        return {}
    return {
        str(each.group): GroupStatus(
            homes[each.group] or pool.name, each.weight, each.living, float(round(each.share, 4))
        )
        for each in found
    }


def serving_groups(state: PoolState) -> list[int]:
    """The groups that have slots."""
    names = {each.name for each in state.serving}
    return sorted({m.backend.group for m in state.members if m.backend.name in names})


def has_several(state: PoolState) -> bool:
    """Whether there is a group that could take over."""
    return len({m.backend.group for m in state.members if not m.removed}) > 1


def why(found: Mapping[str, GroupStatus], serving: Iterable[int]) -> str:
    """What lives of the groups up to the last one that serves."""
    last = max(serving, default=None)
    return "; ".join(
        f"{each.living} of {each.weight} of the weight of group {number} lives"
        for number, each in found.items()
        if last is None or int(number) <= last
    )
