"""Every row against every target: the same packets in, the same packets out."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

import pytest

from tests.conformance import rows as subjects
from tests.conformance.row import Row
from tests.conformance.target import Target

SUBJECTS: dict[str, list[Row]] = {
    each.name: list(importlib.import_module(f"{subjects.__name__}.{each.name}").ROWS)
    for each in pkgutil.iter_modules(subjects.__path__)
}
"""Rows by the module that they are in: all that there are."""
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
