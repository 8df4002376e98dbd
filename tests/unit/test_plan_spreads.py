"""From what pools take their slots: decided once, by intent, kinds of switches and what these answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.plan import history, spreads
from controller.plan.edits import breaking
from controller.plan.pool import PoolState
from controller.plan.progress import advance
from controller.plan.spreads import Answers, alike, unlike
from controller.plan.tables import Tables
from controller.spec.policy import Failover
from controller.spec.spread import PoolSpread, Spread
from controller.spec.types import Intent, Protocol
from tests.conformance.scenario import DR, DR_UDP, Setup, p4_switch, pool, switch_of

NOW = 1000.0
KEY = "web/tcp"


def unknown(_: frozenset[str]) -> None:
    """Not asked yet."""


def intent(kind: str = "ovs", **policies: object) -> Intent:
    switch = switch_of(kind) if kind == "ovs" else p4_switch(kind)
    return Setup((pool("b1", "b2", **policies),), (DR, DR_UDP)).intent(switch)  # type: ignore[arg-type]


def served(wanted: Intent, answers: Answers, tables: Tables | None = None) -> Tables:
    return advance(tables or Tables(), wanted, {}, NOW, answers=answers)


@pytest.mark.parametrize(
    ("wanted", "answers", "spread"),
    [
        (intent(), alike, Spread.DATAPATH),
        (intent(), unlike, Spread.OWN),
        (intent(), unknown, None),
        (intent(spread=PoolSpread.BITS), unknown, Spread.BITS),
        (intent("embedded"), alike, Spread.OWN),
        (intent(failover=Failover()), alike, Spread.OWN),
    ],
    ids=["alike", "unlike", "not asked", "bits", "P4", "one writer"],
)
def test_a_new_pool_is_spread_by(wanted: Intent, answers: Answers, spread: Spread | None) -> None:
    made = served(wanted, answers)
    assert made.pools[KEY].spread is spread
    assert made.pools["web/udp"].spread is Spread.OWN


def test_what_is_decided_stays_whatever_switches_say_later() -> None:
    for first, later in ((alike, unlike), (unlike, alike)):
        made = served(intent(), first)
        assert served(intent(), later, made).pools[KEY].spread is made.pools[KEY].spread


def test_what_is_not_decided_is_once_a_switch_has_answered() -> None:
    made = served(intent(), unknown)
    assert spreads.undecided(made) == ["web"]
    assert served(intent(), alike, made).pools[KEY].spread is Spread.DATAPATH


@pytest.mark.parametrize("spread", [None, *Spread])
def test_it_outlives_the_controller(spread: Spread | None) -> None:
    state = replace(PoolState.new("web", Protocol.TCP, 256), spread=spread)
    assert history.load(history.dump(state)).spread is spread


def test_an_edit_of_the_spread_of_a_pool_in_use_keeps_the_spread_and_every_connection() -> None:
    old, new = intent(), intent(spread=PoolSpread.BITS)
    tables = served(old, alike)
    assert breaking(old, new, tables) == []
    assert served(new, alike, tables).pools[KEY].spread is Spread.DATAPATH
