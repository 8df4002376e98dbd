"""Which site should own a group: fitness, lists, orders, hold times and prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.sites import lease
from controller.sites.causes import Cause
from controller.sites.fitness import Fitness, Name, SiteReport, followed, judge
from controller.sites.groups import MacGroup
from controller.sites.lease import Want, Wish
from controller.sites.leasestate import Me, Record, View
from controller.sites.placement import (
    CALL_OFF,
    RETRY,
    Decision,
    Order,
    OrderKind,
    SiteState,
    Situation,
    Waiting,
    decide,
    patient,
    wish,
)
from controller.spec.leasetimes import LeaseTimes
from controller.spec.moves import Moves

GROUP = MacGroup("02:45:56:00:01:01", ("shop",), ("east", "west"))
GOOD = SiteReport("e1", True, (2, 2), (2, 2), (2, 2), {"web": 3})
FIT = SiteState(followed(Fitness(), judge(GOOD, False), 0.0))
UNFIT = SiteState(followed(Fitness(), judge(replace(GOOD, lbs=(0, 2)), False), 0.0))
DRAINED = FIT._replace(drained=True)


def _decide(
    owner: str,
    east: SiteState,
    west: SiteState,
    now: float = 1000.0,
    policy: Moves | None = None,
    order: Order | None = None,
    waiting: Waiting | None = None,
) -> Decision:
    sites = {"east": east, "west": west}
    return decide(Situation(GROUP, owner, sites, policy or Moves(), order, waiting), now)


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"leader": None}, Name.CONTROLLER, "none is heard"),
        ({"store": False}, Name.STORE, "not reached"),
        ({"edges": (0, 2)}, Name.EDGES, "0 of 2"),
        ({"fences": (0, 2)}, Name.FENCE, "0 of 2"),
        ({"lbs": (0, 2)}, Name.LBS, "0 of 2"),
        ({"pools": {"web": 0, "api": 1}}, Name.SERVERS, "none for web"),
    ],
)
def test_each_condition_alone_makes_a_site_unfit_and_says_its_value(
    change: dict[str, object], name: Name, value: str
) -> None:
    report = SiteReport(**{**vars(GOOD), **change})
    (lack,) = Fitness(judge(report, owner=False)).lacks
    assert (lack.name, lack.value) == (name, value)


def test_an_owner_may_lose_the_store_and_stay_fit() -> None:
    assert Fitness(judge(replace(GOOD, store=False), owner=True)).fit


def test_fitness_counts_from_the_last_break() -> None:
    good, bad = judge(GOOD, False), judge(replace(GOOD, edges=(0, 2)), False)
    fitness = followed(followed(Fitness(), good, 1.0), good, 5.0)
    assert fitness.for_seconds(5.0) == 4.0
    assert followed(fitness, bad, 6.0).since is None
    assert followed(followed(fitness, bad, 6.0), good, 7.0).since == 7.0


def test_nothing_known_is_not_fit() -> None:
    assert not Fitness().fit
    assert "nothing is known" in Fitness().why


def test_a_fit_home_owns() -> None:
    for owner in ("", "east"):
        made = _decide(owner, FIT, FIT)
        assert (made.site, made.cause) == ("east", Cause.HOME)


def test_a_failover_does_not_wait_and_shows_its_price() -> None:
    made = _decide("east", UNFIT, FIT._replace(unsynced=7))
    assert (made.site, made.cause, made.price) == ("west", Cause.UNFIT, 7)
    assert "lbs: 0 of 2" in made.text


def test_a_site_returns_after_the_hold_time() -> None:
    late = SiteState(followed(Fitness(), judge(GOOD, False), 990.0))
    made = _decide("west", late, FIT)
    assert (made.site, made.cause, made.at) == ("west", Cause.HOLDING, 1050.0)
    assert _decide("west", late, FIT, 1050.0).site == "east"


def test_a_site_does_not_return_where_preempt_is_off() -> None:
    made = _decide("west", FIT, FIT, policy=Moves(preempt=False))
    assert (made.site, made.cause) == ("west", Cause.KEPT)


def test_a_return_waits_for_connections_but_not_for_ever() -> None:
    home = FIT._replace(unsynced=3)
    made = _decide("west", home, FIT)
    assert (made.site, made.cause, made.price, made.at) == ("west", Cause.UNSYNCED, 3, 1300.0)
    again = _decide("west", home, FIT, 1200.0, waiting=made.waiting)
    assert again.at == 1300.0
    paid = _decide("west", home, FIT, 1300.0, waiting=again.waiting)
    assert (paid.site, paid.cause, paid.price) == ("east", Cause.PAID, 3)
    assert _decide("west", FIT, FIT, 1200.0, waiting=made.waiting).site == "east"


def test_a_drained_site_gives_its_groups_away_when_that_breaks_nothing() -> None:
    made = _decide("east", DRAINED, FIT._replace(unsynced=2))
    assert (made.site, made.cause) == ("east", Cause.UNSYNCED)
    made = _decide("east", DRAINED, FIT)
    assert (made.site, made.cause) == ("west", Cause.DRAINED)


def test_a_drained_site_stays_owner_where_no_other_is_fit() -> None:
    assert _decide("east", UNFIT, UNFIT).site == "east"
    assert _decide("east", DRAINED, UNFIT).site == ""


def test_an_operators_move_lasts_until_that_site_is_unfit() -> None:
    order = Order(OrderKind.MOVE, "west")
    assert _decide("east", FIT, FIT, order=order).cause is Cause.MOVED
    assert _decide("west", FIT, FIT, order=order).site == "west"
    assert _decide("west", FIT, UNFIT, order=order).site == "east"


def test_a_pin_holds_whatever_happens() -> None:
    made = _decide("west", FIT, UNFIT, order=Order(OrderKind.PIN, "west"))
    assert (made.site, made.cause) == ("west", Cause.PINNED)


def test_an_order_for_a_site_that_may_not_own_is_no_order() -> None:
    assert _decide("east", FIT, FIT, order=Order(OrderKind.PIN, "north")).cause is Cause.HOME


def test_a_substitute_says_what_the_home_lacks() -> None:
    made = _decide("west", UNFIT, FIT)
    assert (made.site, made.cause, made.text) == ("west", Cause.NEXT, "east: lbs: 0 of 2")


def test_a_drill_ends_by_itself() -> None:
    order = Order(OrderKind.DRILL, "west", until=1100.0)
    made = _decide("east", FIT, FIT, order=order)
    assert (made.site, made.cause, made.at) == ("west", Cause.DRILL, 1100.0)
    assert _decide("west", FIT, FIT, 1100.0, order=order).site == "east"


def test_without_a_shared_store_no_vip_moves_by_itself() -> None:
    alone = Situation(GROUP, "", {"west": FIT}, shared=False)
    assert decide(alone, 0.0).site == "east"
    assert decide(alone, 0.0).cause is Cause.NO_STORE
    assert decide(replace(alone, order=Order(OrderKind.MOVE, "west")), 0.0).site == "west"


def _view(site: str, heirs: tuple[str, ...] = ("e1", "e2", "w1")) -> View:
    record = Record(site, f"{site[0]}9", f"{site[0]}9.1", 1, 1, 0.8, heirs)
    return lease.observed(lease.born(Me("east", "e1", "e1.1")), LeaseTimes(), 0.0, 1, record)[0]


@pytest.mark.parametrize(
    ("site", "owner", "leads", "want"),
    [
        ("east", "west", True, Want.HOLD),
        ("east", "east", True, Want.HOLD),
        ("west", "east", True, Want.LEAVE),
        ("west", "west", True, Want.FOLLOW),
        ("", "east", True, Want.FOLLOW),
        ("east", "east", False, Want.FOLLOW),
    ],
)
def test_what_a_controller_does_for_a_decision(site: str, owner: str, leads: bool, want: Want) -> None:
    made = wish(Decision(site, Cause.HOME, ""), _view(owner), "e1" if leads else "e2", ("w1",))
    assert made.want is want
    assert made.to == (site if want is Want.LEAVE else "")


def test_an_heir_acts_for_a_leader_that_is_none() -> None:
    decision = Decision("east", Cause.UNFIT, "")
    assert wish(decision, _view("west", ("e1", "w1")), "e2", ()).want is Want.HOLD
    assert wish(decision, _view("west", ("w1",)), "e2", ()).want is Want.FOLLOW


def test_a_release_that_hangs_is_called_off_for_a_while() -> None:
    leave = Wish(Want.LEAVE, "west")
    assert patient(leave, 5.0, 5.0 + CALL_OFF - 0.01).want is Want.LEAVE
    assert patient(leave, 5.0, 5.0 + CALL_OFF + 0.01).want is Want.HOLD
    assert patient(leave, 5.0, 5.0 + CALL_OFF + RETRY + 0.01).want is Want.LEAVE
