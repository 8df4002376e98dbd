"""P4 switches with another program are pushed one at a time, edges first, and no lb switch while somebody uses it."""

from __future__ import annotations

import pytest

from controller.core.rollout import DRAIN_DEADLINE, RETRY_AFTER, SYNC_DEADLINE
from controller.sites.base import StoreError
from p4src.target import EntryBody, EntryKey, P4Target
from tests.fakes.rollout import BEGIN, NUMBERS, OLD, Fabric


def test_all_are_pushed_one_at_a_time_and_no_lb_while_an_edge_may_send_to_it() -> None:
    fabric = Fabric()
    fabric.differ()
    assert fabric.roll() == ["edge1", "edge2", "leaf1", "lb1", "lb2"]
    assert all(push.empty == [] for push in fabric.pushes)
    assert all(push.name not in push.admitted for push in fabric.pushes)
    assert all(push.name in push.absent for push in fabric.pushes)
    assert [push.used_by for push in fabric.pushes if push.name.startswith("lb")] == [[], []]
    assert fabric.admitted == {"lb1", "lb2"}
    assert fabric.absent == frozenset()
    assert [e["switch"] for e in fabric.events("pushed")] == ["edge1", "edge2", "leaf1", "lb1", "lb2"]
    assert fabric.events("push_given_up") == []


def test_a_store_that_is_out_of_reach_holds_a_roll_up_and_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fabric = Fabric()
    failed: list[float] = []

    async def commit() -> None:
        if fabric.now < BEGIN + 5.0:
            failed.append(fabric.now)
            raise StoreError("no member answered")
        await fabric.commit()

    monkeypatch.setattr(fabric.rollout, "_commit", commit)
    fabric.differ()
    assert fabric.roll() == ["edge1", "edge2", "leaf1", "lb1", "lb2"]
    assert len(failed) > 10
    assert min(push.at for push in fabric.pushes) >= BEGIN + 5.0


def test_the_second_lb_is_not_taken_out_before_the_first_one_is_admitted_again() -> None:
    fabric = Fabric()
    fabric.differ()
    fabric.roll()
    assert [push.admitted for push in fabric.pushes if push.name.startswith("lb")] == [{"lb2"}, {"lb1"}]


def test_a_single_lb_is_pushed_although_it_is_the_last() -> None:
    fabric = Fabric(names=("lb1", "edge1"), admitted=frozenset({"lb1"}))
    fabric.differ()
    assert fabric.roll() == ["edge1", "lb1"]
    assert fabric.events("push_held") == []


def test_an_edge_that_does_not_write_is_waited_for_no_longer_than_the_bound_and_named() -> None:
    fabric = Fabric(names=("lb1", "lb2", "edge1"))
    fabric.connected("edge1", synced=True)
    fabric.stuck = {"edge1"}
    fabric.differ("lb1", "lb2")
    fabric.roll()
    first = fabric.events("push_granted")[0]
    assert (first["switch"], first["late"]) == ("lb1", ["edge1"])
    assert DRAIN_DEADLINE <= fabric.pushes[0].at - BEGIN < DRAIN_DEADLINE + 1.0


def test_an_lb_is_not_emptied_before_the_others_hold_all_pins() -> None:
    fabric = Fabric(names=("lb1", "lb2"))
    fabric.connected("lb2", synced=True)
    fabric.pins_late = 105.0
    fabric.differ("lb1")
    fabric.roll()
    assert 105.0 <= fabric.pushes[0].at < 106.0
    assert fabric.events("push_granted")[0]["unsynced"] == 0


def test_pins_that_do_not_arrive_are_waited_for_no_longer_than_the_bound_and_counted() -> None:
    fabric = Fabric(names=("lb1", "lb2"))
    fabric.connected("lb2", synced=True)
    fabric.pins_late = 1e9
    fabric.differ("lb1")
    fabric.roll()
    assert fabric.pushes[0].at < BEGIN + 2 * DRAIN_DEADLINE + 1.0
    assert fabric.events("push_granted")[0]["unsynced"] == 3


def test_one_that_does_not_get_well_is_given_up_on_and_the_next_has_its_turn() -> None:
    fabric = Fabric(sick={"edge1"})
    fabric.differ("edge1", "edge2", "leaf1", "lb1", "lb2")
    fabric.roll(until=50.0)
    assert [push.name for push in fabric.pushes] == ["edge1"]
    fabric = Fabric(sick={"leaf1"})
    fabric.differ()
    assert fabric.roll() == ["edge1", "edge2", "leaf1", "lb1", "lb2"]
    assert fabric.events("push_given_up") == [
        {"switch": "leaf1", "why": f"not synced within {SYNC_DEADLINE:g} s"}
    ]
    waited = fabric.pushes[3].at - fabric.pushes[2].at
    assert SYNC_DEADLINE <= waited < SYNC_DEADLINE + 2.0


def test_the_last_lb_is_held_until_the_one_before_is_well_again() -> None:
    fabric = Fabric(names=("lb1", "lb2"), sick={"lb1"})
    fabric.differ()
    assert fabric.roll(until=300.0) == ["lb1"]
    assert fabric.admitted == {"lb2"}
    assert fabric.events("push_held") == [
        {"why": "lb2 is the last lb that serves, and lb1 was not synced under the new program"}
    ]
    fabric.holds_all("lb1")
    assert fabric.roll() == ["lb1", "lb2"]


def test_a_refused_push_leaves_the_switch_in_use_and_is_tried_again_after_the_others() -> None:
    fabric = Fabric(names=("lb1", "lb2"), refusing={"lb1"})
    fabric.differ()
    fabric.roll(until=30.0)
    assert [push.name for push in fabric.pushes] == ["lb1", "lb2"]
    assert fabric.pushes[1].admitted == {"lb1"}, "it serves with what it holds"
    assert fabric.rollout.waits(NUMBERS["lb1"])
    assert fabric.admitted == {"lb1", "lb2"}
    assert not fabric.absent
    fabric.refusing.clear()
    assert fabric.roll() == ["lb1", "lb2", "lb1"]
    assert RETRY_AFTER <= fabric.pushes[2].at - fabric.pushes[0].at < RETRY_AFTER + 2.0


@pytest.mark.parametrize(("cookie", "used"), [(OLD, True), (OLD + 1, False)])
def test_a_waiting_switch_whose_stream_breaks_is_left_out_until_it_is_back_with_what_it_held(
    cookie: int, used: bool
) -> None:
    fabric = Fabric()
    fabric.differ()
    fabric.parts("lb1")
    assert not fabric.rollout.waits(NUMBERS["lb1"])
    assert ("lb1" in fabric.admitted, "lb1" in fabric.absent) == (False, True)
    fabric.differs("lb1", cookie)
    assert ("lb1" in fabric.admitted, "lb1" not in fabric.absent) == (used, used)


def test_a_switch_that_goes_during_its_turn_is_not_pushed() -> None:
    fabric = Fabric(names=("lb1", "lb2", "edge1"))
    fabric.connected("edge1", synced=True)
    fabric.differ("lb1")
    fabric.after(0.15, lambda: fabric.parts("lb1"))
    assert fabric.roll() == []


def test_pins_of_a_switch_that_waits_are_adopted_and_counted() -> None:
    fabric = Fabric()
    pins = P4Target({EntryKey("pin", (1, 0xFFFF0A000001, 1000)): EntryBody("pinned", (1,))})
    fabric.differs("lb1", pins=pins)
    fabric.differs("lb2")
    assert fabric.book.adopted == ["lb1 1000"]
    assert [(e["switch"], e["cookie"], e["pins"]) for e in fabric.events("pipeline_differs")] == [
        ("lb1", "0x0000000000000abc", 1),
        ("lb2", "0x0000000000000abc", None),
    ]


def test_the_status_says_who_waits_and_whose_turn_it_is() -> None:
    fabric = Fabric(sick={"edge1"})
    fabric.differ()
    fabric.roll(until=10.0)
    assert fabric.rollout.shown(NUMBERS["lb1"]) == "waiting"
    assert fabric.events("push_granted")[0]["switch"] == "edge1"


def test_a_switch_that_is_renamed_while_it_waits_and_in_its_turn_has_its_push() -> None:
    """Fails on 2ad1e45: who waits, and whose turn it is, was known by name."""
    fabric = Fabric(names=("lb1", "lb2"))
    fabric.connected("lb2", synced=True)
    fabric.pins_late = 105.0
    fabric.differ("lb1")
    fabric.rename("lb1", "lb7")
    fabric.after(1.0, lambda: fabric.rename("lb7", "lb8"))
    assert fabric.roll() == ["lb8"]
    assert [e["switch"] for e in fabric.events("pushed")] == ["lb8"]
    assert fabric.admitted == {"lb8", "lb2"}
    assert not fabric.absent
