"""How many slots of a pool may move now by its budget, and which: see ``budget.py``. Pure."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from controller.spec.policy import UNLIMITED, Budget
from controller.spec.slots import Slots

WINDOW = 60.0
"""Seconds in which slots that moved count."""
GRAIN = 1.0
"""Seconds in which moves count as one: so many numbers are kept at most, and tables written because of a budget."""

Spent = tuple[tuple[float, int], ...]
"""(when, how many slots were taken from a backend), the oldest first."""
Flags = npt.NDArray[np.bool_]


def lately(spent: Spent, now: float) -> int:
    """Slots that moved in the last minute."""
    return sum(count for at, count in spent if at > now - WINDOW)


def noted(spent: Spent, count: int, now: float) -> Spent:
    """With so many slots more."""
    kept = tuple(each for each in spent if each[0] > now - WINDOW)
    if not count:
        return kept
    if kept and kept[-1][0] > now - GRAIN:
        return (*kept[:-1], (now, kept[-1][1] + count))
    return (*kept, (now, count))


def frees(spent: Spent, now: float) -> float | None:
    """When slots that moved cease to count next; None: none do."""
    return next((at + WINDOW for at, _ in spent if at > now - WINDOW), None)


def allowed(
    present: Slots,
    goal: Slots,
    serving: Collection[int],
    tracked: Flags,
    budget: Budget,
    spent: Spent,
    now: float,
) -> npt.NDArray[np.intp]:
    """Slots that may become what ``goal`` has: all of those whose owner does not serve, others as far as there is room.

    Of these, first such as are tracked anyhow.
    """
    differ = present != goal
    must = differ & ~np.isin(present, list(serving))
    free = np.flatnonzero(differ & ~must)
    taken = int(np.count_nonzero(must & (present != 0)))
    if budget.max_slots_moved_per_minute is not None:
        left = budget.max_slots_moved_per_minute.of(len(present)) - lately(spent, now) - taken
        free = free[np.argsort(~tracked[free], kind="stable")][: max(left, 0)]
    if budget.max_tracked_share is not None:
        tracks = int(np.count_nonzero(tracked | must & (present != 0)))
        left = int(budget.max_tracked_share * len(present)) - tracks
        fresh = free[~tracked[free]][: max(left, 0)]
        free = np.concatenate([free[tracked[free]], fresh])
    return np.sort(np.concatenate([np.flatnonzero(must), free]))


def paced(
    present: Slots,
    goal: Slots,
    serving: Collection[int],
    tracked: Flags,
    budget: Budget,
    spent: Spent,
    now: float,
) -> tuple[Slots, npt.NDArray[np.intp], int]:
    """The table that may be now, the slots in which it is another one, and how many slots have to wait."""
    differ = np.flatnonzero(present != goal)
    if budget == UNLIMITED:
        return goal, differ, 0
    may = allowed(present, goal, serving, tracked, budget, spent, now)
    table = present.copy()
    table[may] = goal[may]
    return table, may, len(differ) - len(may)
