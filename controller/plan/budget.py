"""The disruption budget of a pool: what an edit may move, and what health may move at once. Pure.

    an edit over it          ─► refused with the numbers, unless an operator sets it aside with a reason
    a backend goes down      ─► its slots leave it at once, whatever the budget says
    a backend comes back,
    or shares change         ─► slots go to it as far as the budget has room; the others wait (``behind``)

What is never held back, since it would cost more than it saves: slots of backends that do not serve any more, slots
without an owner, tables in panic, and pools of which one backend serves (``failover``). They count all the same, so
that what comes back waits after what went. Budgets count slots that are taken from a backend, in any 60 s.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.plan import pace
from controller.plan.pool import PoolState
from controller.plan.preview import predecessors
from controller.plan.tables import Tables, Verdicts
from controller.plan.tuned import UNTUNED
from controller.spec.policy import Amount, Budget
from controller.spec.types import Intent, Pool

_RIGHT = (
    "do it in smaller steps, or set the budget aside: evenkeel apply --override --reason REASON, or, where a file owns "
    'the intent, evenkeel override "REASON"'
)


def over_budget(
    old: Intent, new: Intent, before: Tables, after: Tables, verdicts: Verdicts, now: float
) -> list[str]:
    """Why an edit is more than budgets allow, one sentence each; empty: it is not.

    ``before``, ``after``: the tables of ``old``, and those that ``new`` would have now. The budget in force counts, and
    that of the edit: one that is raised holds from the next edit on.
    """
    known = {pool.name: pool for pool in old.pools}
    former = predecessors(before, after)
    out: list[str] = []
    for pool in new.pools:
        was = known.get(pool.name)
        budget = pool.budget if was is None else stricter(was.budget, pool.budget, len(pool.own))
        if was is not None:
            drains = {name for name, each in before.tuned.get(pool.name, UNTUNED).items() if each.drains}
            down = drains | {name for name, each in verdicts.get(pool.name, {}).items() if not each.up}
            out += _unavailable(was, pool, budget, before, down, now)
        for key, state in after.pools.items():
            if state.name == pool.name and key in former and _in_use(after, key):
                out += _moves(key, former[key], state, budget, now)
    return out


def stricter(one: Budget, other: Budget, backends: int) -> Budget:
    """What both allow."""
    return Budget(
        _less(one.max_slots_moved_per_minute, other.max_slots_moved_per_minute, 1 << 16),
        _less(one.max_unavailable, other.max_unavailable, backends),
        min(
            (each for each in (one.max_tracked_share, other.max_tracked_share) if each is not None),
            default=None,
        ),
    )


def _less(one: Amount | None, other: Amount | None, whole: int) -> Amount | None:
    given = [each for each in (one, other) if each is not None]
    return min(given, key=lambda each: each.of(whole), default=None)


def _in_use(tables: Tables, key: str) -> bool:
    """Whether a listener of the intent goes by it; one that drains takes nothing new."""
    return any(bound == key and name not in tables.retained for name, bound in tables.bound.items())


def _moves(key: str, old: PoolState, state: PoolState, budget: Budget, now: float) -> Iterator[str]:
    slots, before = len(state.now), pace.lately(old.spent, now)
    moved = pace.lately(state.spent, now) - before
    limit = budget.max_slots_moved_per_minute
    if limit is not None and moved > 0 and moved + before > limit.of(slots):
        yield (
            f"pool {key}: {moved} of {slots} slots would move, and {before} have in the last minute; "
            f"max_slots_moved_per_minute is {limit}{_means(limit, slots)}: {_RIGHT}"
        )
    share, tracks = budget.max_tracked_share, state.tracking.tracks
    if share is not None and tracks > old.tracking.tracks and tracks > share * slots:
        yield (
            f"pool {key}: {tracks} of {slots} slots would be tracked ({100 * tracks / slots:.1f}%), "
            f"{old.tracking.tracks} are now; max_tracked_share is {100 * share:g}%: wait until they have settled, or "
            f"{_RIGHT}"
        )


def _means(limit: Amount, whole: int) -> str:
    return f", {limit.of(whole)} of them" if limit.share else ""


def _unavailable(
    was: Pool, pool: Pool, budget: Budget, before: Tables, down: set[str], now: float
) -> Iterator[str]:
    """``down``: those that take nothing, whatever the intent says."""
    limit = budget.max_unavailable
    if limit is None:
        return
    leaving = _leaving(was, before, now)
    gone = {real.name for real in was.own} - {real.name for real in pool.own}
    old, new = _out(was, down) | leaving, _out(pool, down) | gone | (leaving - {r.name for r in pool.own})
    total = len({real.name for real in pool.own} | gone | leaving)
    if new - old and len(new) > limit.of(total):
        yield (
            f"pool {pool.name}: {len(new)} of {total} backends would take no new connections "
            f"({', '.join(sorted(new))}), {len(old)} do not now; max_unavailable is {limit}{_means(limit, total)}: "
            f"{_RIGHT}"
        )


def _out(pool: Pool, down: set[str]) -> set[str]:
    return {real.name for real in pool.own if real.drain or not pool.weight_of(real) or real.name in down}


def _leaving(pool: Pool, tables: Tables, now: float) -> set[str]:
    """Backends that were removed, while their connections drain."""
    return {
        member.backend.name
        for state in tables.pools.values()
        if state.name == pool.name
        for member in state.members
        if member.removed
        and not member.origin
        and member.draining_since is not None
        and now < member.draining_since + pool.drain_timeout
    }
