"""A store of switches that remembered every connection, taken over where they remember those of tracked slots alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.plan.history import dump, load
from controller.plan.pool import PoolState
from controller.plan.tracking import Held, Tracking, advance, move
from controller.spec.switch import MIGRATED
from controller.spec.types import Protocol
from tests.fakes.former import former

MEMORY = 100.0


def moved(protocol: Protocol = Protocol.TCP) -> PoolState:
    """Of four slots, one moved from 1 to 2 a moment ago, one did within a memory, and two stayed."""
    state = PoolState.new("web", protocol, 4)
    return replace(
        state,
        now=np.array([2, 2, 1, 1], np.uint16),
        before=np.array([1, 0, 0, 0], np.uint16),
        until=np.array([50.0, 0.0, 0.0, 0.0]),
        watched=np.array([1 << 16, 1 << 16 | 1, 3 << 16 | 1], np.uint32),
        watched_until=np.array([100.0, 60.0, 40.0]),
        tracking=Tracking.of(np.array([2, 2, 1, 1], np.uint16)),
    )


def test_slots_that_moved_within_a_memory_are_tracked_and_what_is_remembered_of_them_is_believed() -> None:
    tracking = load(former(moved())).tracking
    entries = [tracking.entry(slot) for slot in range(4)]
    assert [each.class_ for each in entries] == [MIGRATED, MIGRATED, 0, 0]
    assert [each.base for each in entries] == [1, 0, 0, 0], "as the transition had it"
    assert tracking.former.tolist() == [1 << 16, 1 << 16 | 1, 3 << 16 | 1]


def test_they_settle_a_memory_after_every_switch_has_it() -> None:
    tracking = load(former(moved())).tracking
    assert advance(tracking, Held(0), 1000.0, MEMORY).tracks == 2
    known = advance(tracking, Held(tracking.revision), 1000.0, MEMORY)
    assert advance(known, Held(tracking.revision), 1099.0, MEMORY).tracks == 2
    later = known
    for _ in range(4):
        later = advance(later, Held(later.revision), 1100.0, MEMORY)
    assert later.tracks == 0


def test_the_next_tracked_time_believes_nothing_of_the_first() -> None:
    tracking = load(former(moved())).tracking
    settled = replace(tracking, tracked=np.zeros(4, np.bool_), base=np.zeros(4, np.uint16))
    again = move(settled, np.array([3, 3, 3, 3], np.uint16))
    assert MIGRATED not in again.class_.tolist()
    assert again.class_.min() >= 1


def test_datagrams_are_remembered_as_before() -> None:
    assert load(former(moved(Protocol.UDP))).tracking.tracks == 0


@pytest.mark.parametrize("protocol", list(Protocol))
def test_what_this_version_stored_is_no_former_store(protocol: Protocol) -> None:
    assert load(dump(moved(protocol))).tracking.tracks == 0
