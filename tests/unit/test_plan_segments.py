"""Segments: which ports announce and flood, where to, and which of several edges does it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from controller.plan.segments import announced_on, floods, responds, segment_ports
from controller.spec.types import Backend, Intent, Pool, Port, Role, Route, Site, Subnet, Switch, Vip

SUBNETS = (
    Subnet("front", (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))),
    Subnet("rack1", (ip_network("10.1.0.0/24"),)),
)
EAST, WEST = Site("east", SUBNETS, (ip_network("10.9.0.0/24"),)), Site("west", SUBNETS)
MAC = "02:45:56:00:01:01"
POOL = Pool("web", (Backend("s1", (ip_address("10.1.0.11"),)),))
SHOP = Vip("shop", ip_address("10.0.0.100"), MAC, ("east", "west"), ())


def edge(number: int, *behind: str, site: str = "east", routes: tuple[Route, ...] = ()) -> Switch:
    ports = tuple(Port(place, to) for place, to in enumerate(behind, start=1))
    name = f"edge{number}"
    return Switch(
        name,
        "bmv2",
        number,
        site,
        frozenset({Role.EDGE}),
        f"02:45:56:01:00:{number:02x}",
        ports,
        routes=routes,
    )


def intent(*switches: Switch, **changes: object) -> Intent:
    lb = Switch("lb1", "bmv2", 99, "east", frozenset({Role.LB}), "02:45:56:01:00:21")
    return replace(Intent((EAST, WEST), (*switches, lb), (POOL,), (SHOP,)), **changes)  # type: ignore[arg-type]


def host(address: str, name: str) -> Route:
    return Route(ip_network(address), (name,), "02:45:56:02:00:01")


def test_segments_hosts_that_are_no_servers_and_other_sites_hear_announcements() -> None:
    one, away = edge(1, "segment", "lb1", "s1", "c1", "edge9"), edge(9, site="west")
    assert segment_ports(intent(one, away), one) == [1, 4, 5]


def test_a_frame_goes_to_every_other_port_of_its_segment_and_to_no_switch_of_the_site_nor_server() -> None:
    one = edge(1, "segment", "lb1", "s1", "segment", "edge2")
    assert floods(intent(one, edge(2)), one) == {1: (1, 4), 4: (1, 4)}


def test_a_segment_with_one_port_floods_nowhere() -> None:
    one = edge(1, "segment", "lb1")
    assert floods(intent(one), one) == {}


def test_what_comes_from_another_site_goes_to_clients_and_never_on_to_a_third_site() -> None:
    one = edge(1, "segment", "edge8", "edge9")
    world = intent(one, edge(8, site="west"), edge(9, site="north"), sites=(EAST, WEST, Site("north")))
    assert floods(world, one) == {1: (1, 2, 3), 2: (1,), 3: (1,)}


def test_ports_of_different_subnets_do_not_hear_each_other() -> None:
    known = (
        host("10.0.0.11/32", "c1"),
        host("10.0.0.12/32", "c2"),
        host("10.9.0.2/32", "ctl"),
        host("10.1.0.9/32", "x"),
    )
    one = edge(1, "c1", "c2", "ctl", "x", "segment", routes=known)
    assert floods(intent(one), one) == {1: (1, 2, 5), 2: (1, 2, 5), 5: (1, 2, 5)}


def test_a_host_outside_all_subnets_is_on_a_segment_of_its_own_unless_the_site_is_flat() -> None:
    one = edge(1, "segment", "far", routes=(host("10.77.0.1/32", "far"),))
    assert floods(intent(one), one) == {}
    flat = intent(one, sites=(Site("east"), WEST))
    assert floods(flat, one) == {1: (1, 2), 2: (1, 2)}


def test_of_two_edges_on_one_segment_the_first_that_is_there_answers_and_announces() -> None:
    one, two = edge(1, "lb1", "segment-front"), edge(2, "lb1", "segment-front")
    both = intent(one, two)
    assert [responds(both, each, frozenset()) for each in (one, two)] == [True, False]
    assert [announced_on(both, each, frozenset()) for each in (one, two)] == [[2], []]
    assert [responds(both, each, frozenset({"edge1"})) for each in (one, two)] == [True, True]
    assert announced_on(both, two, frozenset({"edge1"})) == [2]


def test_edges_on_segments_of_their_own_all_answer() -> None:
    one, two, three = edge(1, "segment"), edge(2, "segment"), edge(3, "segment-back")
    assert all(responds(intent(one, two, three), each, frozenset()) for each in (one, two, three))


def test_an_edge_that_is_first_on_one_of_its_segments_answers_and_announces_there_alone() -> None:
    one, two = edge(1, "segment-front"), edge(2, "segment-front", "segment-back")
    both = intent(one, two)
    assert responds(both, two, frozenset())
    assert announced_on(both, two, frozenset()) == [2]


def test_a_site_has_segments_of_its_own_even_if_they_are_called_like_another_sites() -> None:
    one, two = edge(1, "segment-front"), edge(2, "segment-front", site="west")
    assert responds(intent(one, two), two, frozenset())


def test_no_two_edges_pass_the_frames_of_one_segment_on_even_if_one_is_thought_to_be_gone() -> None:
    behind = ("segment-front", "segment", "edge9")
    one, two = edge(1, *behind), edge(2, *behind)
    world = intent(one, two, edge(9, site="west"))
    assert floods(world, one) == {1: (1, 2, 3), 2: (1, 2, 3), 3: (1, 2)}
    assert floods(world, two) == {2: (2, 3), 3: (2,)}


def test_a_switch_that_is_no_edge_never_answers() -> None:
    lb = Switch("lb1", "bmv2", 99, "east", frozenset({Role.LB}), "02:45:56:01:00:21", (Port(1, "segment"),))
    assert not responds(intent(), lb, frozenset())
