"""The intent that a lab makes for P4 switches: routes by shortest path, a name for every port, nothing of OpenFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.model.load import load_intent
from topo import intent, model, underlay
from topo.plan import Fabric, plan

SHIPPED = ["fabric", "pair", "single", "demo"]
MIXTURES: dict[str, tuple[dict[str, model.SwitchKind], model.SwitchKind]] = {
    "lbs of both P4 kinds between ovs": ({"lb1": "bmv2", "lb2": "embedded"}, "ovs"),
    "ovs lbs between P4": ({"lb1": "ovs", "lb2": "ovs"}, "bmv2"),
    "one leaf": ({"leaf1": "embedded"}, "ovs"),
    "one edge": ({"edge1": "embedded"}, "bmv2"),
}


def fabric_of(name: str, kinds: dict[str, model.SwitchKind], others: model.SwitchKind) -> Fabric:
    topology = model.load(name)
    switches = tuple(
        switch.model_copy(update={"kind": kinds.get(switch.name, switch.kind)})
        for switch in topology.switches
    )
    return plan(topology.model_copy(update={"switches": switches}).of_kind(others))


def switch_of(fabric: Fabric, name: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = intent.intent(fabric)["switches"]
    return next(row for row in rows if row["name"] == name)


def accepted(fabric: Fabric, directory: Path) -> None:
    path = directory / "intent.yaml"
    path.write_text(intent.dump(intent.intent(fabric)))
    load_intent(path)


@pytest.mark.parametrize("kind", ["bmv2", "embedded"])
@pytest.mark.parametrize("name", SHIPPED)
def test_the_intent_of_a_lab_of_p4_switches_satisfies_the_controller(
    name: str, kind: model.SwitchKind, tmp_path: Path
) -> None:
    accepted(fabric_of(name, {}, kind), tmp_path)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_the_intent_of_a_mixed_lab_satisfies_the_controller(mixture: str, tmp_path: Path) -> None:
    accepted(fabric_of("pair", *MIXTURES[mixture]), tmp_path)


def test_a_p4_switch_is_said_to_have_what_it_has_and_nothing_of_openflow() -> None:
    fabric = fabric_of("pair", {"leaf1": "bmv2"}, "ovs")
    leaf, lb = switch_of(fabric, "leaf1"), switch_of(fabric, "lb1")
    assert leaf["kind"] == "bmv2"
    assert leaf["p4runtime"] == f"{fabric.switches['leaf1'].control}:9559"
    assert not {"ovsdb", "openflow", "tunnel_port"} & set(leaf)
    assert lb["kind"] == "ovs"
    assert not {"p4runtime", "routes"} & set(lb)
    assert {"ovsdb", "openflow", "tunnel_port"} <= set(lb)


def test_a_p4_lb_switch_has_local_addresses_and_no_tunnel_port() -> None:
    lb = switch_of(fabric_of("pair", {"lb1": "embedded"}, "ovs"), "lb1")
    assert lb["local"] == ["10.3.1.0/28", "fd00:0:0:3:1::/80"]
    assert "tunnel_port" not in lb


def test_a_host_on_the_switch_is_routed_to_its_port_and_mac() -> None:
    fabric = fabric_of("fabric", {}, "bmv2")
    routes = switch_of(fabric, "leaf1")["routes"]
    mac = fabric.hosts["s1"].mac
    assert {"to": "10.1.0.11/32", "via": ["s1"], "mac": mac} in routes
    assert {"to": "fd00:0:0:1::11/128", "via": ["s1"], "mac": mac} in routes
    # Also who is no backend: the prober.
    assert {"to": "10.9.0.2/32", "via": ["ctl"], "mac": fabric.hosts["ctl"].mac} in routes


def test_hosts_behind_other_switches_are_routed_over_every_shortest_path() -> None:
    fabric = fabric_of("fabric", {}, "bmv2")
    assert {"to": "10.0.0.11/32", "via": ["lb1", "lb2", "lb3"]} in switch_of(fabric, "leaf1")["routes"]
    assert {"to": "10.2.0.14/32", "via": ["leaf2"]} in switch_of(fabric, "lb2")["routes"]


def test_addresses_of_other_lb_switches_are_routed_and_ones_own_are_not() -> None:
    fabric = fabric_of("fabric", {}, "bmv2")
    leaf = {row["to"]: row["via"] for row in switch_of(fabric, "leaf1")["routes"]}
    assert leaf["10.3.2.0/28"] == ["lb2"]
    assert leaf["fd00:0:0:3:2::/80"] == ["lb2"]
    lb = {row["to"] for row in switch_of(fabric, "lb2")["routes"]}
    assert "10.3.2.0/28" not in lb
    assert "10.3.1.0/28" in lb


def test_the_tunnel_end_of_an_ovs_switch_is_routed_by_p4_switches() -> None:
    fabric = fabric_of("pair", {"lb1": "ovs", "lb2": "ovs"}, "bmv2")
    leaf = {row["to"]: row["via"] for row in switch_of(fabric, "leaf1")["routes"]}
    assert leaf[f"{fabric.switches['lb2'].vtep}/32"] == ["lb2"]


@pytest.mark.parametrize("name", SHIPPED)
def test_no_route_is_for_a_vip(name: str) -> None:
    fabric = fabric_of(name, {}, "embedded")
    for switch in fabric.switches:
        to = {row["to"].partition("/")[0] for row in switch_of(fabric, switch)["routes"]}
        assert not to & {str(vip) for vip in fabric.vips}


def test_every_port_of_a_p4_switch_has_a_name_of_its_own() -> None:
    ports = switch_of(fabric_of("pair", {}, "bmv2"), "edge1")["ports"]
    assert ports == {1: "lb1", 2: "lb2", 3: "c1", 4: "c2", 5: "r1"}


def test_ovs_switches_keep_their_underlay_beside_p4_switches() -> None:
    mixed, uniform = fabric_of("pair", {"leaf1": "bmv2"}, "ovs"), fabric_of("pair", {}, "ovs")
    assert underlay.bundle(mixed, "edge1") == underlay.bundle(uniform, "edge1")


def test_a_kind_in_the_file_wins_over_the_one_asked_for() -> None:
    fabric = fabric_of("pair", {"leaf1": "embedded"}, "bmv2")
    assert {name: switch.kind for name, switch in fabric.switches.items()} == {
        "edge1": "bmv2",
        "lb1": "bmv2",
        "lb2": "bmv2",
        "leaf1": "embedded",
    }


@pytest.mark.parametrize(
    ("kinds", "others", "mtu"),
    [
        ({}, "ovs", 1450),
        ({}, "bmv2", 1480),
        ({"leaf1": "ovs"}, "bmv2", 1480),
        ({"lb1": "ovs"}, "bmv2", 1450),
    ],
)
def test_servers_answer_no_larger_than_fits_the_tunnel_of_every_lb_switch(
    kinds: dict[str, model.SwitchKind], others: model.SwitchKind, mtu: int
) -> None:
    fabric = fabric_of("pair", kinds, others)
    assert fabric.tunnel_mtu(fabric.hosts["s1"]) == mtu


def test_servers_take_ipip_apart_only_where_p4_switches_make_it() -> None:
    assert fabric_of("pair", {}, "bmv2").ipip
    assert not fabric_of("pair", {"lb1": "ovs", "lb2": "ovs"}, "bmv2").ipip
    assert not fabric_of("single", {}, "bmv2").ipip, "no listener of mode tun"
