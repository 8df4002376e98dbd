"""Names follow servers and VIPs that are probed end to end: what may be answered is asked of the running controller."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.etcd import Cluster, needs_etcd
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.test_two_sites import all_admitted
from tests.lab.tuned import Change, tune
from topo import state
from topo.demo.actors import ROOT
from topo.plan import CONTROLLER

pytestmark = pytest.mark.lab

NAME, NEXT = "shop.example.net", "next.example.org."
WITHIN = 60.0
SERVERS = ("s1", "s2", "s3")
WEST = "api"
"""A VIP at home in the west."""


PROBES = {"type": "tcp", "port": 80, "interval": "1s", "timeout": "1s", "rise": 1, "fall": 2}


def zones(*candidates: dict[str, Any], **more: Any) -> Change:
    """A name with these candidates."""
    service = {"name": "shop", "answers": "all", "otherwise": NEXT, "candidates": list(candidates), **more}
    servers = [{"name": "ns1", "addresses": ["10.0.0.53"]}]
    zone = {"name": "example.net", "servers": servers, "services": [service]}
    return lambda document: document.update(zones=[zone])


def explained(balanced: Balanced) -> dict[str, Any]:
    """What the controller says of the name."""
    words = ("explain", "name", NAME, "-o", "json", "--state", str(balanced.state))
    command = [sys.executable, "-m", "controller", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def answers(balanced: Balanced) -> list[str]:
    """Candidates that are answered."""
    return [each["candidate"] for each in explained(balanced)["answers"]]


def test_a_name_follows_its_vip_when_servers_die_and_return(make_lab: MakeLab) -> None:
    lab = make_lab("single")
    tune(lab, zones({"vip": "shop"}, {"name": "far", "address": "10.0.0.250", "site": "far"}, health=PROBES))
    with Balanced(lab) as balanced:
        balanced.wait_event("name_answers", WITHIN, answers=["shop"])
        eventually(lambda: answers(balanced) == ["shop"], "the VIP is answered alone", WITHIN)
        balanced.mark()
        for server in SERVERS:
            lab.fail(server)
        gone = balanced.wait_event("name_answers", WITHIN, answers=[])
        assert gone["cause"] == "verdict"
        assert gone["why"].startswith("shop: ")
        eventually(lambda: explained(balanced)["otherwise"] == NEXT, "the name leads on", WITHIN)
        assert answers(balanced) == []
        balanced.mark()
        lab.heal(SERVERS[0])
        balanced.wait_event("name_answers", WITHIN, answers=["shop"])
        eventually(lambda: answers(balanced) == ["shop"], "the VIP is answered again", WITHIN)
        shown = balanced.wait_status(
            lambda status: status["exits"]["names"]["items"][NAME]["live"] == 1, "live"
        )
        assert shown["exits"]["names"]["problem"] == ""


@pytest.mark.long
@needs_etcd
def test_a_name_follows_a_vip_that_moves_when_its_site_dies(
    make_lab: MakeLab, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lab = make_lab("two-site-small")
    request.addfinalizer(lambda: state.remove(lab.name))
    tune(lab, zones({"vip": "shop"}, {"vip": WEST}))
    with ExitStack() as stack:
        with lab.namespace(CONTROLLER):
            cluster = stack.enter_context(Cluster(tmp_path, members=1))
        store = ["--store", str(cluster.address("/fabric")), "--name", "one"]
        balanced = stack.enter_context(Balanced(lab, store))
        balanced.wait_status(
            lambda status: status["vips"][WEST]["owner"] == "west", "the west is at home", WITHIN
        )
        balanced.wait_status(all_admitted, "every lb switch of both sites serves", WITHIN)
        balanced.wait_status(
            lambda status: status["exits"]["names"]["items"][NAME]["live"] == 2, "both live", WITHIN
        )
        balanced.mark()
        lab.fail("west")
        gone = balanced.wait_event("name_answers", WITHIN, answers=["shop"])
        assert gone["why"].startswith(f"{WEST}: ")
        moved = balanced.wait_event("vip_moved", WITHIN, vip=WEST, site="east")
        balanced.wait_event("name_answers", WITHIN, answers=["shop", WEST])
        assert moved["site"] == "east"
        said = explained(balanced)
        assert {each["candidate"]: each["site"] for each in said["candidates"]} == {
            "shop": "east",
            WEST: "east",
        }
