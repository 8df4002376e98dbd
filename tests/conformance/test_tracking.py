"""A switch that tracks slots does what the rule says, and one that is damaged does not get away with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controller.spec.slots import SlotTable
from controller.spec.spread import Spread
from tests.conformance.conftest import live
from tests.conformance.embedded import Embedded
from tests.conformance.life import MOST, Tracker, play
from tests.conformance.ovs import OpenVSwitch
from tests.conformance.target import Damage

SEEDS = [pytest.param(seed, marks=() if seed < 12 else pytest.mark.long) for seed in range(40)]
"""Every damage below is found within two lives."""
FEWER = 12
"""Seeds where slots come from elsewhere than in a new pool of switches that hash alike."""


@pytest.fixture(scope="module", params=[*Spread, "embedded"])
def switch(request: pytest.FixtureRequest) -> Iterator[Tracker]:
    if request.param != "embedded":
        with live("rule", spread=request.param) as made:
            yield made
    else:
        with closing(Embedded()) as embedded:
            yield embedded


def _beside(switch: Tracker) -> bool:
    return isinstance(switch, OpenVSwitch) and switch.spread is not Spread.DATAPATH


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tracking_switch_does_what_the_rule_says(switch: Tracker, seed: int) -> None:
    if _beside(switch) and seed >= FEWER:
        pytest.skip("enough of them")
    play(switch, [seed])


def _without(*columns: str) -> Damage:
    def damage(table: SlotTable) -> SlotTable:
        nothing: dict[str, Any] = {name: getattr(table, name)[:0] for name in columns}
        return replace(table, **nothing)

    return damage


DAMAGES: dict[str, Damage] = {
    "nothing is tracked": _without("class_"),
    "what is not remembered is new": _without("base", "home"),
    "what is found is as good as opened": _without("home"),
    "former owners' connections are not told of": _without("former"),
    "old connections are not told of": _without("aged"),
    "memory of an earlier tracked time is believed": lambda table: replace(
        table, class_=np.minimum(table.class_, 1)
    ),
    "every slot is tracked": lambda table: replace(table, class_=np.where(table.class_, table.class_, 1)),
}


QUICK = ("nothing is tracked", "what is found is as good as opened")
"""``make test`` plays these."""
OF_FLOWS = ("what is found is as good as opened", "former owners' connections are not told of")
"""Open vSwitch has flows for these; a P4 switch sees as much in the cell itself."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in DAMAGES]
)
def test_a_damaged_switch_is_caught(switch: Tracker, name: str) -> None:
    if _beside(switch):
        pytest.skip("what is damaged is the same wherever slots come from")
    if name in OF_FLOWS and isinstance(switch, Embedded):
        pytest.skip("nothing in a P4 switch's tables says this")
    switch.damage = DAMAGES[name]
    try:
        with pytest.raises(AssertionError):
            play(switch, range(MOST))
    finally:
        switch.damage = None
