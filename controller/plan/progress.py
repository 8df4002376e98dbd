"""The tables through time: what intent, verdicts, acknowledgements and the clock make of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np

from controller.plan import rehash, spreads, tracking, turns, writer
from controller.plan.demand import demand
from controller.plan.ids import IdAllocator, Space
from controller.plan.pool import Origin, Origins, PoolMember, PoolState, acknowledge, next_change, step
from controller.plan.tables import (
    Retained,
    Tables,
    Verdicts,
    asked_of,
    memory_of,
    pool_of,
    served,
    shared_key,
)
from controller.plan.tracking import MARGIN, Held, everything
from controller.plan.tuned import UNTUNED
from controller.spec.kinds import Protocol
from controller.spec.policy import Then
from controller.spec.types import Intent, Pool

Helds = Callable[[str], Held]
"""State key -> what lb switches have of its slots."""

GROUP_RESTS = 60.0
"""Seconds for which the id of a group of next hops counts as remembered: its entries are rewritten at once."""
RESETS = 10.0
"""Seconds for which connections of a removed listener are reset, if that is what follows its drain."""


def advance(
    tables: Tables,
    intent: Intent,
    verdicts: Verdicts,
    now: float,
    helds: Helds = everything,
    answers: spreads.Answers = spreads.unlike,
    whole: bool = False,
) -> Tables:
    """The tables at ``now``. Raises IdsExhausted when an intent needs more ids than there are.

    ``whole``: what the intent moves is moved at once, whatever budgets say.
    """
    tables = _forget_retained(tables, intent, now)
    tables = spreads.decide(_complete(tables, intent), intent, answers)
    tables = _allocate(tables, intent, now)
    tables = _choose_writers(tables, intent, verdicts, now)
    tables = _step_pools(tables, intent, verdicts, now, helds, whole)
    tables = spreads.turn(tables, intent, answers, _ready(tables, intent, now, helds))
    tables = _merge(tables, intent)
    tables = _turn(tables, intent, now)
    return _forget_former(tables, intent)


def deadline(
    tables: Tables, intent: Intent, verdicts: Verdicts, stepped: float, helds: Helds = everything
) -> float | None:
    """When time alone changes the tables next, as they stand after a step at ``stepped``."""
    ticks = _ticks(intent)
    times = [
        next_change(
            state, pool, verdicts.get(state.name, {}), stepped, length, origins, partial(helds, key), ticks
        )
        for key, (state, pool, length, origins) in zip(
            tables.pools, _judged(tables, intent, verdicts), strict=True
        )
    ]
    ends = [_ends(each, pool_of(tables, intent, each.listener.pool)) for each in tables.retained.values()]
    turning = [turns.due(turn) for turn in tables.turns.values()]
    writers = [
        writer.due(pool, tables.writers.get(pool.name), verdicts.get(pool.name, {}), stepped)
        for pool in intent.pools
        if pool.failover is not None
    ]
    return min((t for t in chain(times, ends, turning, writers) if t is not None), default=None)


def acknowledged(tables: Tables, intent: Intent, now: float, helds: Helds) -> bool:
    """Whether a step at ``now`` would change what is tracked."""
    return bool(_ready(tables, intent, now, helds)) or any(
        acknowledge(state, helds(key), now, memory) is not state
        for key, (state, memory) in memories(tables, intent).items()
        if state.tracking.tracks or state.rehash is not None
    )


def memories(tables: Tables, intent: Intent) -> dict[str, tuple[PoolState, float]]:
    """Each state, by its key, and the longest silence after which its connections may be remembered, and a margin."""
    judged = zip(tables.pools, _judged(tables, intent, {}), strict=True)
    return {
        key: (state, max(pool.memory_timeout, length) + MARGIN) for key, (state, pool, length, _) in judged
    }


def _ready(tables: Tables, intent: Intent, now: float, helds: Helds) -> frozenset[str]:
    """Keys of states whose rehash has come so far that their slots may be taken otherwise."""
    if all(state.rehash is None for state in tables.pools.values()):
        return frozenset()
    return frozenset(
        key
        for key, (state, memory) in memories(tables, intent).items()
        if state.rehash is not None and rehash.ready(state.rehash, helds(key), now, memory)
    )


def _choose_writers(tables: Tables, intent: Intent, verdicts: Verdicts, now: float) -> Tables:
    """One for each pool, whatever listeners and protocols it has; a pool that only drains keeps the one it had."""
    named = {pool.name for pool in intent.pools}
    made = {
        name: kept for name, kept in tables.writers.items() if name in tables.former and name not in named
    }
    for pool in intent.pools:
        if pool.failover is not None:
            found = writer.choose(pool, tables.writers.get(pool.name), verdicts.get(pool.name, {}), now)
            if found is not None:
                made[pool.name] = found
    return tables if made == tables.writers else replace(tables, writers=made)


def _ends(each: Retained, pool: Pool) -> float:
    """When a removed listener is no more."""
    more = {Then.KEEP: pool.memory_timeout, Then.MOVE: 0.0, Then.RESET: RESETS}[pool.drain_then]
    return each.since + pool.drain_timeout + more


def _forget_retained(tables: Tables, intent: Intent, now: float) -> Tables:
    over = {
        name
        for name, each in tables.retained.items()
        if now >= _ends(each, pool_of(tables, intent, each.listener.pool))
    }
    if not over:
        return tables
    return replace(tables, retained={n: each for n, each in tables.retained.items() if n not in over})


def _complete(tables: Tables, intent: Intent) -> Tables:
    """Every listener has a state, and no state is without one."""
    listeners = {item.name: item for item in served(intent, tables).listeners()}
    bound = {name: tables.bound.get(name, shared_key(item)) for name, item in listeners.items()}
    pools = {key: tables.pools[key] for key in dict.fromkeys(bound.values()) if key in tables.pools}
    for name, key in bound.items():
        if key not in pools:
            item = listeners[name]
            slots = pool_of(tables, intent, item.pool).slots
            pools[key] = PoolState.new(item.pool, item.protocol, slots, spreads.first(item))
    if bound == tables.bound and pools.keys() == tables.pools.keys():
        return tables
    return replace(tables, bound=bound, pools=pools)


def _allocate(tables: Tables, intent: Intent, now: float) -> Tables:
    wanted = {space: dict(names) for space, names in demand(served(intent, tables)).items()}
    wanted[Space.POOL] = {key: asked_of(tables, intent, state) for key, state in tables.pools.items()}
    reals = wanted[Space.BACKEND]
    for state in tables.pools.values():
        memory = asked_of(tables, intent, state)
        for member in state.members:
            name = member.backend.name
            reals[name] = max(reals.get(name, 0.0), memory)
    return _with_ids(tables, tables.ids.step(wanted, now))


def with_groups(tables: Tables, names: Set[str], now: float) -> Tables:
    """The tables with ids for exactly these groups of next hops."""
    return _with_ids(tables, tables.ids.step({Space.GROUP: dict.fromkeys(sorted(names), GROUP_RESTS)}, now))


def _with_ids(tables: Tables, ids: IdAllocator) -> Tables:
    return tables if ids is tables.ids else replace(tables, ids=ids)


def _judged(
    tables: Tables, intent: Intent, verdicts: Verdicts
) -> Iterator[tuple[PoolState, Pool, float, Origins]]:
    """Each state with the pool that it should become, the length of its memory's generations, and others' rules."""
    lengths: dict[str, float] = {}
    drains = set(tables.retained)
    live: set[str] = set()
    for vip in served(intent, tables).vips:
        turn = tables.turns.get(vip.name)
        length = 0.0 if turn is None else turn.period
        for item in vip.listeners:
            key = tables.bound.get(item.name, "")
            lengths[key] = max(lengths.get(key, 0.0), length)
            if item.name not in drains:
                live.add(key)
    policies = {**tables.former, **{pool.name: pool for pool in intent.pools}}
    origins = {
        name: Origin(pool, verdicts.get(name, {}), tables.writers.get(name), tables.tuned.get(name, UNTUNED))
        for name, pool in policies.items()
    }
    for key, state in tables.pools.items():
        pool = policies[state.name]
        yield state, pool if key in live else replace(pool, backends=()), lengths.get(key, 0.0), origins


def _step_pools(
    tables: Tables, intent: Intent, verdicts: Verdicts, now: float, helds: Helds, whole: bool
) -> Tables:
    stepped, ticks = {}, _ticks(intent)
    for key, (state, pool, length, origins) in zip(
        tables.pools, _judged(tables, intent, verdicts), strict=True
    ):
        health = verdicts.get(state.name, {})
        writes, tuned = tables.writers.get(state.name), tables.tuned.get(state.name, UNTUNED)
        held = partial(helds, key)
        stepped[key] = step(
            state, pool, health, tables.ids, now, length, origins, writes, held, ticks, whole, tuned
        )
    if all(same(stepped[key], tables.pools[key]) for key in stepped):
        return tables
    kept = {k: tables.pools[k] if same(s, tables.pools[k]) else s for k, s in stepped.items()}
    return replace(tables, pools=kept)


def _ticks(intent: Intent) -> bool:
    """Whether some switch asks in which period a connection was opened: those of P4 know when."""
    kinds = (switch.of_kind for switch in intent.switches)
    return any(kind.tracks and kind.protocol is Protocol.OPENFLOW for kind in kinds)


def same(one: PoolState, other: PoolState) -> bool:
    """Whether nothing has changed from one step to the next."""
    if one is other:
        return True
    arrays = (
        one.now is other.now,
        one.before is other.before,
        one.watched is other.watched,
        one.tracking is other.tracking,
    )
    return (
        all(arrays)
        and one.members == other.members
        and one.serving == other.serving
        and one.fates == other.fates
        and (one.panicked, one.calm_since, one.name) == (other.panicked, other.calm_since, other.name)
        and (one.spread, one.rehash) == (other.spread, other.rehash)
        and (one.spent, one.behind) == (other.spent, other.behind)
    )


def _merge(tables: Tables, intent: Intent) -> Tables:
    """A state of a listener's own that differs in nothing from the shared one is no longer needed.

    Both are settled: what is tracked in the shared one has a base and a class that the own one's connections lack.
    """
    bound, pools, ids = dict(tables.bound), dict(tables.pools), tables.ids
    for item in intent.listeners():
        key, shared = bound[item.name], shared_key(item)
        if key == shared:
            continue
        if shared not in pools:
            # No other one wants that pool: its state is the shared one, under the id that it has.
            pools = {shared if each == key else each: state for each, state in pools.items()}
            ids = ids.renamed(Space.POOL, {key: shared})
            bound = {name: shared if each == key else each for name, each in bound.items()}
        elif _settled_as(pools[key], pools[shared]):
            bound[item.name] = shared
            tracks = tracking.joined(pools[shared].tracking, pools[key].tracking)
            pools[shared] = replace(pools[shared], tracking=tracks)
            if key not in bound.values():
                del pools[key]
    if bound == tables.bound:
        return tables
    return replace(tables, bound=bound, pools=pools, ids=ids)


def _settled_as(own: PoolState, shared: PoolState) -> bool:
    theirs = {member.id: member for member in shared.members}
    return (
        all(m.id in theirs and _kept_as_long(m, theirs[m.id]) for m in own.members)
        and not own.moving
        and not len(own.watched)
        and not own.tracking.tracks
        and not shared.moving
        and not shared.tracking.tracks
        and own.panicked == shared.panicked
        and own.spread is shared.spread
        and own.rehash is shared.rehash is None
        and not own.behind
        and not shared.behind
        and np.array_equal(own.now, shared.now)
    )


def _kept_as_long(member: PoolMember, shared: PoolMember) -> bool:
    """What drains is not given up earlier by the shared state, which may drain it for longer than a listener has."""
    if (member.removed, member.origin) != (shared.removed, shared.origin):
        return False
    mine, theirs = member.draining_since, shared.draining_since
    return mine is None or theirs is None or theirs >= mine


def _turn(tables: Tables, intent: Intent, now: float) -> Tables:
    whole = served(intent, tables)
    made = {}
    for vip in whole.vips:
        memory, known = memory_of(whole, vip), tables.turns.get(vip.name)
        made[vip.name] = turns.first(memory, now) if known is None else turns.advance(known, memory, now)
    return tables if made == tables.turns else replace(tables, turns=made)


def _forget_former(tables: Tables, intent: Intent) -> Tables:
    """Keep the rules of pools that the intent lacks for as long as a member or a listener goes by them."""
    named = {pool.name for pool in intent.pools}
    needed = {each.listener.pool for each in tables.retained.values()}
    needed |= {m.origin or s.name for s in tables.pools.values() for m in s.members}
    needed |= {state.name for state in tables.pools.values()}
    kept = {name: pool for name, pool in tables.former.items() if name in needed and name not in named}
    return tables if kept.keys() == tables.former.keys() else replace(tables, former=kept)
