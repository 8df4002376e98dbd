"""Targets of the suite, each built once; one that cannot be here is skipped with how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.conformance.ovs import OpenVSwitch, why_not
from tests.conformance.selection import is_long
from tests.conformance.target import Target
from tests.conformance.targets import TARGETS


@contextmanager
def live(name: str, **options: Any) -> Iterator[OpenVSwitch]:
    """An Open vSwitch of a test's own, for as long as it needs it; without one the test is skipped."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with closing(OpenVSwitch(name, **options)) as made:
        yield made


@pytest.fixture(scope="session", params=TARGETS, ids=[kind.name for kind in TARGETS])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """One target after the other."""
    kind = request.param
    reason = kind.why_not()
    if reason is not None:
        pytest.skip(reason)
    made = kind.make()
    yield made
    made.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rows that only ``make test-long`` plays to a kind are marked so."""
    for item in items:
        given: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        if {"target", "row"} <= given.keys() and is_long(given["target"].name, given["row"]):
            item.add_marker(pytest.mark.long)
