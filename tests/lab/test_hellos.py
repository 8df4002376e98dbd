"""A cable between P4 switches that is cut is noticed although both switches live, and gone around until it is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.attempts import ENOUGH, answered, failures
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import TRIO
from topo import model
from topo.switches import missing

pytestmark = pytest.mark.lab

MOVABLE = ("dr", "nat", "tun")
"""A fullnat connection ends where its lb switch cannot be reached."""


@pytest.fixture(scope="module", params=["embedded", pytest.param("bmv2", marks=pytest.mark.long)])
def served(request: pytest.FixtureRequest, make_lab: MakeLab) -> Iterator[Balanced]:
    kind: model.SwitchKind = request.param
    reason = missing([kind])
    if reason is not None:
        pytest.skip(reason)
    with Balanced(make_lab(model.load(TRIO).of_kind(kind))) as balanced:
        yield balanced


@pytest.fixture
def whole(served: Balanced) -> Iterator[Balanced]:
    """All cables carry, before and after."""
    served.wait_status(all_live, "every cable carries")
    served.mark()
    yield served
    for one, other in served.lab.fabric.links:
        served.lab.heal(f"{one}-{other}")


def links(status: dict[str, object]) -> list[dict[str, object]]:
    switches = status["switches"]
    assert isinstance(switches, dict)
    return [link for switch in switches.values() for link in switch.get("links", {}).values()]


def all_live(status: dict[str, object]) -> bool:
    found = links(status)
    return bool(found) and all(link["up"] and not link["dead"] for link in found)


def said(balanced: Balanced, *names: str) -> list[dict[str, object]]:
    return [event for event in balanced.since_mark() if event["event"] in names]


@pytest.mark.parametrize("cable", ["edge1-lb1", "lb2-leaf1"])
def test_traffic_goes_around_a_cut_cable_while_both_switches_live(whole: Balanced, cable: str) -> None:
    with LongConnections(whole.lab) as long:
        long.open(8, MOVABLE)
        long.talk()
        whole.mark()
        whole.lab.fail(cable)
        failures(whole.lab)
        ends = {(event["switch"], event["to"]) for event in said(whole, "link_down")}
        assert ends == {tuple(cable.split("-")), tuple(reversed(cable.split("-")))}
        assert said(whole, "switch_down", "withdrawn") == [], "the control streams stayed up"
        long.hush()
        assert long.broken() == []


def test_a_healed_cable_is_used_again(whole: Balanced) -> None:
    whole.lab.fail("edge1-lb1")
    whole.wait_event("link_down", switch="edge1")
    whole.lab.heal("edge1-lb1")
    whole.wait_event("link_up", switch="edge1", to="lb1")
    whole.wait_event("link_up", switch="lb1", to="edge1")
    whole.lab.fail("edge1-lb2")
    whole.lab.fail("edge1-lb3")
    failures(whole.lab)
    assert {event["to"] for event in said(whole, "link_down") if event["switch"] == "edge1"} == {
        "lb1",
        "lb2",
        "lb3",
    }


def test_a_controller_that_restarts_declares_no_cable_dead_and_changes_nothing(whole: Balanced) -> None:
    now = time.time()
    whole.wait_status(
        lambda status: status["at"] > now and all_live(status), "every cable that was healed carries again"
    )
    whole.settle()
    whole.kill_controller()
    whole.start_controller()
    whole.wait_ready()
    whole.wait_status(all_live, "every cable carries")
    whole.settle()
    assert said(whole, "link_down", "converged", "repaired", "withdrawn") == []


@pytest.mark.long
def test_a_cable_that_was_cut_is_not_used_when_the_controller_restarts(whole: Balanced) -> None:
    whole.lab.fail("edge1-lb1")
    failures(whole.lab)
    whole.settle()
    whole.kill_controller()
    whole.start_controller()
    whole.wait_ready()
    assert all(answered(whole.lab) for _ in range(ENOUGH))
    assert said(whole, "link_up", "link_down", "converged", "withdrawn") == []
    whole.lab.heal("edge1-lb1")
    whole.wait_event("link_up", switch="edge1", to="lb1")
