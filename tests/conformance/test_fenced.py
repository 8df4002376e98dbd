"""Answers behind a fence: the same as without one while authority is claimed, and none while it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.spec.types import FenceEnd
from tests.conformance.conftest import live
from tests.conformance.expect_control import Unanswered
from tests.conformance.row import In, Row
from tests.conformance.rows import respond
from tests.conformance.says import Ping, Question
from tests.conformance.scenario import PORTS, STRETCH, VIPS, web
from tests.conformance.target import Can
from tests.conformance.target import Target as Switch

NOBODY = FenceEnd(99, "f0")
"""Behind a port that is not there."""
SOMEBODY = FenceEnd(PORTS[STRETCH], "f1")
"""Behind one on which no BFD runs, so that it is live while its cable is."""
CLAIMED = [pytest.param(row, id=row.name) for row in respond.ROWS if Can.FORWARDS not in row.needs]
SILENT = [
    Row(
        f"fence-silent-v{version}",
        "Whatever flows an edge has, it answers nothing once no controller claims its authority there.",
        web("b1"),
        tuple(In(say, Unanswered()) for say in (Question(vip), Question(vip, unicast=True), Ping(vip))),
    )
    for version, vip in VIPS.items()
]


@pytest.fixture(scope="module")
def claimed() -> Iterator[Switch]:
    """An edge of two controllers, of which the second claims."""
    with live("fenced", fence=(NOBODY, SOMEBODY)) as made:
        yield made


@pytest.fixture(scope="module")
def silent() -> Iterator[Switch]:
    """An edge whose controller claims nothing."""
    with live("silent", fence=(NOBODY,)) as made:
        yield made


@pytest.mark.parametrize("row", CLAIMED)
def test_row_with_a_fence_that_is_claimed(claimed: Switch, row: Row) -> None:
    lacking = row.lacking(claimed)
    if lacking is not None:
        pytest.skip(f"{claimed.name} does not know {lacking}")
    row.play(claimed)


@pytest.mark.parametrize("row", SILENT, ids=[row.name for row in SILENT])
def test_row_with_a_fence_that_nobody_claims(silent: Switch, row: Row) -> None:
    row.play(silent)
