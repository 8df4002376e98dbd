"""No edit moves an established connection: some sequences of what ``python -m tests.edits`` plays by the thousand."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from controller.model.reload import IntentFile
from tests.edits import slow
from tests.edits.fabric import Fabric, Moved
from tests.edits.generator import BACKUPS, EDITS
from tests.edits.sequence import play
from tests.edits.slow import Torn

SEQUENCES = 120


def test_no_connection_moves_whatever_an_operator_does() -> None:
    done: Counter[str] = Counter()
    for seed in range(900_000, 900_000 + SEQUENCES):
        done += play(seed)
    assert {*EDITS, *BACKUPS} <= set(done), "every kind of edit was made"
    assert min(done["restart"], done["death"], done["refused"], done["judged"]) > 0
    assert min(done["half a file not read"], done["half a file refused"]) > 0


def test_a_planner_that_forgets_a_listeners_past_is_found_out() -> None:
    """The property can fail: without ``accept`` a listener that changes its pool takes nothing along."""
    found = 0
    accept = Fabric.edit.__globals__["accept"]
    try:
        Fabric.edit.__globals__["accept"] = lambda tables, old, new, now: tables
        for seed in range(20):
            try:
                play(seed)
            except (Moved, KeyError, StopIteration):
                found += 1
    finally:
        Fabric.edit.__globals__["accept"] = accept
    assert found > 0


@pytest.mark.parametrize("seed", [1386])
def test_what_once_moved_a_connection_moves_none(seed: int) -> None:
    """1386: a listener's own state was given up for a pool's that had drained the same server for longer."""
    play(seed, slowly=0, backed=0)


def test_a_reader_that_does_not_wait_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The property can fail: a reader that takes a file as it looks takes half of it."""
    monkeypatch.setattr(slow, "IntentFile", partial(IntentFile, quiet=0.0))
    with pytest.raises(Torn, match=r"cut at \d+: after .* s there was read"):
        play(1, slowly=1)
