"""Flows of others in our own entry table: what we hand over reaches them, and does not come back to ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.conftest import live
from tests.conformance.row import Row
from tests.conformance.rows import modes, segment
from tests.conformance.selection import ONCE_EACH
from tests.conformance.target import Can
from tests.conformance.target import Target as Switch

ROWS = [
    pytest.param(row, id=row.name, marks=() if row.name in ONCE_EACH else pytest.mark.long)
    for row in (*modes.ROWS, *segment.ROWS)
    if Can.FORWARDS not in row.needs
]


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    """Open vSwitch whose operator has no table but ours."""
    with live("below", below=True) as made:
        yield made


@pytest.mark.parametrize("row", ROWS)
def test_row_with_flows_of_others_below_ours(switch: Switch, row: Row) -> None:
    row.play(switch)
