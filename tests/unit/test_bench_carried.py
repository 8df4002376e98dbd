"""What a switch carries by its tracked share: theory, the compiled program and the picture say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import p4carried
from tests.bench.p4carried import PINNED, SHARES, carried, full
from tests.bench.p4memory import theory

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "tests" / "bench" / "plots" / "carried.svg"


@pytest.mark.parametrize("tracked", [1.0, 0.25])
def test_only_connections_of_tracked_slots_fill_the_memory(tracked: float) -> None:
    assert carried(tracked, cells=512).live == pytest.approx(full() / tracked, rel=0.15)


def test_a_switch_is_full_when_so_many_find_no_room() -> None:
    assert theory(full()).all == pytest.approx(PINNED)


def test_the_picture_is_drawn_from_the_figures_it_carries_and_they_fit_theory() -> None:
    rows = p4carried.rows_of(PICTURE.read_text())
    assert p4carried.svg(rows) == PICTURE.read_text()
    assert [row.tracked for row in rows] == list(SHARES)
    for row in rows:
        assert row.live == pytest.approx(full() / row.tracked, rel=0.05)


def test_the_page_shows_the_picture() -> None:
    assert "](../tests/bench/plots/carried.svg)" in (ROOT / "docs" / "pipeline-p4.md").read_text()
