"""Every row against every target: the same packets in, the same packets out."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.conformance.row import Row
from tests.conformance.selection import LIKE_ANOTHER, ONCE_EACH, SUBJECTS, is_long
from tests.conformance.target import Target
from tests.conformance.targets import TARGETS

OF_SLOTS = ("choice", "deaths", "fragments", "memory", "repooled", "tracking")
"""Subjects in which it matters from what slots are taken: all that is played to Open vSwitch with its kind's hash."""
ROWS = [pytest.param(name, row, id=f"{name}-{row.name}") for name, rows in SUBJECTS.items() for row in rows]


@pytest.mark.parametrize(("subject", "row"), ROWS)
def test_row(target: Target, subject: str, row: Row) -> None:
    if target.name == "ovs-own" and subject not in OF_SLOTS:
        pytest.skip("the other Open vSwitch targets are told the same")
    lacking = row.lacking(target)
    if lacking is not None:
        pytest.skip(f"{target.name} does not know {lacking}")
    row.play(target)


def test_rows_have_names_and_reasons_of_their_own() -> None:
    rows = [row for each in SUBJECTS.values() for row in each]
    assert [name for name, times in Counter(row.name for row in rows).items() if times > 1] == []
    assert [row.name for row in rows if not row.why.endswith(".") or "\n" in row.why] == []


def test_every_promise_is_played_to_every_kind_and_every_row_to_each_that_is_not_like_another() -> None:
    rows = [row for each in SUBJECTS.values() for row in each]
    assert {row.why for row in rows if row.name in ONCE_EACH} == {row.why for row in rows}
    whole = {kind.name for kind in TARGETS if not any(is_long(kind.name, row) for row in rows)}
    assert whole == {kind.name for kind in TARGETS} - set(LIKE_ANOTHER) == {"oracle", "ovs", "embedded"}
