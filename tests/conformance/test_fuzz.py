"""Targets and oracle agree on random lives, and a broken pipeline does not get away with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from controller.lbstate import LbState, Packet
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.fuzz import Mismatch, search
from tests.conformance.moment import Moment
from tests.conformance.mutations import MUTATIONS, Mutation
from tests.conformance.oracle import Oracle
from tests.conformance.target import Target

CASES, MANY = 100, 300
"""Random lives; a third of them for a target that differs from another one in where slots come from.

Every damage below is found within 60.
"""
SEED = int(os.environ.get("EVENKEEL_FUZZ_SEED", "20261120"))
"""The same every time, so that a change is what breaks it; ``python -m tests.conformance.fuzz`` draws its own."""
MOST = 2_000
"""Cases after which damage that was not noticed never will be."""

each_mutation = pytest.mark.parametrize("mutation", MUTATIONS, ids=[m.name for m in MUTATIONS])


@pytest.mark.parametrize("cases", [CASES, pytest.param(MANY, marks=pytest.mark.long)])
def test_target_and_oracle_agree(target: Target, cases: int) -> None:
    if isinstance(target, Oracle):
        pytest.skip("the oracle is what targets are compared with")
    print(f"EVENKEEL_FUZZ_SEED={SEED}")
    search(target, cases // 3 if target.name in ("ovs-bits", "ovs-own") else cases, SEED)


class Damaged(Oracle):
    """An oracle that does not do what it should."""

    def __init__(self, damage: Callable[[LbState], LbState]) -> None:
        super().__init__()
        self.name = "damaged"
        self._damage = damage

    def apply(self, world: Moment) -> None:
        super().apply(world)
        self.state = self._damage(self.state)

    def decide(self, packet: Packet):  # type: ignore[no-untyped-def]  # noqa: ANN201
        self.state = self._damage(self.state)
        return super().decide(packet)


@each_mutation
def test_a_damaged_decision_is_caught(mutation: Mutation) -> None:
    with pytest.raises(Mismatch):
        search(Damaged(mutation.state), MOST, 1, shrink=False)


@pytest.fixture(scope="module")
def damaged_switch() -> Iterator[ovs.OpenVSwitch]:
    with live("broken") as made:
        yield made


@each_mutation
def test_a_damaged_pipeline_is_caught(damaged_switch: ovs.OpenVSwitch, mutation: Mutation) -> None:
    damaged_switch.mutation = mutation.flows
    with pytest.raises(Mismatch):
        search(damaged_switch, MOST, 1, shrink=False)
