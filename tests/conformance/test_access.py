"""Flows of access lists: each way on from them is needed, and a row notices where it is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from flows.entries import Target as Flows
from flows.tables import Placed, Stage
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.rows import access

pytestmark = pytest.mark.long

ROWS = {row.name: row for row in access.ROWS}


@pytest.fixture(scope="module")
def switch() -> Iterator[ovs.OpenVSwitch]:
    with live("listed") as made:
        yield made


def without(priority: int, switch: ovs.OpenVSwitch) -> Callable[[Flows], Flows]:
    """Flows of one priority in ``served`` are missing."""
    table = Placed(switch.switch.placement).table(Stage.SERVED)

    def damage(made: Flows) -> Flows:
        left = {
            key: body for key, body in made.flows.items() if (key.table, key.priority) != (table, priority)
        }
        assert len(left) < len(made.flows)
        return replace(made, flows=left, entry=None)

    return damage


@pytest.mark.parametrize(
    ("priority", "row"),
    [
        (39, "blocked-dr-v4-tcp"),
        (39, "blocked-in-fragments-nat-v6-udp"),
        (30, "allowed-and-metered"),
        (25, "blocked-in-fragments-dr-v4-udp"),
        (20, "blocked-in-fragments-nat-v4-udp"),
        (0, "block-cuts-fullnat-v4-udp"),
    ],
)
def test_a_way_on_that_is_missing_is_noticed(switch: ovs.OpenVSwitch, priority: int, row: str) -> None:
    switch.mutation = None
    ROWS[row].play(switch)
    switch.mutation = without(priority, switch)
    with pytest.raises(AssertionError, match=f"ovs, step .* of {row}: "):
        ROWS[row].play(switch)
