"""From what a pool's switches take its slots: decided once for each state, and kept for its life. Pure.

A state whose pool asks for ``bits`` has them; one that asks for a hash has the datapath's, if all of its lb switches
are of a kind that can tell it and those that are here hash as we do, else that of their kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller.plan.pool import PoolState
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
        if state.spread is None and (spread := _decided(tables, intent, state, answers)) is not None
    }
    return replace(tables, pools={**tables.pools, **made}) if made else tables


def undecided(tables: Tables) -> list[str]:
    """Names of the pools of which it is not known yet."""
    return sorted({state.name for state in tables.pools.values() if state.spread is None})


def lbs_of(intent: Intent, pool: str) -> list[Switch]:
    """The lb switches that serve a pool."""
    sites = {
        site for vip in intent.vips for item in vip.listeners if item.pool == pool for site in vip.owners
    }
    return [switch for switch in intent.switches if Role.LB in switch.roles and switch.site in sites]


def _decided(tables: Tables, intent: Intent, state: PoolState, answers: Answers) -> Spread | None:
    pool, lbs = pool_of(tables, intent, state.name), lbs_of(served(intent, tables), state.name)
    if pool.failover is not None or not lbs or not all(switch.of_kind.spreads for switch in lbs):
        return Spread.OWN
    if pool.spread is PoolSpread.BITS:
        return Spread.BITS
    same = answers(frozenset(switch.name for switch in lbs))
    return None if same is None else Spread.DATAPATH if same else Spread.OWN
