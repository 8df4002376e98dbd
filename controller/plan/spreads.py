"""From what a pool's switches take its slots: decided once for each state, and kept until a rehash. Pure.

A state whose pool asks for ``bits`` has them; one that asks for a hash has the datapath's, if all of its lb switches
are of a kind that can tell it and those that are here hash as we do, else that of their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from controller.plan.pool import PoolState
from controller.plan.rehash import Rehash, turned
from controller.plan.tables import Tables, pool_of, served
from controller.spec.spread import PoolSpread, Spread
from controller.spec.types import Intent, Listener, Protocol, Role, Switch

Answers = Callable[[frozenset[str]], bool | None]
"""lb switches, by name -> whether the datapaths of those that are here hash as we do; None: not known yet."""


def unlike(_: frozenset[str]) -> bool:
    """No datapath hashes as we do, or none was asked."""
    return False


def alike(_: frozenset[str]) -> bool:
    """All datapaths hash as we do."""
    return True


def first(item: Listener) -> Spread | None:
    """Of a new state that serves a listener; None: ``decide`` says."""
    return None if item.protocol is Protocol.TCP else Spread.OWN


def decide(tables: Tables, intent: Intent, answers: Answers) -> Tables:
    """The tables with a spread for each state of which it can be known."""
    made = {
        key: replace(state, spread=spread)
        for key, state in tables.pools.items()
        if state.spread is None and (spread := wanted(tables, intent, state, answers)) is not None
    }
    return replace(tables, pools={**tables.pools, **made}) if made else tables


class RehashRefused(ValueError):
    """A pool whose slots are not taken otherwise; the message says why, and what would be right."""


class Move(NamedTuple):
    """Of one state of a pool."""

    key: str
    before: Spread
    after: Spread


def moves(tables: Tables, intent: Intent, pool: str, answers: Answers) -> list[Move]:
    """What a rehash of a pool changes. Raises RehashRefused."""
    rules = next((each for each in intent.pools if each.name == pool), None)
    if rules is None:
        names = ", ".join(each.name for each in intent.pools)
        raise RehashRefused(f'there is no pool "{pool}"; pools: {names or "none"}')
    if rules.failover is not None:
        raise RehashRefused(
            f'pool "{pool}" has one writer: its slots all name that one, however they are taken'
        )
    found = [
        (key, state, wanted(tables, intent, state, answers))
        for key, state in tables.pools.items()
        if state.name == pool and state.protocol is Protocol.TCP and state.spread is not None
    ]
    if any(after is None for _, _, after in found):
        raise RehashRefused(
            f'lb switches of pool "{pool}" have not said yet how they hash; ask again in some seconds'
        )
    out = [
        Move(key, state.spread, after)
        for key, state, after in found
        if state.spread is not None and after not in (None, state.spread)
    ]
    if not out:
        has = ", ".join(sorted({str(state.spread) for _, state, _ in found})) or "no TCP listener"
        raise RehashRefused(
            f'pool "{pool}" has {has}, which is what it would get with spread: {rules.spread} and these lb switches'
        )
    return out


def begin(tables: Tables, changes: Iterable[Move]) -> Tables:
    """The tables with a rehash under way for each of these states; one that is under way goes on."""
    return _rehashing(tables, {each.key: tables.pools[each.key].rehash or Rehash() for each in changes})


def cancel(tables: Tables, pool: str) -> Tables:
    """The tables without a rehash of a pool; its slots settle by and by. Raises RehashRefused if there is none."""
    found = [key for key, state in tables.pools.items() if state.name == pool and state.rehash is not None]
    if not found:
        under_way = sorted({state.name for state in tables.pools.values() if state.rehash is not None})
        raise RehashRefused(
            f'no rehash of pool "{pool}" is under way; under way: {", ".join(under_way) or "none"}'
        )
    return _rehashing(tables, dict.fromkeys(found))


def _rehashing(tables: Tables, changes: Mapping[str, Rehash | None]) -> Tables:
    made = {key: replace(tables.pools[key], rehash=each) for key, each in changes.items()}
    return replace(tables, pools={**tables.pools, **made})


def turn(tables: Tables, intent: Intent, answers: Answers, ready: Collection[str]) -> Tables:
    """The tables with what its pool asks for where a rehash has come so far. ``ready``: keys of these states.

    One that has by now what it would be given ends; one of which it is not known yet waits.
    """
    made = {}
    for key in ready:
        state = tables.pools[key]
        spread = wanted(tables, intent, state, answers)
        if spread is not None:
            tracking = state.tracking if spread is state.spread else turned(state.tracking)
            made[key] = replace(state, spread=spread, rehash=None, tracking=tracking)
    return replace(tables, pools={**tables.pools, **made}) if made else tables


def wanted(tables: Tables, intent: Intent, state: PoolState, answers: Answers) -> Spread | None:
    """The spread that a state would have if it were new; None: not known before a switch says how it hashes."""
    if state.protocol is not Protocol.TCP:
        return Spread.OWN
    pool, lbs = pool_of(tables, intent, state.name), lbs_of(served(intent, tables), state.name)
    if pool.failover is not None or not lbs or not all(switch.of_kind.spreads for switch in lbs):
        return Spread.OWN
    if pool.spread is PoolSpread.BITS:
        return Spread.BITS
    same = answers(frozenset(switch.name for switch in lbs))
    return None if same is None else Spread.DATAPATH if same else Spread.OWN


def undecided(tables: Tables) -> list[str]:
    """Names of the pools of which it is not known yet."""
    return sorted({state.name for state in tables.pools.values() if state.spread is None})


def lbs_of(intent: Intent, pool: str) -> list[Switch]:
    """The lb switches that serve a pool."""
    sites = {
        site for vip in intent.vips for item in vip.listeners if item.pool == pool for site in vip.owners
    }
    return [switch for switch in intent.switches if Role.LB in switch.roles and switch.site in sites]
