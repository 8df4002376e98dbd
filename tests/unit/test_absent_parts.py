"""What an intent leaves out makes no entry, on either kind of switch: a role, a family, a MAC, a port, an address."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from controller.spec.switch import (
    BackendSpec,
    Fate,
    HeldPin,
    ListenerSpec,
    PinRole,
    PinSpec,
    PoolSpec,
    SwitchSpec,
)
from controller.spec.types import Mode, Protocol, Role
from flows.messages import parse_live_ports
from flows.pipeline import Builder
from flows.spec import Here
from flows.stages import answers, backend, fate, pin, respond
from p4src.pipeline import multicast, segments, target
from p4src.spec import FIRST_GROUP, Group, P4Needs, RouteSpec, Secret
from tests.fakes.duties import MAC, POOL, VIPS, backends, lb_duty, listeners, switch, table

HERE = Here.of(switch())
BOTH = backends()[0]
ONLY = {4: replace(BOTH, addresses=BOTH.addresses[:1]), 6: replace(BOTH, addresses=BOTH.addresses[1:])}
"""A backend of one family."""


def services(mode: Mode, version: int) -> list[ListenerSpec]:
    return [item for item in listeners() if item.mode is mode and item.vip.address.version == version]


@pytest.mark.parametrize("mode", [Mode.NAT, Mode.FULLNAT])
@pytest.mark.parametrize("version", [4, 6])
def test_what_is_rewritten_to_needs_an_address_of_the_vip_s_family(mode: Mode, version: int) -> None:
    for item in services(mode, version):
        assert backend.flows(HERE, item, ONLY[version])
        assert backend.flows(HERE, item, ONLY[10 - version]) == []


def test_a_tunnel_leads_to_an_ipv4_address_whatever_is_inside() -> None:
    for version in (4, 6):
        for item in services(Mode.TUN, version):
            assert backend.flows(HERE, item, ONLY[4])
            assert backend.flows(HERE, item, ONLY[6]) == []


@pytest.mark.parametrize("version", [4, 6])
def test_a_server_that_cannot_be_asked_has_no_answers_to_undo(version: int) -> None:
    for item in services(Mode.NAT, version):
        assert answers.nat(HERE, item, ONLY[version], ())
        assert answers.nat(HERE, item, ONLY[10 - version], ()) == []


def test_fullnat_without_a_local_address_sends_nothing() -> None:
    for item in services(Mode.FULLNAT, 4):
        bare = replace(item, local=None)
        assert backend.flows(HERE, bare, BOTH) == []
        assert backend.fragment_source(HERE, bare) == []
        assert backend.fragment_source(HERE, item)


def test_a_backend_without_a_mac_keeps_the_frame_s_destination() -> None:
    server, own = (bytes.fromhex(mac.replace(":", "")) for mac in (BOTH.mac or "", MAC))
    for real, known in ((BOTH, True), (replace(BOTH, mac=None), False)):
        for each in backend.nexthop(HERE, real):
            assert (server in each.body.instructions) is known
            assert own in each.body.instructions


def test_a_switch_without_a_tunnel_port_has_no_way_into_a_tunnel() -> None:
    bare = Here.of(replace(switch(), tunnel_port=None))
    assert len(backend.nexthop(HERE, BOTH)) == 2
    assert len(backend.nexthop(bare, BOTH)) == 1


@pytest.mark.parametrize(
    ("kind", "count"), [(Fate.NORMAL, 0), (Fate.DRAIN, 1), (Fate.MOVE, 1), (Fate.RESET, 2)]
)
def test_only_a_fate_that_changes_something_has_flows_of_its_own(kind: Fate, count: int) -> None:
    assert len(fate.special(HERE, replace(BOTH, fate=kind))) == count


@pytest.mark.parametrize(
    ("protocol", "port", "count"),
    [(Protocol.TCP, 4000, 2), (Protocol.UDP, 4000, 1), (Protocol.TCP, 0, 1)],
    ids=["tcp", "udp", "source"],
)
@pytest.mark.parametrize("role", list(PinRole))
def test_only_a_tcp_connection_s_pin_is_ended_by_a_syn(
    protocol: Protocol, port: int, count: int, role: PinRole
) -> None:
    held = PinSpec(7, 3, protocol, ip_address("10.0.0.1"), port, 2)
    found = pin.entries(HERE, HeldPin(held, role, 900))
    assert len(found) == count
    assert found[0].body.notify is (role is PinRole.REPORTER)


def test_without_authority_nobody_is_answered_and_neighbour_questions_pass() -> None:
    for vip in VIPS:
        held, lost = respond.flows(HERE, vip), respond.flows(HERE, replace(vip, authority=0))
        assert bool(lost) is (vip.address.version == 6)
        answering = held[: len(held) - len(lost)]
        assert answering + lost == held
        assert all(each.body.hard == vip.authority for each in answering), "an answer ends with the authority"
        assert not any(each.body.hard for each in lost)


def test_a_leaf_only_undoes_nat() -> None:
    leaf = replace(lb_duty(), switch=switch(lb_duty().switch.placement, Role.LEAF), responder=False)
    made = Builder().target(leaf)
    assert not made.groups
    assert not made.meters
    assert not made.slots
    undone = [
        each.key
        for item in leaf.listeners
        if item.mode is Mode.NAT
        for real in leaf.pools[POOL].backends
        for each in answers.nat(Here.of(leaf.switch), item, real, leaf.bypass)
    ]
    assert set(undone) <= set(made.flows)
    assert {key.table for key in made.flows} < {key.table for key in Builder().target(lb_duty()).flows}


def test_a_builder_that_has_built_before_builds_the_same() -> None:
    builder, first = Builder(), lb_duty()
    second = replace(
        first, pins=first.pins[:1], pools={POOL: PoolSpec(POOL, 256, backends(), table(moving=3))}
    )
    builder.target(first)
    again, fresh = builder.target(second), Builder().target(second)
    assert (again.flows, again.groups, again.meters) == (fresh.flows, fresh.groups, fresh.meters)
    assert again.slots == fresh.slots


def test_live_ports_are_those_whose_state_says_so() -> None:
    ports = [(1, 4), (2, 0), (7, 4 | 1), (9, 1)]
    body = b"".join(struct.pack("!I32xI24x", number, state) for number, state in ports)
    assert parse_live_ports(body) == {1, 7}
    assert parse_live_ports(b"") == set()


def needs(floods: dict[int, tuple[int, ...]] | None = None) -> P4Needs:
    ways = {ports: FIRST_GROUP + n for n, ports in enumerate(((1,), (2,), (1, 2)))}
    groups = tuple(Group(number, ports) for ports, number in ways.items())
    routes = (RouteSpec(ip_network("0.0.0.0/0"), ways[1,], None),)
    made = P4Needs(
        Secret.of(bytes(range(20))), groups, routes, ways, {POOL: 900.0}, 0x3FF, transition={POOL: 120.0}
    )
    return made if floods is None else replace(made, floods=floods)


def p4_duty(real: BackendSpec, *local: str) -> SwitchSpec:
    at = replace(lb_duty().switch, local=tuple(map(ip_network, local)), gateway_mac="02:00:00:00:00:fe")
    return replace(lb_duty(), switch=at, pools={POOL: PoolSpec(POOL, 256, (real,), table(number=1))}, pins=())


def p4_actions(duty: SwitchSpec, of: str) -> set[str]:
    return {body.action for key, body in target(duty, needs()).entries.items() if key.table == of}


LOCALS = ("10.3.0.0/24", "fd00:3::/64")


@pytest.mark.parametrize("version", [4, 6])
def test_p4_rewrites_only_to_addresses_of_the_vip_s_family(version: int) -> None:
    made = p4_actions(p4_duty(ONLY[version], *LOCALS), "backend")
    other = 10 - version
    assert {f"nat{version}", f"fullnat{version}", f"tun{version}"} <= made
    assert not {f"nat{other}", f"fullnat{other}", f"tun{other}"} & made
    assert p4_actions(p4_duty(ONLY[version], *LOCALS), "answer") == {f"undo_nat{version}"}


def test_p4_needs_local_addresses_for_fullnat_and_tunnels() -> None:
    assert not {"fullnat4", "fullnat6", "tun4", "tun6"} & p4_actions(p4_duty(BOTH), "backend")
    assert {"fullnat6", "tun6"} <= p4_actions(p4_duty(BOTH, LOCALS[1]), "backend")


def test_a_p4_leaf_has_no_listeners_and_no_slots() -> None:
    duty = p4_duty(BOTH, *LOCALS)
    leaf = target(replace(duty, switch=replace(duty.switch, roles=frozenset({Role.LEAF}))), needs())
    assert not leaf.slots
    assert {key.table for key in leaf.entries}.isdisjoint({"listener", "backend", "slot", "pin"})
    assert "answer" in {key.table for key in leaf.entries}


def test_ports_that_flood_alike_share_a_group_named_after_the_lowest() -> None:
    floods = {3: (1, 2), 5: (1, 2), 4: (7,)}
    groups = multicast(floods)
    assert groups == {4: (1, 2), 5: (7,)}
    found = {key.match[0]: body.params for key, body in segments(floods, groups)}
    assert found == {3: (4,), 4: (5,), 5: (4,)}
    assert multicast({}) == {}
    assert list(segments({}, {})) == []
