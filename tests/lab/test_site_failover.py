"""A site dies, and its VIPs are owned by the other one: without an operator, and never by both at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from controller.sites.leading import TIMES
from tests.fakes.etcd import Cluster, needs_etcd
from tests.lab.balanced import Balanced
from tests.lab.conftest import why_not
from tests.lab.long_connections import LongConnections
from tests.lab.test_two_sites import all_admitted, hears, owners
from tests.lab.tuned import tune
from topo import process, state
from topo.lab import Lab
from topo.plan import CONTROLLER
from topo.wire.record import Recorder

pytestmark = [pytest.mark.lab, needs_etcd]

WEST = ("api", "api6", "ads")
"""VIPs at home in the west."""
HOLD = 3.0
WITHIN = 60.0


@pytest.fixture(scope="module", params=["ovs", "embedded"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    """Both sites serve; the controller leads by a lease in etcd."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    name = f"over{request.param}"
    lab = Lab.up("two-site-small", name=name, switch=request.param, temporary=True)
    tune(lab, lambda document: document.update(moves={"hold": f"{HOLD:g}s"}))
    try:
        with ExitStack() as stack:
            with lab.namespace(CONTROLLER):
                cluster = stack.enter_context(Cluster(tmp_path_factory.mktemp("etcd")))
            store = ["--store", str(cluster.address("/fabric")), "--name", "one"]
            balanced = stack.enter_context(Balanced(lab, store))
            balanced.wait_status(all_admitted, "every lb switch of both sites serves", WITHIN)
            yield balanced
    finally:
        relay = process.recall(lab.path / "pids", "wan")
        state.remove(name)
        assert not state.spaces(name)
        assert not [each for each in relay if each.alive]


def owned_by(status: dict[str, Any], site: str) -> bool:
    return all(status["vips"][vip]["owner"] == site for vip in WEST)


def test_a_site_that_dies_is_replaced_and_returns_when_it_has_been_fit_for_a_while(served: Balanced) -> None:
    lab = served.lab
    with LongConnections(lab, "ce") as long, Recorder(lab) as wire:
        long.open(6, ("dr", "nat"))
        hears(wire, "10.0.0.101", "west")
        served.mark()
        lab.fail("west")
        moves = [served.wait_event("vip_moves", WITHIN, vip=vip, former="west", site="east") for vip in WEST]
        assert {each["cause"] for each in moves} == {"unfit"}
        for vip in WEST:
            served.wait_event("vip_moved", WITHIN, vip=vip, site="east")
        hears(wire, "10.0.0.101", "east")
        assert not [one.problem for one in long.open(6, ("dr", "nat")) if one.problem]
        assert not served.status()["sites"]["west"]["fit"]
        served.mark()
        lab.heal("west")
        back = served.wait_event("site_fit", WITHIN, site="west")
        for vip in WEST:
            served.wait_event("vip_moved", WITHIN, vip=vip, site="west")
        moved = served.wait_event("vip_moves", vip=WEST[0], site="west")
        assert moved["cause"] in ("preempted", "paid")
        assert moved["t"] - back["t"] >= HOLD - 1.0
        hears(wire, "10.0.0.101", "west")
        found = wire.findings()
    assert not found.duplicates
    assert owners(found, "10.0.0.101") == ["west", "east", "west"]
    served.wait_status(lambda status: owned_by(status, "west"), "all are at home", WITHIN)


def test_a_leader_that_loses_the_store_falls_silent_for_what_another_site_may_own(served: Balanced) -> None:
    """Another controller may lead by then, and give the VIPs to a site that this one does not see."""
    assert TIMES.authority
