"""All that planning decides and that outlives the controller: ids, pools through time, listeners that drain. Pure.

    accept   another intent: names change, listeners change pools, listeners that are no more begin to drain
    advance  time, verdicts: tables move, windows end, what has drained goes, ids are allocated (progress.py)
    served   the intent as switches carry it out: with the listeners that drain
    probed   the intent as servers are asked: with the backends that drain

Listeners of one pool and protocol share a state ("web/tcp"). One whose pool is changed takes its table along, in a
state of its own ("shop/tcp/80 web/tcp"), until nothing of it differs from the shared one: its connections stay with the
servers that they are on, for as long as those drain. A listener that is removed does the same with a pool of no
servers: nothing new is accepted, established connections go on until ``drain_timeout``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.plan import tuned, turns
from controller.plan.carried import shifted
from controller.plan.ids import IdAllocator
from controller.plan.pool import Health, PoolState
from controller.plan.tuned import Tunings
from controller.plan.turns import Turn
from controller.spec.types import Intent, Listener, Pool, Vip

Verdicts = Mapping[str, Mapping[str, Health]]
"""Pool -> backend -> verdict."""


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
    tuned: Mapping[str, Tunings] = field(default_factory=dict)
    """Pool -> what its backends' weights are made of besides those of the intent."""


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
    out = {key: asked_of(tables, intent, state) for key, state in tables.pools.items()}
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
        tuned={
            pool: {name: tuned.shifted(each, seconds) for name, each in rows.items()}
            for pool, rows in tables.tuned.items()
        },
    )


def pool_of(tables: Tables, intent: Intent, name: str) -> Pool:
    """The rules of a pool, also of one that the intent no longer names."""
    known = next((pool for pool in intent.pools if pool.name == name), None)
    return tables.former[name] if known is None else known


def asked_of(tables: Tables, intent: Intent, state: PoolState) -> float:
    """The memory that a state's pool asks for, seconds."""
    return pool_of(tables, intent, state.name).memory_timeout
