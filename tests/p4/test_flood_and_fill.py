"""Promises 1 and 2, scaled down by a small memory; ``python -m tests.p4.promises --full`` has the full size."""

from __future__ import annotations

from tests.p4.box import Box
from tests.p4.experiments import WAYS, fill, flood

CELLS = {"EmbeddedBox": 256, "Bmv2Box": 64}
"""Cells of a way, by kind of switch."""


def test_no_connection_moves_or_stalls_in_a_flood_of_spoofed_syns_though_the_pool_changes(box: Box) -> None:
    cells = CELLS[type(box).__name__]
    outcome = flood(box, cells, connections=cells * 3 // 4, spoofed=20 * WAYS * cells)
    assert outcome.kept, outcome
    assert outcome.heard.get("exception", 0) > 0
    assert outcome.pins > 0


def test_no_live_connection_moves_when_memory_overflows_and_the_pool_changes_meanwhile(box: Box) -> None:
    cells = CELLS[type(box).__name__]
    outcome = fill(box, cells)
    assert outcome.kept, outcome
    assert outcome.connections > WAYS * cells
    # What does not fit is pinned: at least so many as there are more connections than cells.
    assert outcome.heard["overflow"] >= outcome.connections - WAYS * cells
    assert outcome.pins >= outcome.connections - WAYS * cells
