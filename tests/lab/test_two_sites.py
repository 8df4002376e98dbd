"""Two sites on one stretched layer 2, one controller: a VIP is answered for by one site, and moves without a loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

from controller.cli import codes
from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually, why_not
from tests.lab.long_connections import LongConnections
from topo import process, state
from topo.lab import Lab
from topo.relay import BACK
from topo.wire.judge import Findings
from topo.wire.record import Recorder

pytestmark = pytest.mark.lab

EAST, WEST = ("shop", "shop6"), ("api", "api6", "ads")
"""VIPs by their homes."""
MODES = ("dr", "nat", "fullnat")
WITHIN = 30.0


@pytest.fixture(scope="module", params=["ovs", "embedded"])
def served(request: pytest.FixtureRequest) -> Iterator[Balanced]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    name = f"two{request.param}"
    lab = Lab.up("two-site-small", name=name, switch=request.param, temporary=True)
    try:
        with Balanced(lab) as balanced:
            balanced.wait_status(all_admitted, "every lb switch of both sites serves", 60.0)
            yield balanced
    finally:
        relay = process.recall(lab.path / "pids", "wan")
        state.remove(name)
        assert not state.spaces(name)
        assert not [each for each in relay if each.alive]


def all_admitted(status: dict[str, Any]) -> bool:
    return bool(sum(one["admitted"] for one in status["switches"].values()) == 4)


def move(served: Balanced, vips: tuple[str, ...], *owners: str) -> list[dict[str, Any]]:
    """Edit ``owners``; the events that say that they have moved."""

    def edit(document: Any) -> None:
        for vip in document["vips"]:
            if vip["name"] in vips:
                vip["owners"] = list(owners)

    served.edit_intent(edit)
    return [served.wait_event("vip_moved", WITHIN, vip=vip, site=owners[0]) for vip in vips]


def hears(wire: Recorder, vip: str, site: str) -> None:
    """Wait until a site claims a VIP, from now on."""
    since = time.monotonic()

    def heard() -> bool:
        return any(e.made and (e.vip, e.site) == (vip, site) and e.at > since for e in wire.heard)

    eventually(heard, f"{site} claims {vip}", WITHIN)


def owners(findings: Findings, vip: str) -> list[str]:
    """Sites that claimed it, one after the other."""
    return [site for site, _ in groupby(findings.owners[vip])]


def test_vips_move_and_a_stretch_link_is_cut_and_healed_and_no_connection_breaks(served: Balanced) -> None:
    lab = served.lab
    with LongConnections(lab, "ce") as east, LongConnections(lab, "cw") as west:
        for each in (east, west):
            each.open(6, MODES)
            assert not each.broken()
            each.talk(0.2)
        with Recorder(lab) as wire:
            hears(wire, "10.0.0.100", "east")
            hears(wire, "10.0.0.101", "west")
            move(served, EAST, "west", "east")
            move(served, WEST, "east", "west")
            # Each answers from its new home for a while, across the link that stays.
            lab.fail("x1")
            for each in (east, west):
                each.speak(each.idle)
            hears(wire, "10.0.0.100", "west")
            hears(wire, "10.0.0.101", "east")
            lab.heal("x1")
            assert served.command("site", "drain", "west") == codes.Asked.DONE
            for vip in EAST:
                served.wait_event("vip_moved", WITHIN, vip=vip, site="east")
            hears(wire, "10.0.0.100", "east")
        for each in (east, west):
            each.hush()
            each.speak()
            assert not each.broken(), each.broken()
            servers = {one.server for one in each.all}
            assert {name[:2] for name in servers} == {"se", "sw"}, "servers of both sites serve"
        found = wire.findings()
    assert not found.duplicates
    assert owners(found, "10.0.0.100") == ["east", "west", "east"]
    assert owners(found, "10.0.0.101") == ["west", "east"]
    assert all(seconds < WITHIN for seconds in found.longest.values())
    assert served.command("site", "undrain", "west") == codes.Asked.DONE
    for vip in EAST:
        served.wait_event("vip_moved", WITHIN, vip=vip, site="west")
    assert served.command("move", EAST[0], "east") == codes.Asked.DONE
    for vip in EAST:
        served.wait_event("vip_moved", WITHIN, vip=vip, site="east")
    belongs = {"owner": "east", "belongs": "east", "why": "to east by an operator", "cause": "moved"}
    served.wait_status(
        lambda status: bool(status["vips"][EAST[0]] == belongs), "it is where it was moved", WITHIN
    )
    move(served, WEST, "west", "east")


@pytest.mark.parametrize("served", ["ovs"], indirect=True)
def test_a_drill_moves_a_group_there_and_back_and_shows_it(
    served: Balanced, capfd: pytest.CaptureFixture[str]
) -> None:
    assert served.command("drill", WEST[0], "east", "--stay", "0s") == codes.Drill.DONE
    moved = [event for event in served.since_mark() if event["event"] == "vip_moved"]
    assert [event["site"] for event in moved] == ["east"] * len(WEST) + ["west"] * len(WEST)
    shown = capfd.readouterr().out.splitlines()
    assert [line.split()[-1] for line in shown if " ordered" in line] == ["operator"] * 2
    assert sum("unowned for" in line for line in shown) == 2, "a line for all VIPs of the group"


def _with_backup(document: Any) -> None:
    """The west's servers only take over for the east's."""
    web = document["pools"][0]
    far = [one for one in web["backends"] if one["name"].startswith("sw")]
    web["backends"] = [one for one in web["backends"] if one not in far]
    web["backup"] = "west"
    document["pools"].append({"name": "west", "backends": far})


def _without_backup(document: Any) -> None:
    web, west = document["pools"]
    web["backends"] += west["backends"]
    del web["backup"], document["pools"][1]


def _opened(long: LongConnections, site: str) -> None:
    """New connections of every mode reach servers of one site."""
    found = long.open(3, MODES)
    assert not [one for one in found if one.problem], found
    assert {one.server[:2] for one in found} == {site}


@pytest.mark.parametrize("served", ["ovs"], indirect=True)
def test_a_sites_servers_die_and_the_other_sites_take_over_and_give_back(served: Balanced) -> None:
    lab = served.lab
    with LongConnections(lab, "ce") as east, LongConnections(lab, "cw") as west:
        for each in (east, west):
            each.open(4, MODES)
        served.edit_intent(_with_backup)
        served.settle()
        for each in (east, west):
            each.speak()
            assert not each.broken()
            assert "sw" in {one.server[:2] for one in each.all}, "what was open stays where it is"
            _opened(each, "se")
        served.mark()
        for name in ("se1", "se2"):
            lab.fail(name, link=True)
        said = served.wait_event("groups", WITHIN, pool="web/tcp", serving=[1])
        assert said["why"] == "0 of 2 of the weight of group 0 lives; 2 of 2 of the weight of group 1 lives"
        served.settle()
        for each in (east, west):
            _opened(each, "sw")
        shown = served.wait_status(
            lambda s: s["pools"]["web/tcp"]["groups"]["1"]["share"] == 1.0, "it is shown"
        )
        assert shown["pools"]["web/tcp"]["groups"]["1"]["pool"] == "west"
        served.mark()
        for name in ("se1", "se2"):
            lab.heal(name)
        served.wait_event("groups", WITHIN, pool="web/tcp", serving=[0])
        served.settle()
        for each in (east, west):
            _opened(each, "se")
            each.speak([one for one in each.all if one.server.startswith("sw")])
            assert not each.broken(("se1", "se2")), each.broken()
    served.edit_intent(_without_backup)
    served.settle()


def test_a_cut_of_one_direction_is_seen_as_a_cut_and_the_other_link_carries(served: Balanced) -> None:
    lab = served.lab
    with Recorder(lab) as wire:
        # What the west answers about its VIPs comes to the east this way.
        lab.wan.cut("x1", [BACK])
        assert not lab.status()["links"]["x1"]
        with LongConnections(lab, "ce") as east:
            east.open(4, MODES)
            assert not east.broken()
        lab.heal("x1")
        assert lab.status()["links"]["x1"]
    assert not wire.findings().duplicates
