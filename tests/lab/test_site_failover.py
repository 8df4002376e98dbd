"""A site dies, and its VIPs are owned by the other one: without an operator, and never by both at one moment."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from controller.cli import codes
from tests.fakes.etcd import Cluster, needs_etcd
from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually, why_not
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
API = "10.0.0.101"
HOLD = 3.0
WITHIN = 60.0
SILENT = 1.5
"""Seconds without an answer, at ten questions a second: there is no authority."""


class Served(NamedTuple):
    balanced: Balanced
    etcd: Cluster


@pytest.fixture(scope="module", params=["ovs", "embedded"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
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
                cluster = stack.enter_context(Cluster(tmp_path_factory.mktemp("etcd"), members=1))
            store = ["--store", str(cluster.address("/fabric")), "--name", "one"]
            balanced = stack.enter_context(Balanced(lab, store))
            balanced.wait_status(all_admitted, "every lb switch of both sites serves", WITHIN)
            balanced.wait_status(lambda status: owned_by(status, "west"), "the west is at home", WITHIN)
            yield Served(balanced, cluster)
    finally:
        relay = process.recall(lab.path / "pids", "wan")
        state.remove(name)
        assert not state.spaces(name)
        assert not [each for each in relay if each.alive]


def owned_by(status: dict[str, Any], site: str) -> bool:
    return all(status["vips"][vip]["owner"] == site for vip in WEST)


def test_a_site_that_dies_is_replaced_and_returns_when_it_has_been_fit_for_a_while(served: Served) -> None:
    balanced, lab = served.balanced, served.balanced.lab
    with LongConnections(lab, "ce") as long, Recorder(lab) as wire:
        hears(wire, API, "west")
        balanced.mark()
        lab.fail("west")
        for vip in WEST:
            moves = balanced.wait_event("vip_moves", WITHIN, vip=vip, former="west", site="east")
            assert moves["cause"] == "unfit"
            balanced.wait_event("vip_moved", WITHIN, vip=vip, site="east")
        hears(wire, API, "east")
        assert not [one for one in long.open(6, ("dr", "nat")) if one.problem]
        west = balanced.wait_status(lambda status: not status["sites"]["west"]["fit"], "it is not fit")
        assert west["sites"]["west"]["conditions"]["edges"] == "NOT MET: 0 of 1"
        balanced.mark()
        lab.heal("west")
        back = balanced.wait_event("site_fit", WITHIN, site="west")
        for vip in WEST:
            balanced.wait_event("vip_moved", WITHIN, vip=vip, site="west")
        moves = balanced.wait_event("vip_moves", vip=WEST[0], site="west")
        assert moves["cause"] in ("preempted", "paid")
        assert moves["t"] - back["t"] >= HOLD - 1.0
        hears(wire, API, "west")
        found = wire.findings()
        long.speak()
        assert not long.broken()
    assert not found.duplicates
    assert owners(found, API) == ["west", "east", "west"]


def test_without_the_store_vips_fall_silent_until_an_operator_claims_them_or_it_answers(
    served: Served,
) -> None:
    """Another controller may lead by then, and give them to a site whose switches this one does not see."""
    balanced = served.balanced
    with LongConnections(balanced.lab, "ce") as long, Recorder(balanced.lab) as wire:
        long.open(6, ("dr", "nat"))
        hears(wire, API, "west")
        balanced.mark()
        served.etcd.members[0].signal(signal.SIGSTOP)
        try:
            balanced.wait_event("leadership_lapsed", WITHIN)
            eventually(lambda: silent(wire), "no VIP is answered for", WITHIN)
            assert balanced.command("site", "claim", "--without-quorum", "--yes") == codes.Asked.DONE
            hears(wire, API, "west")
            hears(wire, "10.0.0.100", "east")
        finally:
            served.etcd.members[0].signal(signal.SIGCONT)
        balanced.wait_event("claim_ended", WITHIN)
        assert balanced.command("site", "claim", "--without-quorum", "--yes") == codes.Asked.REFUSED
        hears(wire, API, "west")
        long.speak()
        assert not long.broken()
        assert not wire.findings().duplicates


def silent(wire: Recorder) -> bool:
    """Whether nothing that was made by a switch of any site was heard for a while."""
    return all(time.monotonic() - each.at > SILENT for each in wire.heard if each.made)
