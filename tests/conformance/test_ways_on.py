"""Flows of access lists and of rates: each way on from them is needed, and a row notices where it is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from flows.entries import Target as Flows
from flows.tables import Placed, Stage
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.rows import access, guards

pytestmark = pytest.mark.long

ROWS = {row.name: row for row in (*access.ROWS, *guards.ROWS)}


@pytest.fixture(scope="module")
def switch() -> Iterator[ovs.OpenVSwitch]:
    with live("listed") as made:
        yield made


def without(stage: Stage, priority: int, switch: ovs.OpenVSwitch) -> Callable[[Flows], Flows]:
    """Flows of one priority in one table are missing."""
    table = Placed(switch.switch.placement).table(stage)

    def damage(made: Flows) -> Flows:
        left = {
            key: body for key, body in made.flows.items() if (key.table, key.priority) != (table, priority)
        }
        assert len(left) < len(made.flows)
        return replace(made, flows=left, entry=None)

    return damage


@pytest.mark.parametrize(
    ("stage", "priority", "row"),
    [
        (Stage.SERVED, 39, "blocked-dr-v4-tcp"),
        (Stage.SERVED, 39, "blocked-in-fragments-nat-v6-udp"),
        (Stage.SERVED, 30, "allowed-and-metered"),
        (Stage.SERVED, 25, "blocked-in-fragments-dr-v4-udp"),
        (Stage.SERVED, 20, "blocked-in-fragments-nat-v4-udp"),
        (Stage.SERVED, 0, "block-cuts-fullnat-v4-udp"),
        (Stage.UNKNOWN, 20, "flood-of-a-prefix-dr-v4-udp"),
        (Stage.UNKNOWN_PREFIX, 34, "flood-of-a-prefix-dr-v4-udp"),
        (Stage.UNKNOWN_PREFIX, 0, "flood-of-a-prefix-nat-v6-udp"),
    ],
)
def test_a_way_on_that_is_missing_is_noticed(
    switch: ovs.OpenVSwitch, stage: Stage, priority: int, row: str
) -> None:
    switch.mutation = None
    ROWS[row].play(switch)
    switch.mutation = without(stage, priority, switch)
    with pytest.raises(AssertionError, match=f"ovs, step .* of {row}: "):
        ROWS[row].play(switch)
