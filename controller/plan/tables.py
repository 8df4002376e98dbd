"""All that planning decides and that outlives the controller: ids, pools through time, listeners that drain. Pure.

    accept   another intent: names change, listeners change pools, listeners that are no more begin to drain
    advance  time, verdicts: tables move, windows end, what has drained goes, ids are allocated and quarantined
    served   the intent as switches carry it out: with the listeners that drain
    probed   the intent as servers are asked: with the backends that drain

Listeners of one pool and protocol share a state ("web/tcp"). One whose pool is changed takes its table along, in a
state of its own ("shop/tcp/80 web/tcp"), until nothing of it differs from the shared one: its connections stay with the
servers that they are on, for as long as those drain. A listener that is removed does the same with a pool of no
servers: nothing new is accepted, established connections go on until ``drain_timeout``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from controller.plan import turns, writer
from controller.plan.demand import demand
from controller.plan.ids import IdAllocator, Space
from controller.plan.pool import Health, Origin, Origins, PoolMember, PoolState, next_change, shifted, step
from controller.plan.turns import Turn
from controller.spec.policy import Then
from controller.spec.types import Intent, Listener, Pool, Vip

Verdicts = Mapping[str, Mapping[str, Health]]
"""Pool -> backend -> verdict."""

GROUP_RESTS = 60.0
"""Seconds for which the id of a group of next hops counts as remembered: its entries are rewritten at once."""
RESETS = 10.0
"""Seconds for which connections of a removed listener are reset, if that is what follows its drain."""


@dataclass(frozen=True)
class Retained:
    """A listener that the intent no longer names."""

    vip: Vip
    """Its VIP, with this listener alone."""
    since: float
    """When it was removed."""

    @property
    def listener(self) -> Listener:
        """The listener."""
        return self.vip.listeners[0]


@dataclass(frozen=True, eq=False)
class Tables:
    """Never changed in place; parts that did not change are the same objects."""

    ids: IdAllocator = field(default_factory=IdAllocator)
    pools: Mapping[str, PoolState] = field(default_factory=dict)
    """By state key."""
    bound: Mapping[str, str] = field(default_factory=dict)
    """Listener name -> key of the state that serves it."""
    retained: Mapping[str, Retained] = field(default_factory=dict)
    """By listener name."""
    former: Mapping[str, Pool] = field(default_factory=dict)
    """Pools that the intent no longer names, of which members still drain; their probes name their ports."""
    turns: Mapping[str, Turn] = field(default_factory=dict)
    """By VIP name."""
    writers: Mapping[str, str] = field(default_factory=dict)
    """Pool with ``failover`` -> the backend that serves it; a pool of which all backends drain has none."""


def shared_key(listener: Listener) -> str:
    """Key of the state that all listeners of a pool and protocol share."""
    return f"{listener.pool}/{listener.protocol}"


def own_key(listener: Listener) -> str:
    """Key of a state of the listener's own."""
    return f"{listener.name} {shared_key(listener)}"


# -- what follows from the tables -----------------------------------------------------------------------------


def served(intent: Intent, tables: Tables) -> Intent:
    """The intent with the listeners that drain, and the pools that these need."""
    if not tables.retained:
        return intent
    vips = {vip.address: vip for vip in intent.vips}
    for each in tables.retained.values():
        known = vips.get(each.vip.address)
        listener = each.listener if known is None else replace(each.listener, vip=known.name)
        base = each.vip if known is None else known
        others = () if known is None else known.listeners
        vips[each.vip.address] = replace(base, listeners=(*others, listener))
    named = {pool.name for pool in intent.pools}
    extra = tuple(replace(pool, backends=()) for name, pool in tables.former.items() if name not in named)
    return replace(intent, vips=tuple(vips.values()), pools=(*intent.pools, *extra))


def probed(intent: Intent, tables: Tables) -> Intent:
    """The intent with all backends that connections may be on, so that none is left without a verdict."""
    reals = {pool.name: {real.name: real for real in pool.backends} for pool in intent.pools}
    reals |= {name: {} for name in tables.former if name not in reals}
    users: dict[str, set[str]] = {}
    """Pool -> listeners that lead to members of it."""
    leads: dict[str, list[str]] = {}
    for listener, key in tables.bound.items():
        leads.setdefault(key, []).append(listener)
    for key, state in tables.pools.items():
        for member in state.members:
            origin = member.origin or state.name
            if origin in reals:
                reals[origin].setdefault(member.backend.name, member.backend)
                users.setdefault(origin, set()).update(leads.get(key, ()))
    policies = {**tables.former, **{pool.name: pool for pool in intent.pools}}
    pools = tuple(replace(policies[name], backends=tuple(of.values())) for name, of in reals.items())
    return replace(intent, pools=pools, vips=_leading_to(served(intent, tables), users))


def _leading_to(intent: Intent, users: Mapping[str, set[str]]) -> tuple[Vip, ...]:
    """The VIPs, with a listener more where one leads to members of another pool than its own."""
    pools: dict[str, list[str]] = {}
    for pool, names in users.items():
        for name in names:
            pools.setdefault(name, []).append(pool)
    out = []
    for vip in intent.vips:
        more = [
            replace(item, pool=pool)
            for item in vip.listeners
            for pool in pools.get(item.name, ())
            if item.pool != pool
        ]
        out.append(replace(vip, listeners=(*vip.listeners, *more)) if more else vip)
    return tuple(out)


def remembered(intent: Intent, tables: Tables) -> dict[str, float]:
    """How long switches have to remember silent connections, seconds by state key.

    At least as long as the pool says, and as long as was promised to connections that may be silent since then.
    """
    out = {key: _memory(tables, intent, state) for key, state in tables.pools.items()}
    for vip in served(intent, tables).vips:
        turn = tables.turns.get(vip.name)
        for item in vip.listeners if turn is not None else ():
            key = tables.bound.get(item.name, "")
            if key in out and turn is not None:
                out[key] = max(out[key], turn.period)
    return out


def entry_lives(intent: Intent, tables: Tables) -> dict[str, float]:
    """How long Open vSwitch has to keep an entry that is made now, seconds by VIP name."""
    whole = served(intent, tables)
    out = {}
    for vip in whole.vips:
        asked = memory_of(whole, vip)
        turn = tables.turns.get(vip.name, turns.first(asked, 0.0))
        out[vip.name] = turns.lasting(replace(turn, asked=max(turn.asked, asked)))
    return out


def memory_of(intent: Intent, vip: Vip) -> float:
    """The longest memory that a pool behind the VIP asks for, seconds."""
    return max((intent.pool(item.pool).memory_timeout for item in vip.listeners), default=900.0)


# -- time and verdicts ----------------------------------------------------------------------------------------


def advance(tables: Tables, intent: Intent, verdicts: Verdicts, now: float) -> Tables:
    """The tables at ``now``. Raises IdsExhausted when an intent needs more ids than there are."""
    tables = _forget_retained(tables, intent, now)
    tables = _complete(tables, intent)
    tables = _allocate(tables, intent, now)
    tables = _choose_writers(tables, intent, verdicts, now)
    tables = _step_pools(tables, intent, verdicts, now)
    tables = _merge(tables, intent)
    tables = _turn(tables, intent, now)
    return _forget_former(tables, intent)


def deadline(tables: Tables, intent: Intent, verdicts: Verdicts, stepped: float) -> float | None:
    """When time alone changes the tables next, as they stand after a step at ``stepped``."""
    times = [
        next_change(state, pool, verdicts.get(state.name, {}), stepped, length, origins)
        for state, pool, length, origins in _judged(tables, intent, verdicts)
    ]
    ends = [_ends(each, _pool_of(tables, intent, each.listener.pool)) for each in tables.retained.values()]
    turning = [turns.due(turn) for turn in tables.turns.values()]
    writers = [
        writer.due(pool, tables.writers.get(pool.name), verdicts.get(pool.name, {}), stepped)
        for pool in intent.pools
        if pool.failover is not None
    ]
    return min((t for t in chain(times, ends, turning, writers) if t is not None), default=None)


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


def later(tables: Tables, seconds: float) -> Tables:
    """The same with all times later by ``seconds``: what was left when it was stored is left now."""
    if not seconds:
        return tables
    return replace(
        tables,
        ids=tables.ids.shifted(seconds),
        pools={key: shifted(state, seconds) for key, state in tables.pools.items()},
        retained={n: replace(r, since=r.since + seconds) for n, r in tables.retained.items()},
        turns={name: replace(turn, since=turn.since + seconds) for name, turn in tables.turns.items()},
    )


def _ends(each: Retained, pool: Pool) -> float:
    """When a removed listener is no more."""
    more = {Then.KEEP: pool.memory_timeout, Then.MOVE: 0.0, Then.RESET: RESETS}[pool.drain_then]
    return each.since + pool.drain_timeout + more


def _pool_of(tables: Tables, intent: Intent, name: str) -> Pool:
    known = next((pool for pool in intent.pools if pool.name == name), None)
    return tables.former[name] if known is None else known


def _forget_retained(tables: Tables, intent: Intent, now: float) -> Tables:
    over = {
        name
        for name, each in tables.retained.items()
        if now >= _ends(each, _pool_of(tables, intent, each.listener.pool))
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
            slots = _pool_of(tables, intent, item.pool).slots
            pools[key] = PoolState.new(item.pool, item.protocol, slots)
    if bound == tables.bound and pools.keys() == tables.pools.keys():
        return tables
    return replace(tables, bound=bound, pools=pools)


def _allocate(tables: Tables, intent: Intent, now: float) -> Tables:
    wanted = {space: dict(names) for space, names in demand(served(intent, tables)).items()}
    wanted[Space.POOL] = {key: _memory(tables, intent, state) for key, state in tables.pools.items()}
    reals = wanted[Space.BACKEND]
    for state in tables.pools.values():
        memory = _memory(tables, intent, state)
        for member in state.members:
            name = member.backend.name
            reals[name] = max(reals.get(name, 0.0), memory)
    return _with_ids(tables, tables.ids.step(wanted, now))


def with_groups(tables: Tables, names: Set[str], now: float) -> Tables:
    """The tables with ids for exactly these groups of next hops."""
    return _with_ids(tables, tables.ids.step({Space.GROUP: dict.fromkeys(sorted(names), GROUP_RESTS)}, now))


def _with_ids(tables: Tables, ids: IdAllocator) -> Tables:
    return tables if ids is tables.ids else replace(tables, ids=ids)


def _memory(tables: Tables, intent: Intent, state: PoolState) -> float:
    return _pool_of(tables, intent, state.name).memory_timeout


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
        name: Origin(pool, verdicts.get(name, {}), tables.writers.get(name))
        for name, pool in policies.items()
    }
    for key, state in tables.pools.items():
        pool = policies[state.name]
        yield state, pool if key in live else replace(pool, backends=()), lengths.get(key, 0.0), origins


def _step_pools(tables: Tables, intent: Intent, verdicts: Verdicts, now: float) -> Tables:
    stepped = {}
    for key, (state, pool, length, origins) in zip(
        tables.pools, _judged(tables, intent, verdicts), strict=True
    ):
        health = verdicts.get(state.name, {})
        stepped[key] = step(
            state, pool, health, tables.ids, now, length, origins, tables.writers.get(state.name)
        )
    if all(same(stepped[key], tables.pools[key]) for key in stepped):
        return tables
    kept = {k: tables.pools[k] if same(s, tables.pools[k]) else s for k, s in stepped.items()}
    return replace(tables, pools=kept)


def same(one: PoolState, other: PoolState) -> bool:
    """Whether nothing has changed from one step to the next."""
    if one is other:
        return True
    arrays = (one.now is other.now, one.before is other.before, one.watched is other.watched)
    return (
        all(arrays)
        and one.members == other.members
        and one.serving == other.serving
        and one.fates == other.fates
        and (one.panicked, one.calm_since, one.name) == (other.panicked, other.calm_since, other.name)
    )


def _merge(tables: Tables, intent: Intent) -> Tables:
    """A state of a listener's own that differs in nothing from the shared one is no longer needed."""
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
        and own.panicked == shared.panicked
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
