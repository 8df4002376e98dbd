"""Which rows every test run plays to which kind of switch; ``make test-long`` plays all of them to all."""

from __future__ import annotations

import importlib
import pkgutil

from tests.conformance import rows as subjects
from tests.conformance.row import Row

SUBJECTS: dict[str, list[Row]] = {
    each.name: list(importlib.import_module(f"{subjects.__name__}.{each.name}").ROWS)
    for each in pkgutil.iter_modules(subjects.__path__)
}
"""Rows by the module that they are in: all that there are."""
LIKE_ANOTHER = ("ovs-bits", "ovs-own", "bmv2")
"""Kinds that run what another kind runs: the flows of ``ovs``, and the P4 program of ``embedded``."""


def once_each(rows: list[Row]) -> set[str]:
    """Names of rows, one for each promise: where it holds for many services, a service for each in turn.

    Rows are of one promise if they say the same for a reason.
    """
    promises: dict[str, list[str]] = {}
    for row in rows:
        promises.setdefault(row.why, []).append(row.name)
    return {names[number % len(names)] for number, names in enumerate(promises.values())}


ONCE_EACH = once_each([row for rows in SUBJECTS.values() for row in rows])
"""Rows that kinds like another one play in every run."""


def is_long(target: str, row: Row) -> bool:
    """Whether only ``make test-long`` plays it to this kind."""
    return target in LIKE_ANOTHER and row.name not in ONCE_EACH
