"""Deliberate damage to a decision, by which the fuzzer has to show that it would notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from controller.lbstate import LbPool, LbState
from controller.spec.access import OPEN
from controller.spec.slots import SlotTable
from controller.spec.switch import Fate
from flows.entries import FlowBody, FlowKey, flow
from flows.entries import Target as Flows
from flows.tables import Kind, Placed, Stage
from tests.conformance.scenario import switch_of

_PLACED = Placed(switch_of("ovs").placement)


class Mutation(NamedTuple):
    """One kind of damage, to flows and to the oracle's state."""

    name: str
    flows: Callable[[Flows], Flows]
    state: Callable[[LbState], LbState]


def _tables(change: Callable[[SlotTable], SlotTable]) -> Mutation:
    def of_flows(made: Flows) -> Flows:
        return replace(made, slots={number: change(table) for number, table in made.slots.items()})

    def of_state(state: LbState) -> LbState:
        pools = {number: replace(pool, table=change(pool.table)) for number, pool in state.pools.items()}
        return replace(state, pools=pools)

    return Mutation("", of_flows, of_state)


def _swapped(table: SlotTable) -> SlotTable:
    """Each slot has its neighbour's backend."""
    return replace(table, now=np.roll(table.now, 1))


def _settled(table: SlotTable) -> SlotTable:
    """No slot moves."""
    return replace(table, before=np.zeros_like(table.before))


def _unwatched(table: SlotTable) -> SlotTable:
    """Everything is an exception, ordinary connections too."""
    slots = np.flatnonzero(table.now)
    pairs = table.now[slots].astype(np.uint32) << 16 | slots.astype(np.uint32)
    watched, former = (
        np.unique(np.concatenate([known, pairs])).astype(np.uint32) for known in (table.watched, table.former)
    )
    return replace(table, watched=watched, former=former)


def _untracked(table: SlotTable) -> SlotTable:
    """Every slot is settled."""
    return replace(_baseless(table), class_=np.zeros_like(table.class_))


def _baseless(table: SlotTable) -> SlotTable:
    """Tracked slots name no backend for what is not remembered."""
    return replace(table, base=np.zeros_like(table.base), home=np.zeros_like(table.home))


def _forgetful(made: Flows) -> Flows:
    """The memory stage finds nothing, ever."""
    table, after = _PLACED.table(Stage.MEMORY), _PLACED.table(Stage.UNKNOWN)

    def body(key: FlowKey, old: FlowBody) -> FlowBody:
        return flow(*key, (), cookie=old.cookie, goto=after).body if key.table == table else old

    return replace(made, flows={key: body(key, old) for key, old in made.flows.items()}, entry=None)


def _fateless(made: Flows) -> Flows:
    """Drains and deaths mean nothing to connections that are remembered."""
    table = _PLACED.table(Stage.FATE)
    flows = {k: b for k, b in made.flows.items() if k.table != table or not k.priority}
    return replace(made, flows=flows, entry=None)


def _no_fates(state: LbState) -> LbState:
    pools: dict[int, LbPool] = {
        number: replace(pool, fates=dict.fromkeys(pool.fates, Fate.NORMAL))
        for number, pool in state.pools.items()
    }
    return replace(state, pools=pools)


def _opened(made: Flows) -> Flows:
    """Access lists name nothing."""
    table = _PLACED.table(Stage.ACCESS)
    flows = {k: b for k, b in made.flows.items() if k.table != table or not k.priority}
    return replace(made, flows=flows, entry=None)


def _unlisted(state: LbState) -> LbState:
    return replace(state, listeners=tuple(replace(each, access=OPEN) for each in state.listeners))


def _short(made: Flows) -> Flows:
    """Access lists allow nothing that they block."""

    def allows(key: FlowKey, body: FlowBody) -> bool:
        return key.table == _PLACED.table(Stage.ACCESS) and body.cookie >> 40 & 0xFF == Kind.ALLOW

    flows = {key: body for key, body in made.flows.items() if not allows(key, body)}
    return replace(made, flows=flows, entry=None)


def _blocks_alone(state: LbState) -> LbState:
    lists = (replace(each, access=replace(each.access, allow=())) for each in state.listeners)
    return replace(state, listeners=tuple(lists))


MUTATIONS = (
    _tables(_swapped)._replace(name="slots swapped"),
    _tables(_settled)._replace(name="transition ignored"),
    _tables(_unwatched)._replace(name="too much reported"),
    _tables(_untracked)._replace(name="nothing tracked"),
    _tables(_baseless)._replace(name="base ignored"),
    Mutation("memory skipped", _forgetful, lambda state: replace(state, memory={})),
    Mutation("fates ignored", _fateless, _no_fates),
    Mutation("access lists ignored", _opened, _unlisted),
    Mutation("nothing allowed", _short, _blocks_alone),
)
