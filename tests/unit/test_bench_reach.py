"""The reckoning of how far it goes: shares come from the planner's tables, loads from the shares."""

from __future__ import annotations

import pytest

from tests.bench import reach


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "HOURS", 2.0)


def test_slots_are_tracked_for_as_long_as_they_may_be_remembered() -> None:
    rare, often = reach.live(2.0), reach.live(20.0)
    assert 0.0 < rare.tracked < often.tracked < 1.0
    assert rare.tracked <= rare.most
    assert 1 / reach.BACKENDS < rare.moved < 3 / reach.BACKENDS


def test_nothing_is_tracked_where_nothing_dies() -> None:
    quiet = reach.live(1e-9)
    assert (quiet.tracked, quiet.most, quiet.moved) == (0.0, 0.0, 0.0)
    assert reach.load(quiet, 10_000, 100.0)["pins"] == 0


def test_entries_follow_the_share_of_tracked_slots_alone() -> None:
    half = reach.Life(0.5, 0.5, 0.0)
    loads = [reach.load(half, held, 1_000.0) for held in (10_000, 100_000)]
    assert loads[0]["entries_per_switch"] == loads[1]["entries_per_switch"]
    assert loads[0]["entries_of_most"] == pytest.approx(
        0.5 * float(str(loads[0]["entries_of_most_all_tracked"])), abs=1e-3
    )
