"""A broken P4 program does not get away with it: rows or the fuzzer notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.embedded import Embedded
from tests.conformance.fuzz import Mismatch, search
from tests.conformance.life import MOST as MOST_LIVES
from tests.conformance.life import play
from tests.conformance.p4mutations import MUTATIONS, OPENED_IS_FOUND, P4Mutation, damaged
from tests.conformance.row import Row
from tests.conformance.rows import access, changes, choice, deaths, errors, memory, modes, sessions, tracking

ROWS: dict[str, Row] = {
    row.name: row
    for rows in (
        access.ROWS,
        modes.ROWS,
        choice.ROWS,
        memory.ROWS,
        changes.ROWS,
        deaths.ROWS,
        errors.ROWS,
        tracking.ROWS,
        sessions.ROWS,
    )
    for row in rows
}
MOST = 300
"""Cases after which the fuzzer will never notice."""
BY_ROWS = [m for m in MUTATIONS if m.rows]
BY_FUZZER = [m for m in MUTATIONS if not m.rows]
BLIND = (modes.ROWS[0].name, "everyone-serves-dr-v4-tcp", "pool-grows-dr-v4-tcp", "pinned-many-dr-v4-tcp")
"""Rows in which servers are chosen, kept and changed."""

QUICK = frozenset(
    {
        "slots never tracked",
        "pins ignored",
        "settled slots remembered",
        "age not told",
        "class not asked for",
        "hops not counted",
        "transport's checksum not adjusted",
        "resetting is moving",
    }
)
"""One of each part of the pipeline."""


@pytest.fixture
def switch(request: pytest.FixtureRequest) -> Iterator[Embedded]:
    made = damaged(request.param)
    yield made
    made.close()


def _with(mutations: list[P4Mutation], quick: frozenset[str] | None = None) -> pytest.MarkDecorator:
    """``quick``: those that ``make test`` plays; None: all."""
    rows = [
        pytest.param(m, m, id=m.name, marks=() if quick is None or m.name in quick else pytest.mark.long)
        for m in mutations
    ]
    return pytest.mark.parametrize(("switch", "mutation"), rows, indirect=["switch"])


@_with(BY_ROWS, QUICK)
def test_rows_notice(switch: Embedded, mutation: P4Mutation) -> None:
    for name in mutation.rows:
        with pytest.raises(AssertionError, match=f"embedded, step .* of {name}: "):
            ROWS[name].play(switch)


def test_the_quick_ones_are_there() -> None:
    assert {mutation.name for mutation in BY_ROWS} >= QUICK


@_with([OPENED_IS_FOUND])
def test_a_life_by_the_rule_notices(switch: Embedded, mutation: P4Mutation) -> None:
    with pytest.raises(AssertionError):
        play(switch, range(MOST_LIVES))


@pytest.mark.long
@_with(BY_FUZZER)
def test_only_the_fuzzer_notices(switch: Embedded, mutation: P4Mutation) -> None:
    for name in BLIND:
        ROWS[name].play(switch)
    with pytest.raises(Mismatch):
        search(switch, MOST, 1, shrink=False)
