"""Topology files are read with complaints that point at the line, and numbered the same way every time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.model.load import load_intent
from topo import intent, model, underlay, wires
from topo.errors import TopologyError
from topo.plan import Fence, plan

SHIPPED = ["fabric", "pair", "single"]

GOOD = """\
name: small
subnets:
  - {name: front, prefixes: [10.0.0.0/24]}
switches:
  - {name: sw1, roles: [edge, lb, leaf]}
  - {name: sw2, roles: [leaf]}
links:
  - [sw1, sw2]
hosts:
  - {name: c1, attach: sw1, subnet: front}
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("attach: sw1", "attach: sw7", "10:16: hosts.0.attach: no switch 'sw7'; there are sw1, sw2"),
        ("subnet: front", "subnet: back", "10:29: hosts.0.subnet: no subnet 'back'; there are front"),
        ("[sw1, sw2]", "[sw1, sw1]", "8:5: links.0: a link joins two different switches, once"),
        ("name: c1", "name: sw2", "10:6: hosts.0.name: 'sw2' is defined twice"),
        ("name: c1", "name: c-1", "10:6: hosts.0.name: "),
        ("roles: [leaf]", "roles: [spine]", "6:25: switches.1.roles.0: "),
        (
            "roles: [leaf]",
            "roles: [leaf], kind: tofino",
            "6:32: switches.1.kind: Input should be 'ovs', 'bmv2' or",
        ),
        ("10.0.0.0/24", "10.0.0.0/28", "10.0.0.0/28 is too small"),
        (
            "roles: [leaf]",
            "roles: [leaf], fence: true",
            "6:32: switches.1.fence: sw2 is no edge, and answers for no VIP",
        ),
        ("links:", "linsk:", "7:1: linsk: "),
        ("- [sw1, sw2]", "- [sw1, sw2", ": not YAML: "),
    ],
)
def test_a_fault_is_reported_where_it_is(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "bad.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(TopologyError, match=re.escape(complaint)) as error:
        model.load(path)
    assert str(error.value).startswith(f"{path}:")
    assert "\n" not in str(error.value), "one fault, one complaint"


def test_a_good_file_is_numbered_links_first_and_then_hosts(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    fabric = plan(model.load(path))
    assert [(port.number, port.to) for port in fabric.switches["sw1"].ports] == [(1, "sw2"), (2, "c1")]
    assert (fabric.switches["sw1"].id, fabric.switches["sw2"].id) == (0x11, 0x31)
    assert str(fabric.hosts["c1"].addresses[0]) == "10.0.0.11/24"


def test_an_edge_with_a_fence_has_a_cable_to_the_controller_where_it_is_an_open_vswitch(
    tmp_path: Path,
) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD.replace("roles: [edge, lb, leaf]", "roles: [edge, lb, leaf], fence: true"))
    topology = model.load(path)
    fabric = plan(topology)
    assert fabric.switches["sw1"].fences == (Fence(60000, "fence0", "ctl", "f0-sw1"),)
    assert fabric.switches["sw2"].fences == ()
    assert intent.intent(fabric)["switches"][0]["fence"] == [{"port": 60000, "interface": "f0-sw1"}]
    assert plan(topology.of_kind("embedded")).switches["sw1"].fences == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_the_intent_of_a_shipped_topology_satisfies_the_controller(name: str, tmp_path: Path) -> None:
    fabric = plan(model.load(name))
    path = tmp_path / "intent.yaml"
    path.write_text(intent.dump(intent.intent(fabric)))
    wanted = load_intent(path)
    assert {switch.name: switch.id for switch in wanted.switches} == {
        switch.name: switch.id for switch in fabric.switches.values()
    }
    for pool in wanted.pools:
        for backend in pool.backends:
            host = fabric.hosts[backend.name]
            assert (backend.at, backend.mac) == (host.attach, host.mac)
            assert backend.addresses == tuple(address.ip for address in host.addresses)


def test_a_backend_that_is_no_host_needs_an_address() -> None:
    topology = model.load("single")
    services = topology.services.model_copy(
        update={"pools": ({"name": "web", "backends": [{"name": "s9"}]},)}
    )
    fabric = plan(topology.model_copy(update={"services": services}))
    with pytest.raises(
        TopologyError, match="pool web: backend 's9' is no host of the lab and has no address"
    ):
        intent.intent(fabric)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_lab_forwards_nothing_for_a_vip_and_only_below_everybody_else(name: str) -> None:
    fabric = plan(model.load(name))
    for switch in fabric.switches:
        lines = underlay.bundle(fabric, switch).splitlines()
        for vip in fabric.vips:
            assert not [line for line in lines if re.search(rf"dst={re.escape(str(vip))}\b(?!:)", line)]
        entry = [line for line in lines if "table=0," in line]
        assert entry == ["flow add cookie=0x1ab,table=0,priority=0,actions=goto_table:200"]


def test_a_neighbour_that_lost_its_way_does_not_get_its_packets_back() -> None:
    fabric = plan(model.load("fabric"))
    leaf1 = fabric.switches["leaf1"]
    lines = underlay.bundle(fabric, "leaf1").splitlines()
    for lb in ("lb1", "lb2", "lb3"):
        port = leaf1.port(lb)
        detours = [line for line in lines if f"in_port={port}," in line and "nw_dst=10.2.0.14," in line]
        assert detours, f"packets from {lb} for a server behind leaf2 have flows of their own"
        groups = {match for line in detours for match in re.findall(r"group:(\d+)", line)}
        for group in groups:
            body = next(line for line in lines if line.startswith(f"group add group_id={group},"))
            assert f"output:{port}" not in body
            assert body.count("bucket=") == 2


def _stretched(old: str, new: str) -> str:
    text = model.find("two-site-small").read_text(encoding="utf-8")
    assert text.count(old) == 1
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "{name: x2, ends: [leafe, leafw]}",
            "{name: x2, ends: [leafe, lbe1]}",
            "joins switches of two sites",
        ),
        ("{name: x2, ends: [leafe, leafw]}", "{name: x2, ends: [leafe, leaf9]}", "no switch 'leaf9'"),
        ("{name: x2, ends: [leafe, leafw]}", "{name: x1, ends: [leafe, leafw]}", "'x1' is defined twice"),
        ("{name: x2, ends: [leafe, leafw]}", "{name: east, ends: [leafe, leafw]}", "'east' is defined twice"),
        (
            "  - [lbw2, leafw]",
            "  - [lbw2, leafe]",
            "lbw2 and leafe are in two sites: name the link under stretch",
        ),
        ("round_trip_ms: 3", "round_trip_ms: 21", "less than or equal to 20"),
        ("round_trip_ms: 3", "tso: true", "tso is for labs of one site"),
        ("{name: ctl2, attach", "{name: probe2, attach", "are called 'ctl', 'ctl2', 'ctl3'"),
        ("{name: ctl, attach", "{name: ctl9, attach", "the first host of kind probe is called 'ctl'"),
        ("{name: etcde, site: east}", "{name: etcde, site: north}", "no site 'north'; there are east, west"),
        ("{name: witness}", "{name: etcde}", "'etcde' is defined twice"),
    ],
)
def test_what_cannot_join_two_sites_is_named_with_its_line(
    old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(_stretched(old, new), encoding="utf-8")
    with pytest.raises(TopologyError, match=complaint) as refused:
        model.load(path)
    assert re.search(rf"^{re.escape(str(path))}:\d+:\d+: ", str(refused.value), re.M)


def test_two_links_between_the_same_leaves_have_ports_and_interfaces_of_their_own() -> None:
    fabric = plan(model.load("two-site-small"))
    leaf = fabric.switches["leafe"]
    assert [(p.number, p.to, p.interface) for p in leaf.ports][:4] == [
        (1, "lbe1", "lbe1"),
        (2, "lbe2", "lbe2"),
        (3, "leafw", "x1"),
        (4, "leafw", "x2"),
    ]
    document = intent.intent(fabric)
    assert {site["name"]: site["bypass"] for site in document["sites"]}["west"] == [
        "10.9.0.0/24",
        "fd00:0:0:9::/64",
    ]
    assert fabric.controllers["ctl3"] == fabric.controllers["ctl"] + 2
    assert fabric.site_of("ctl3") == "west"


def test_each_two_places_are_joined_by_a_path_of_their_own_so_a_dead_site_parts_no_others() -> None:
    fabric = plan(model.load("two-site-small"))
    assert fabric.places == ("east", "west", "witness")
    assert {frozenset(pair) for pair in wires.control_paths(fabric).values()} == {
        frozenset(("east", "west")),
        frozenset(("east", "witness")),
        frozenset(("west", "witness")),
    }
    assert wires.control_paths(fabric)["wan1"] == ("east", "west")
    assert {name: fabric.site_of(name) for name in fabric.members} == {
        "etcde": "east",
        "etcdw": "west",
        "witness": "witness",
    }
    assert not set(fabric.members.values()) & set(fabric.controllers.values())
    assert set(fabric.members) <= set(fabric.nodes)


def test_what_crosses_between_sites_goes_up_once_and_comes_down_by_one_way_and_counts_no_hop() -> None:
    fabric = plan(model.load("two-site-small"))
    flows = {name: underlay.bundle(fabric, name).splitlines() for name in fabric.switches}

    def sent(name: str, port: int) -> str:
        (line,) = [line for line in flows[name] if f"priority=250,in_port={port},arp," in line]
        heads = (group.split(",", 1) for group in flows[name] if group.startswith("group add group_id="))
        said = line.split("actions=", 1)[1]
        for number, body in heads:
            said = said.replace(f"group:{number.rpartition('=')[2]}", body)
        return said

    failover = "type=ff,bucket=watch_port:{0},actions=output:{0},bucket=watch_port:{1},actions=output:{1}"
    assert sent("edgee", 3) == "output:4," + failover.format(1, 2), "a client's: to the other one, and up"
    assert sent("edgee", 1) == "output:3,output:4"
    assert sent("lbe1", 1) == "output:2"
    assert sent("lbe1", 2) == "output:1"
    assert sent("leafe", 1).startswith(failover.format(3, 4)), "one stretch link"
    assert sent("leafe", 3) == sent("leafe", 4) == failover.format(1, 2), "never over the other link"
    for lines in flows.values():
        assert not [line for line in lines if "icmp_type=136" in line and "dec_ttl" in line]
