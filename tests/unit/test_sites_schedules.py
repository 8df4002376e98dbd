"""What schedules of faults do to a group's service: bounds on times without an owner, and no time with two."""

from __future__ import annotations

from collections.abc import Collection
from unittest import mock

import pytest

from controller.sites import guards
from controller.sites.lease import Want, Wish
from controller.sites.leasestate import Record
from controller.sites.placement import CALL_OFF
from tests.ownership.simulation import TIMES, Simulation

FOUR = ("a1", "a2", "b1", "b2")
FOLLOW, HOLD = Wish(Want.FOLLOW), Wish(Want.HOLD)
ROUND_TRIP = 0.003


def _served(*names: str, rates: dict[str, float] | None = None) -> Simulation:
    """Site a owns; the first controller of each site leads it."""
    world = Simulation(*names, rates=rates)
    world.want("b", FOLLOW)
    world.run(3.0)
    world.want("b", HOLD)
    world.run(4.0)
    assert world.answering(4.0) == {"a"}
    assert not world.gaps(2.0, 4.0)
    return world


def _longest(world: Simulation, since: float, until: float) -> float:
    return max((end - begin for begin, end in world.gaps(since, until)), default=0.0)


@pytest.mark.parametrize("rates", [{}, {"a1": 0.999, "b1": 1.001}, {"a1": 1.001, "b1": 0.999}], ids=str)
def test_a_dead_site_is_replaced_within_the_bound(rates: dict[str, float]) -> None:
    world = _served("a1", "b1", rates=rates)
    world.kill("a1")
    world.run(6.0)
    taken = next(span.since for span in world.spans if span.site == "b")
    assert taken - 4.0 <= TIMES.replaced_within(0.2, ROUND_TRIP) < 0.9
    assert _longest(world, 4.0, 6.0) < 0.3
    assert world.causes("b1", 4.0) == ["claimed_silent"]


def test_a_planned_move_leaves_no_longer_gap_than_its_messages_take() -> None:
    world = _served(*FOUR)
    world.want("a", Wish(Want.LEAVE, "b"))
    world.run(5.0)
    world.want("a", FOLLOW)
    world.run(8.0)
    assert world.answering(8.0) == {"b"}
    assert _longest(world, 4.0, 8.0) < 0.02
    assert world.causes("a1", 4.0) == ["leaving", "silent", "released"]
    assert world.causes("b1", 4.0) == ["claimed_released"]


def _stalled() -> Simulation:
    """etcd elects a leader for as long as it may take."""
    world = _served(*FOUR)
    world.store_stops()
    world.at(world.now + 0.45, world.store_returns)
    world.run(8.0)
    return world


def test_the_death_of_etcds_leader_alone_makes_no_gap_and_no_move() -> None:
    world = _stalled()
    assert not world.gaps(4.0, 8.0)
    assert {span.site for span in world.spans} == {"a"}


def test_without_heartbeats_a_slow_store_costs_a_healthy_owner_its_group() -> None:
    def never_heard(record: Record, heard: Collection[str]) -> bool:
        return True

    world = _served("a1", "b1")
    world.sever("a1", "store")
    with mock.patch.object(guards, "unheard", never_heard), mock.patch("controller.sites.promise.SLOW", 1e9):
        world.run(8.0)
        assert world.answering(8.0) == {"b"}


@pytest.mark.parametrize("path", [0, 1])
def test_one_path_of_heartbeats_is_enough(path: int) -> None:
    world = _served(*FOUR)
    for one in ("a1", "a2"):
        for other in ("b1", "b2"):
            world.sever(one, other, path)
    world.run(8.0)
    assert not world.gaps(4.0, 8.0)
    assert {span.site for span in world.spans} == {"a"}


def test_with_both_paths_cut_the_owner_renews_and_stays() -> None:
    world = _served("a1", "b1")
    world.sever("a1", "b1")
    world.run(8.0)
    assert not world.gaps(4.0, 8.0)
    assert {span.site for span in world.spans} == {"a"}


def test_an_owner_that_is_stopped_is_replaced_and_answers_nothing_when_it_goes_on() -> None:
    world = _served("a1", "b1")
    world.stop("a1")
    world.run(7.0)
    assert world.answering(7.0) == {"b"}
    world.resume("a1")
    world.run(10.0)
    assert not [span for span in world.spans if span.site == "a" and span.until > 6.0]
    assert world.answering(10.0) == {"b"}


def test_without_a_quorum_the_owner_goes_on_by_promises() -> None:
    world = _served(*FOUR)
    world.store_stops()
    world.run(34.0)
    assert not world.gaps(4.0, 34.0)
    assert world.causes("a1", 4.0) == ["promised"]
    assert world.causes("b1", 4.0) == ["promise_given"]
    world.store_returns()
    world.run(37.0)
    assert not world.gaps(4.0, 37.0)
    assert {span.site for span in world.spans} == {"a"}


def test_an_owner_cut_from_a_store_that_others_reach_goes_on_by_promises() -> None:
    world = _served(*FOUR)
    world.sever("a1", "store")
    world.run(14.0)
    assert not world.gaps(4.0, 14.0)
    assert {span.site for span in world.spans} == {"a"}


def test_without_quorum_and_without_peers_the_owner_falls_silent() -> None:
    world = _served(*FOUR)
    world.store_stops()
    for one in ("a1", "a2"):
        for other in ("b1", "b2"):
            world.sever(one, other)
    world.run(10.0)
    assert not world.answering(10.0)
    assert world.causes("a1", 4.0)[-1] == "lapsed"
    (gap,) = world.gaps(4.0, 10.0)
    assert gap[0] < 4.0 + TIMES.authority


def test_an_heir_that_is_away_ends_the_promise_and_one_that_was_dropped_does_not() -> None:
    world = _served(*FOUR)
    world.kill("b2")
    world.run(6.0)  # the owner writes that b2 is no heir
    world.store_stops()
    world.run(10.0)
    assert not world.gaps(4.0, 10.0)
    world.kill("b1")
    world.run(12.0)
    assert not world.answering(12.0)


def test_an_operator_may_claim_without_a_quorum_after_the_other_sites_death() -> None:
    world = _served("a1", "b1")
    world.kill("a1")
    world.store_stops()
    world.run(8.0)
    assert not world.answering(8.0)
    world.force("b1")
    world.run(8.8)
    assert not world.answering(8.8)  # switches of the dead site may outlive its controllers
    world.run(12.0)
    assert world.answering(12.0) == {"b"}
    world.store_returns()
    world.run(14.0)
    assert not world.gaps(10.0, 14.0)
    world.start("a1")
    world.run(18.0)
    assert world.answering(18.0) == {"b"}


def test_a_forced_owner_that_hears_the_other_site_answer_falls_silent() -> None:
    world = _served("a1", "b1")
    world.sever("b1", "a1")
    world.sever("b1", "store")
    world.run(6.0)
    world.force("b1")
    world.run(6.5)
    world.mend()
    world.run(10.0)
    assert world.causes("b1", 6.0) == ["forced", "force_ended"]
    assert world.answering(10.0) == {"a"}
    assert not world.gaps(4.0, 10.0)


def test_the_second_controller_of_a_site_goes_on_without_a_gap() -> None:
    world = _served(*FOUR)
    world.kill("a1")
    world.lead("a2")
    world.run(8.0)
    assert not world.gaps(4.0, 8.0)
    assert {span.site for span in world.spans} == {"a"}
    assert world.causes("a2", 4.0) == ["adopted"]


def test_a_move_begun_as_the_store_fails_is_called_off_and_goes_on_by_promises() -> None:
    world = _served(*FOUR)
    world.store_stops()
    world.want("a", Wish(Want.LEAVE, "b"))
    world.run(4.0 + CALL_OFF)
    assert not world.answering(4.2)
    world.want("a", HOLD)
    world.run(8.0)
    assert "stayed" in world.causes("a1", 4.0)
    world.store_returns()
    world.run(12.0)
    assert _longest(world, 4.0, 8.0) < CALL_OFF + 0.02
    assert len(world.answering(12.0)) == 1  # the release was applied after all


def test_a_key_that_was_deleted_is_claimed_after_its_owners_end() -> None:
    world = _served("a1", "b1")
    world.kill("a1")
    world.kill("b1")
    world.store = (world.store[0] + 1, None)
    world.start("b1")
    world.run(8.0)
    assert world.answering(8.0) == {"b"}
    assert world.causes("b1", 4.0) == ["claimed_free"]


def test_a_leader_that_is_no_heir_is_named_by_one_who_is_and_takes_over() -> None:
    world = _served(*FOUR)
    for name in ("a1", "b1"):
        world.stop(name)
    world.lead("a2")
    world.run(6.0)  # a2 holds, and hears neither of the two
    record = world.store[1]
    assert record is not None
    assert record.heirs == ("b2",)
    world.kill("a2")
    for name in ("a1", "b1"):
        world.resume(name)
    world.lead("a1")
    world.run(10.0)
    assert world.answering(10.0)
    assert _longest(world, 6.0, 10.0) < TIMES.authority
