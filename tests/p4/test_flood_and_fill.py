"""Promises 1 and 2, scaled down by a small memory; ``python -m tests.p4.promises --full`` has the full size."""

from __future__ import annotations

import pytest

from p4src.ids import Reason
from tests.p4.box import Box
from tests.p4.embedded import EmbeddedBox
from tests.p4.experiments import SERVICE, WAYS, Slots, fill, flood
from tests.p4.keeper import Keeper
from tests.p4.scene import Scene
from tests.p4.traffic import Crowd, syn_flood, talks

CELLS = {"EmbeddedBox": 256, "Bmv2Box": 64}
"""Cells of a way, by kind of switch."""
EACH = pytest.mark.parametrize("slots", Slots, ids=lambda slots: slots.name.lower())
CROWDED = pytest.mark.parametrize(
    "slots", [Slots.REMEMBERED, Slots.TRACKED], ids=lambda slots: slots.name.lower()
)


@EACH
def test_no_connection_moves_or_stalls_in_a_flood_of_spoofed_syns_though_the_pool_changes(
    box: Box, slots: Slots
) -> None:
    cells = CELLS[type(box).__name__]
    outcome = flood(box, cells, connections=cells * 3 // 4, spoofed=20 * WAYS * cells, slots=slots)
    assert outcome.kept, outcome
    assert outcome.heard.get("exception", 0) + outcome.heard.get("found", 0) > 0
    assert outcome.pins > 0


@CROWDED
def test_no_live_connection_moves_when_memory_overflows_and_the_pool_changes_meanwhile(
    box: Box, slots: Slots
) -> None:
    cells = CELLS[type(box).__name__]
    outcome = fill(box, cells, slots=slots)
    assert outcome.kept, outcome
    assert outcome.connections > WAYS * cells
    # What does not fit is pinned: at least so many as there are more connections than cells.
    assert outcome.heard["overflow"] >= outcome.connections - WAYS * cells
    assert outcome.pins >= outcome.connections - WAYS * cells


def test_a_flood_on_settled_slots_leaves_no_trace(embedded: EmbeddedBox) -> None:
    cells = 256
    keeper = Keeper([embedded], Scene((SERVICE,), cells_mask=cells - 1).just_enough())
    for batch in syn_flood(SERVICE, 8 * cells, seed=1):
        embedded.send(batch)
    keeper.step()
    assert not keeper.heard
    assert not any(any(embedded.register(f"cells{way}")) for way in range(WAYS))


def test_settled_slots_carry_more_connections_than_memory_has_cells_and_a_move_of_theirs(box: Box) -> None:
    cells = 64
    keeper = Keeper([box], Scene((SERVICE,), cells_mask=cells - 1).just_enough())
    crowd = Crowd(box)
    crowd.open(talks(SERVICE, 3 * WAYS * cells))
    crowd.exchange()
    keeper.step()
    assert not keeper.heard
    # Of the few slots that move every connection is told of; nothing of the others is.
    keeper.change(keeper.scene.changing((1, 2, 3, 4, 5)))
    crowd.exchange()
    keeper.sync(crowd)
    assert set(keeper.heard) <= {Reason.FOUND, Reason.OVERFLOW, Reason.EXCEPTION}
    assert 0 < len(keeper.pins.pins) < len(crowd.talks) // 2
    keeper.change(keeper.scene.settled())
    crowd.exchange()
    assert (len(crowd.moved), crowd.lost.total(), crowd.wrong) == (0, 0, [])
