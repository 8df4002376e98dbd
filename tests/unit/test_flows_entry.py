"""The entry table: which frames are ours, what becomes of their tags, and that no packet comes round to it twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.spec.switch import SwitchSpec
from controller.spec.types import OpenFlowPlacement
from flows.actions import instructions
from flows.entries import FlowBody, FlowKey
from flows.pipeline import Builder
from flows.stages.backend import hand_over
from flows.stages.entry import UNTAG
from flows.tables import CLAIMED, Placed, Priority
from tests.fakes.duties import edge_duty, lb_duty

each_duty = pytest.mark.parametrize("duty", [lb_duty(), edge_duty()], ids=["lb", "edge"])


def entries(duty: SwitchSpec) -> dict[FlowKey, FlowBody]:
    """The flows of its entry table."""
    flows = Builder().target(duty).flows
    found = {k: body for k, body in flows.items() if k.table == duty.switch.placement.entry_table}
    assert found
    return found


@each_duty
def test_frames_of_a_vlan_are_none_of_ours(duty: SwitchSpec) -> None:
    """VID 0 is no VLAN; the tag's other bits do not matter."""
    others = [key for key in entries(duty) if ("vlan_vid", 0, 0x0FFF) not in key.match]
    assert others == []


@each_duty
def test_frames_that_we_take_lose_their_tag_before_anything_else_happens(duty: SwitchSpec) -> None:
    """What is said of a VIP's MAC is heard in passing: the frame meets the entry table again as it came."""
    placed = Placed(duty.switch.placement)
    passed = {instructions(()), instructions(hand_over(placed))}
    heard = {placed.priority(Priority.CONFLICT), placed.priority(Priority.OURS)}
    first = instructions((UNTAG,))[8:]
    taken = [
        body
        for key, body in entries(duty).items()
        if body.instructions not in passed and key.priority not in heard
    ]
    assert taken
    assert [body for body in taken if body.instructions[8 : 8 + len(first)] != first] == []


@each_duty
def test_what_is_handed_to_flows_below_ours_does_not_meet_ours_again(duty: SwitchSpec) -> None:
    place = replace(duty.switch.placement, next_table=None)
    below = replace(duty, switch=replace(duty.switch, placement=place))
    assert [key for key in entries(below) if (CLAIMED, 0, None) not in key.match] == []


@each_duty
def test_with_a_table_of_others_no_register_of_theirs_is_asked(duty: SwitchSpec) -> None:
    assert isinstance(duty.switch.placement, OpenFlowPlacement)
    assert [key for key in entries(duty) if any(name == CLAIMED for name, _, _ in key.match)] == []
