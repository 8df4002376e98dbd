"""No edit moves an established connection: some sequences of what ``python -m tests.edits`` plays by the thousand."""

from __future__ import annotations

from collections import Counter

from tests.edits.fabric import Fabric, Moved
from tests.edits.generator import EDITS
from tests.edits.sequence import play

SEQUENCES = 120


def test_no_connection_moves_whatever_an_operator_does() -> None:
    done: Counter[str] = Counter()
    for seed in range(900_000, 900_000 + SEQUENCES):
        done += play(seed)
    assert set(EDITS) <= set(done), "every kind of edit was made"
    assert min(done["restart"], done["death"], done["refused"], done["judged"]) > 0


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
