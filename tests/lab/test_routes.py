"""VIPs announced to real routers (FRR) that do ECMP over the lb switches: by BGP and by OSPF, connections hold."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from controller.exits.routes.frr.config import Edit
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

SHOP, SHOP6 = "10.0.0.100", "fd00::100"
BOTH = {"lb1", "lb2"}
CONNECTIONS = 24
CONVERGED = 40.0
"""Seconds that OSPF may need until a designated router is found and all is loaded, on a busy machine."""


@pytest.fixture(scope="module")
def routed(make_lab: MakeLab) -> Iterator[Balanced]:
    """The routed topology with a controller."""
    with Balanced(make_lab("routed")) as balanced:
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


def speaking(document: Any, protocol: str, graceful: str = "5s") -> None:
    """An edit: all speakers speak only this, and none is drained."""
    routes = document["routes"]
    routes["graceful"] = graceful
    for speaker in routes["speakers"]:
        speaker.setdefault("bgp" if protocol == "bgp" else "ospf", speaker.get("kept"))
        speaker.pop("drain", None)
        speaker.pop("ospf" if protocol == "bgp" else "bgp", None)


def change(document: Any, **keys: Any) -> None:
    """An edit: keys of the first speaker."""
    document["routes"]["speakers"][0].update(keys)


@pytest.fixture(params=["bgp", "ospf"])
def served(request: pytest.FixtureRequest, routed: Balanced) -> Balanced:
    """Both routers send to both lb switches, as one protocol told them."""
    routed.edit_intent(lambda document: only(routed, document, request.param))
    for address in (SHOP, SHOP6):
        leads(routed.lab, BOTH, address=address)
    eventually(lambda: told_by(routed.lab) == {request.param}, f"told by {request.param}", CONVERGED)
    return routed


def only(routed: Balanced, document: Any, protocol: str) -> None:
    """Of both protocols that the lab's intent has, keep one."""
    for speaker, whole in zip(document["routes"]["speakers"], _speakers(routed), strict=True):
        speaker.clear()
        speaker.update(
            {key: value for key, value in whole.items() if key not in {"bgp", "ospf"} - {protocol}}
        )


def _speakers(routed: Balanced) -> list[dict[str, Any]]:
    """As the lab made them."""
    from topo import routed as plan

    made = plan.intent(routed.lab.fabric, routed.lab.routed.sockets)["routes"]["speakers"]
    assert isinstance(made, list)
    return made


def told_by(lab: Lab) -> set[str]:
    """Protocols by which the kernels of routers were told of the VIP."""
    shown = [
        lab.exec(r, ["ip", "-j", "route", "show", SHOP], capture_output=True, text=True) for r in ("r1", "r2")
    ]
    return {route["protocol"] for one in shown for route in json.loads(one.stdout or "[]")}


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


def test_connections_outlive_maintenance_an_lb_switchs_death_and_a_routers(served: Balanced) -> None:
    lab = served.lab
    with LongConnections(lab, "c1") as connections:
        connections.open(CONNECTIONS, ["dr"], idle_of_three=1)
        connections.talk()
        # Maintenance: routers are asked to send elsewhere while the way is still there.
        served.edit_intent(lambda document: change(document, drain=True))
        leaves = served.wait_event("route_leaves", speaker="sp1", vip="shop")
        assert (leaves["cause"], leaves["why"]) == ("drained", "service: sp1 is drained")
        leads(lab, {"lb2"})
        served.wait_event("route_withdrawn", speaker="sp1", vip="shop")
        shows(served, "withdrawn")
        served.edit_intent(lambda document: change(document, drain=False))
        leads(lab, BOTH)
        # The controller stands still: what repairs is BFD alone.
        served.signal_controller(signal.SIGSTOP)
        assert connections.broken() == [], "by maintenance"
        lab.fail("lb1")
        leads(lab, {"lb2"})
        connections.speak(connections.idle)
        assert connections.broken() == [], "by an lb switch's death"
        served.signal_controller(signal.SIGCONT)
        served.wait_event("route_withdrawn", speaker="sp1", vip="shop", cause="switches")
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
    shows(served, "announced")


@pytest.mark.long
def test_an_engine_that_is_killed_and_started_again_has_its_announcements_back(served: Balanced) -> None:
    lab = served.lab
    served.mark()
    lab.fail("sp1")
    served.wait_event("speaker_problem", speaker="sp1")
    leads(lab, {"lb2"})
    lab.heal("sp1")
    assert served.wait_event("speaker_repaired", speaker="sp1")["cause"] == "empty"
    served.wait_event("speaker_recovered", speaker="sp1")
    leads(lab, BOTH)
    leads(lab, BOTH, address=SHOP6)


@pytest.mark.long
def test_an_operators_damage_is_found_said_and_mended(routed: Balanced) -> None:
    lab = routed.lab
    routed.edit_intent(lambda document: only(routed, document, "bgp"))
    leads(lab, BOTH)
    eventually(lambda: told_by(lab) == {"bgp"}, "told by bgp", CONVERGED)
    family = ("router bgp 65010", "address-family ipv4 unicast")

    async def harm() -> None:
        bgpd = await Vty.connect(lab.routed.sockets / "sp1" / "bgpd.vty")
        assert await bgpd.configure([Edit(family, f"no network {SHOP}/32")]) == []
        bgpd.close()

    routed.mark()
    asyncio.run(harm())
    said = routed.wait_event("speaker_repaired", speaker="sp1", daemon="bgpd")
    assert (said["cause"], said["count"]) == ("audit", 1)
    assert f"network {SHOP}/32" in said["edits"][0]
    leads(lab, BOTH)
