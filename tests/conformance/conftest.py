"""Targets of the suite, each built once; one that cannot be here is skipped with how to get it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.target import Target
from tests.conformance.targets import TARGETS


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
