"""VIPs announced to real routers (FRR) that do ECMP over the lb switches: by BGP and by OSPF, connections hold."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from controller.exits.routes.frr.config import Edit
from controller.exits.routes.frr.lines import tag_of
from controller.exits.routes.frr.vty import Vty
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.long_connections import LongConnections
from topo import frr
from topo.lab import Lab

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(frr.missing() is not None, reason=f"routers of the lab: {frr.missing()}"),
]

SHOP, API, SHOP6 = "10.0.0.100", "10.0.0.101", "fd00::100"
BOTH = {"lb1", "lb2"}
CONNECTIONS = 24
CONVERGED = 40.0
"""Seconds that OSPF may need until a designated router is found and all is loaded, on a busy machine."""


@pytest.fixture(scope="module", params=["bgp", pytest.param("ospf", marks=pytest.mark.long)])
def routed(request: pytest.FixtureRequest, make_lab: MakeLab) -> Iterator[Balanced]:
    """The routed topology with a controller. Routers take what they were told by BGP, or there is none."""
    lab = make_lab("routed")
    if request.param == "ospf":
        yaml = YAML()
        document = yaml.load(lab.intent_path.read_text(encoding="utf-8"))
        for speaker in document["routes"]["speakers"]:
            del speaker["bgp"]
        yaml.dump(document, lab.intent_path)
    with Balanced(lab) as balanced:
        for address in (SHOP, SHOP6):
            leads(lab, BOTH, address=address)
        eventually(lambda: told_by(lab) == {request.param}, f"told by {request.param}", CONVERGED)
        yield balanced


def hops(lab: Lab, router: str, address: str) -> set[str]:
    """Interfaces to which a router's kernel sends packets for an address."""
    found = lab.exec(
        router,
        ["ip", "-6" if ":" in address else "-4", "-j", "route", "show", address],
        capture_output=True,
        text=True,
    )
    (route,) = json.loads(found.stdout or "[]") or [{}]
    ways = route.get("nexthops") or [route]
    return {way["dev"] for way in ways if "dev" in way and "linkdown" not in way.get("flags", ())}


def leads(lab: Lab, to: set[str], routers: tuple[str, ...] = ("r1", "r2"), address: str = SHOP) -> None:
    """Wait until routers' kernels send packets there, and only there."""
    what = f"{' and '.join(routers)} lead to {sorted(to)} for {address}"
    eventually(lambda: all(hops(lab, each, address) == to for each in routers), what, CONVERGED)


def change(document: Any, **keys: Any) -> None:
    """An edit: keys of the first speaker, and less time to leave."""
    document["routes"]["graceful"] = "2s"
    document["routes"]["speakers"][0].update(keys)


def told_by(lab: Lab) -> set[str]:
    """Protocols by which the kernels of routers were told of the VIP."""
    shown = [
        lab.exec(r, ["ip", "-j", "route", "show", SHOP], capture_output=True, text=True) for r in ("r1", "r2")
    ]
    return {route["protocol"] for one in shown for route in json.loads(one.stdout or "[]")}


def offered(lab: Lab) -> set[str]:
    """Protocols by which the first router knows the VIP, whatever its kernel was told."""

    async def ask() -> Any:
        zebra = await Vty.connect(lab.routed.sockets / "r1" / "zebra.vty")
        return await zebra.json(f"show ip route {SHOP}/32 json")

    return {route["protocol"] for route in asyncio.run(ask()).get(f"{SHOP}/32", ())}


def rows(balanced: Balanced) -> dict[str, dict[str, Any]]:
    """What status shows of routes."""
    items = balanced.status().get("exits", {}).get("routes", {}).get("items", {})
    assert isinstance(items, dict)
    return items


def shows(balanced: Balanced, state: str) -> None:
    """Wait until status says how the VIP stands at the first speaker."""
    balanced.wait_status(
        lambda _: rows(balanced).get("sp1 shop", {}).get("state") == state, f"shop is {state}"
    )


def test_routers_are_told_by_both_protocols_and_status_shows_all_of_it(routed: Balanced) -> None:
    if told_by(routed.lab) == {"bgp"}:
        eventually(lambda: offered(routed.lab) == {"bgp", "ospf"}, "both protocols offer the VIP", CONVERGED)
    shown = rows(routed)
    assert {slot: shown[slot]["state"] for slot in ("sp1 shop", "sp2 shop", "sp1 shop6")} == {
        "sp1 shop": "announced",
        "sp2 shop": "announced",
        "sp1 shop6": "announced",
    }
    routed.wait_status(
        lambda _: all(row["up"] for key, row in rows(routed).items() if key.startswith(("sp1 ", "sp2 "))),
        "every neighbour is up",
        CONVERGED,
    )


def test_connections_outlive_maintenance_an_lb_switchs_death_and_a_routers(routed: Balanced) -> None:
    lab = routed.lab
    with LongConnections(lab, "c1") as connections:
        connections.open(CONNECTIONS, ["dr"], idle_of_three=1)
        connections.talk()
        # Maintenance: routers are asked to send elsewhere while the way is still there.
        routed.edit_intent(lambda document: change(document, drain=True))
        leaves = routed.wait_event("route_leaves", speaker="sp1", vip="shop")
        assert (leaves["cause"], leaves["why"]) == ("drained", "service: sp1 is drained")
        leads(lab, {"lb2"})
        routed.wait_event("route_withdrawn", speaker="sp1", vip="shop")
        shows(routed, "withdrawn")
        routed.edit_intent(lambda document: change(document, drain=False))
        leads(lab, BOTH)
        # The controller stands still: what repairs is BFD alone.
        routed.signal_controller(signal.SIGSTOP)
        assert connections.broken() == [], "by maintenance"
        lab.fail("lb1")
        leads(lab, {"lb2"})
        connections.speak(connections.idle)
        assert connections.broken() == [], "by an lb switch's death"
        routed.signal_controller(signal.SIGCONT)
        routed.wait_event("route_withdrawn", speaker="sp1", vip="shop", cause="switches")
        lab.heal("lb1")
        leads(lab, BOTH)
        assert connections.broken() == [], "by its return"
        lab.fail("r1")
        connections.speak(connections.idle)
        assert connections.broken() == [], "by a router's death"
        lab.heal("r1")
        leads(lab, BOTH)
        connections.hush()
        connections.speak()
        assert connections.broken() == []
    shows(routed, "announced")


@pytest.mark.long
def test_an_engine_that_is_killed_and_started_again_has_its_announcements_back(routed: Balanced) -> None:
    lab = routed.lab
    routed.mark()
    lab.fail("sp1")
    routed.wait_event("speaker_problem", speaker="sp1")
    leads(lab, {"lb2"})
    lab.heal("sp1")
    assert routed.wait_event("speaker_repaired", speaker="sp1")["cause"] == "empty"
    routed.wait_event("speaker_recovered", speaker="sp1")
    leads(lab, BOTH)
    leads(lab, BOTH, address=SHOP6)


@pytest.mark.long
def test_odd_and_even_vips_prefer_different_lb_switches_and_use_the_other_when_theirs_is_gone(
    routed: Balanced,
) -> None:
    lab = routed.lab
    routed.edit_intent(lambda document: document["routes"].update(spread="odd-even"))
    leads(lab, {"lb1"}, address=SHOP)
    leads(lab, {"lb2"}, address=API)
    lab.fail("lb2")
    leads(lab, {"lb1"}, address=API)
    lab.heal("lb2")
    leads(lab, {"lb2"}, address=API)
    routed.edit_intent(lambda document: document["routes"].update(spread="ecmp"))
    leads(lab, BOTH)
    leads(lab, BOTH, address=API)


@pytest.mark.long
def test_a_controller_that_starts_again_changes_nothing_at_a_speaker(routed: Balanced) -> None:
    lab = routed.lab
    leads(lab, BOTH)
    routed.kill_controller()
    routed.start_controller()
    routed.wait_ready()
    shown = routed.wait_status(
        lambda status: status["exits"]["routes"]["synced"] and rows(routed)["sp1"]["state"] == "synced",
        "routes are synced",
    )
    assert shown["exits"]["routes"]["writes"] == 0
    leads(lab, BOTH)
    said = {event["event"] for event in routed.since_mark()}
    assert not said & {"route_withdrawn", "route_leaves", "speaker_repaired", "speaker_problem"}


@pytest.mark.long
def test_an_operators_damage_is_found_said_and_mended(routed: Balanced) -> None:
    lab = routed.lab
    leads(lab, BOTH)
    static = f"ip route {SHOP}/32 Null0 tag {tag_of(20)}"

    async def harm() -> None:
        staticd = await Vty.connect(lab.routed.sockets / "sp1" / "staticd.vty")
        assert await staticd.configure([Edit((), f"no {static}")]) == []
        staticd.close()

    routed.mark()
    asyncio.run(harm())
    said = routed.wait_event("speaker_repaired", speaker="sp1", daemon="staticd")
    assert (said["cause"], said["count"], said["edits"]) == ("audit", 1, [static])
    leads(lab, BOTH)


@pytest.mark.long
def test_a_neighbour_with_a_password_speaks_only_with_who_has_it(routed: Balanced, tmp_path: Path) -> None:
    lab, key = routed.lab, tmp_path / "r1.key"
    if told_by(lab) != {"bgp"}:
        pytest.skip("only BGP has passwords")
    key.write_text("correct-horse\n")
    routed.edit_intent(lambda document: _guard(document, "10.5.11.1", str(key)))
    leads(lab, {"lb2"}, ("r1",))

    async def tell(line: str) -> None:
        bgpd = await Vty.connect(lab.routed.sockets / "r1" / "bgpd.vty")
        assert await bgpd.configure([Edit(("router bgp 65001",), line)]) == []
        bgpd.close()

    asyncio.run(tell("neighbor 10.5.11.100 password correct-horse"))
    leads(lab, BOTH, ("r1",))
    assert "correct-horse" not in routed.last_said(1000)
    routed.edit_intent(lambda document: _guard(document, "10.5.11.1", None))
    leads(lab, {"lb2"}, ("r1",))
    asyncio.run(tell("no neighbor 10.5.11.100 password correct-horse"))
    leads(lab, BOTH, ("r1",))


def _guard(document: Any, address: str, key: str | None) -> None:
    for speaker in document["routes"]["speakers"]:
        for neighbor in speaker["bgp"]["neighbors"]:
            if neighbor["address"] == address:
                neighbor.pop("password_file", None)
                neighbor.update({} if key is None else {"password_file": key})
