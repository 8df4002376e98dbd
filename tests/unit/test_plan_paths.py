"""Where a P4 switch sends what a cut cable is in the way of: around it, however far away it is, and never nowhere."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from controller.model.reload import IntentFile
from controller.plan.duty import duty
from controller.plan.p4needs import p4_needs
from controller.plan.paths import End, cables
from controller.spec.types import Intent, Switch
from p4src.spec import UPLINKS, P4Needs
from tests.fakes.planned import Planned
from topo import intent, model
from topo.plan import plan

CLIENT1, SERVER4 = "10.0.0.11/32", "10.2.0.14/32"
"""c1 at edge1, s4 at leaf2."""
LBS = {"lb1", "lb2", "lb3"}


@pytest.fixture
def state(tmp_path: Path) -> Planned:
    """Of the demo's fabric, all lb switches admitted."""
    return planned(tmp_path, "embedded")


def planned(tmp_path: Path, kind: model.SwitchKind) -> Planned:
    path = tmp_path / "intent.yaml"
    path.write_text(intent.dump(intent.intent(plan(model.load("demo").of_kind(kind)))))
    file = IntentFile(path)
    file.poll()
    assert file.intent is not None
    made = Planned(file.intent)
    made.admitted = frozenset(LBS)
    return made


def switch_of(state: Planned, name: str) -> Switch:
    return next(s for s in state.intent.switches if s.name == name)


def cut(state: Planned, *links: str) -> None:
    """Cables "a-b" carry nothing."""
    ends = cables(state.intent)
    dead = {end for end, to in ends.items() for link in links if {end.switch, to} == set(link.split("-"))}
    assert len(dead) == 2 * len(links)
    state.dead_links = frozenset(dead)


def needs(state: Planned, name: str) -> P4Needs:
    switch, world = switch_of(state, name), state.world()
    return p4_needs(world, switch, duty(world, switch), state.secret)


def led(state: Planned, name: str, group: int) -> set[str]:
    """Where a group of a switch leads."""
    names = {port.number: port.to for port in switch_of(state, name).ports}
    return {names[port] for each in needs(state, name).groups if each.id == group for port in each.ports}


def routed(state: Planned, name: str, to: str) -> set[str]:
    """Where a switch sends packets to a prefix."""
    group = next(route.group for route in needs(state, name).routes if route.to == ip_network(to))
    return led(state, name, group)


def uplinks(state: Planned, name: str) -> set[str]:
    return led(state, name, UPLINKS)


def test_while_all_cables_carry_all_are_used(state: Planned) -> None:
    assert uplinks(state, "edge1") == LBS
    assert routed(state, "leaf1", CLIENT1) == LBS


def test_an_edge_goes_around_a_cut_cable_and_the_other_edge_does_not_care(state: Planned) -> None:
    cut(state, "edge1-lb1")
    assert uplinks(state, "edge1") == LBS - {"lb1"}
    assert uplinks(state, "edge2") == LBS


def test_answers_go_around_a_cut_cable_that_is_two_hops_away(state: Planned) -> None:
    cut(state, "edge1-lb1")
    for leaf in ("leaf1", "leaf2"):
        assert routed(state, leaf, CLIENT1) == LBS - {"lb1"}
        assert routed(state, leaf, "10.0.0.12/32") == LBS, "c2 is at edge2"


def test_an_lb_that_does_not_reach_all_servers_is_left_out(state: Planned) -> None:
    cut(state, "lb2-leaf2")
    assert uplinks(state, "edge1") == uplinks(state, "edge2") == LBS - {"lb2"}
    assert routed(state, "edge1", SERVER4) == LBS - {"lb2"}
    assert routed(state, "leaf2", CLIENT1) == LBS - {"lb2"}
    assert routed(state, "leaf1", CLIENT1) == LBS


def test_an_edge_of_open_vswitch_leaves_out_an_lb_that_does_not_reach_all_servers(tmp_path: Path) -> None:
    state = planned(tmp_path, "ovs")
    switch = switch_of(state, "edge1")
    names = {port.number: port.to for port in switch.ports}
    port = next(port.number for port in switch_of(state, "lb2").ports if port.to == "leaf2")
    for dead, used in (({("lb2", port)}, LBS - {"lb2"}), ({(lb, port) for lb in LBS}, LBS), (set(), LBS)):
        state.dead_links = frozenset(dead)
        assert {names[up.port] for up in duty(state.world(), switch).uplinks if up.admitted} == used


def test_where_no_lb_reaches_all_servers_those_serve_whose_cables_carry(state: Planned) -> None:
    cut(state, "lb1-leaf1", "lb2-leaf2", "lb3-leaf1", "edge1-lb3")
    assert uplinks(state, "edge1") == {"lb1", "lb2"}
    assert uplinks(state, "edge2") == LBS


def test_no_way_runs_empty_however_many_cables_are_cut(state: Planned) -> None:
    cut(state, *(f"{edge}-{lb}" for edge in ("edge1", "edge2") for lb in LBS))
    assert uplinks(state, "edge1") == LBS
    assert routed(state, "leaf1", CLIENT1) == LBS
    assert routed(state, "lb1", CLIENT1) == {"edge1"}


def test_a_cut_cable_and_a_switch_that_is_gone_are_left_out_together(state: Planned) -> None:
    state.absent = frozenset({"lb3"})
    cut(state, "edge1-lb1")
    assert routed(state, "leaf1", CLIENT1) == {"lb2"}


@pytest.mark.parametrize(
    "links", [(), ("edge1-lb1",), ("lb1-leaf1", "lb2-leaf2"), ("edge1-lb1", "edge1-lb2")]
)
def test_every_group_that_is_named_is_there_and_leads_somewhere(
    state: Planned, links: tuple[str, ...]
) -> None:
    cut(state, *links)
    for switch in state.intent.switches:
        made = needs(state, switch.name)
        groups = {group.id: group.ports for group in made.groups}
        assert len(groups) == len(made.groups)
        assert all(groups.values())
        assert {route.group for route in made.routes} | set(made.ways.values()) <= set(groups)


def test_a_cut_cable_takes_few_entries_and_none_once_it_is_healed(state: Planned) -> None:
    before = {s.name: needs(state, s.name) for s in state.intent.switches}
    cut(state, "edge1-lb1")
    during = needs(state, "leaf1")
    usual = {route.to: route.group for route in before["leaf1"].routes}
    assert sum(usual[route.to] != route.group for route in during.routes) <= 6
    state.dead_links = frozenset()
    assert {s.name: needs(state, s.name) for s in state.intent.switches} == before


def test_hellos_are_heard_at_ports_to_p4_switches_and_nowhere_else(state: Planned) -> None:
    made = needs(state, "edge1")
    names = {port.number: port.to for port in switch_of(state, "edge1").ports}
    assert {names[port] for port in made.neighbours} == LBS


def test_a_link_to_an_ovs_switch_is_no_cable_of_ours(tmp_path: Path) -> None:
    topology = model.load("pair")
    kinds = tuple(
        each.model_copy(update={"kind": "ovs" if each.name == "leaf1" else "embedded"})
        for each in topology.switches
    )
    path = tmp_path / "intent.yaml"
    document = intent.intent(plan(topology.model_copy(update={"switches": kinds})))
    path.write_text(intent.dump(document))
    file = IntentFile(path)
    file.poll()
    assert isinstance(file.intent, Intent)
    assert {(end.switch, to) for end, to in cables(file.intent).items()} == {
        ("edge1", "lb1"),
        ("edge1", "lb2"),
        ("lb1", "edge1"),
        ("lb2", "edge1"),
    }
    assert all(isinstance(end, End) for end in cables(file.intent))
