"""Frames that cross between sites: one copy for every edge, none back, no loop whatever each switch believes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.plan.segments import announced_on, floods
from controller.spec.stretch import Stretch
from controller.spec.types import Intent, Port, Role, Site, Subnet, Switch, Vip
from tests.examples import examples

FRONT = (Subnet("front", (ip_network("10.0.0.0/24"),)),)
Link = tuple[str, str]
Ports = frozenset[tuple[str, int]]
Views = tuple[frozenset[str], Ports]
Plans = Mapping[str, Mapping[int, tuple[int, ...]]]
NO: frozenset[Any] = frozenset()
NOTHING: Views = (NO, NO)


class Hop(NamedTuple):
    """A frame on a cable."""

    switch: str
    port: int


class Fabric:
    """Two sites of so many edges, lb switches and leaves, all linked with all above, and cables between the leaves."""

    def __init__(self, edges: int, lbs: int, leaves: int, stretch: int) -> None:
        self.links: list[Link] = []
        names: dict[str, list[str]] = {}
        for site in ("east", "west"):
            for role, number in (("edge", edges), ("lb", lbs), ("leaf", leaves)):
                names[site + role] = [f"{role}{site[0]}{n}" for n in range(number)]
            for below, above in (("edge", "lb"), ("lb", "leaf")):
                self.links += [(b, a) for b in names[site + below] for a in names[site + above]]
        east, west = names["eastleaf"], names["westleaf"]
        self.between = [(east[n % leaves], west[n % leaves]) for n in range(stretch)]
        self.links += self.between
        self.cables: dict[Hop, Hop] = {}
        ports: dict[str, list[Port]] = {name: [] for each in names.values() for name in each}
        for one, other in self.links:
            here, there = Hop(one, len(ports[one]) + 1), Hop(other, len(ports[other]) + 1)
            ports[one].append(Port(here.port, other))
            ports[other].append(Port(there.port, one))
            self.cables |= {here: there, there: here}
        self.clients: dict[Hop, str] = {}
        for name in (*names["eastedge"], *names["westedge"]):
            for _ in range(2):
                place = Hop(name, len(ports[name]) + 1)
                ports[name].append(Port(place.port, "segment"))
                self.clients[place] = name
        self.switches = {
            name: _switch(name, number, tuple(own)) for number, (name, own) in enumerate(ports.items(), 1)
        }
        vip = Vip("shop", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east", "west"), ())
        sites = (Site("east", FRONT), Site("west", FRONT))
        self.intent = Intent(sites, tuple(self.switches.values()), (), (vip,))

    def plans(self, view: Callable[[str], Views] = lambda _: NOTHING) -> Plans:
        """What each switch does; ``view``: the absent switches and dead ports that its plan is made from."""
        return {name: floods(self.intent, switch, *view(name)) for name, switch in self.switches.items()}

    def flood(self, plans: Plans, start: Hop, absent: frozenset[str] = NO, dead: Ports = NO) -> Counter[Hop]:
        """Copies that reach clients' ports of a frame that came in at one; AssertionError for a frame that goes on
        for more hops than there are switches on a way. ``absent``, ``dead``: what is so."""
        got: Counter[Hop] = Counter()
        frames = [(start, 0)]
        while frames:
            at, hops = frames.pop()
            assert hops <= 6, f"a frame goes round, and is at {at}"
            for port in plans[at.switch].get(at.port, ()):
                out = Hop(at.switch, port)
                if port == at.port or tuple(out) in dead:
                    continue
                if out in self.clients:
                    got[out] += 1
                elif self.cables[out].switch not in absent and tuple(self.cables[out]) not in dead:
                    frames.append((self.cables[out], hops + 1))
        return got


def _switch(name: str, number: int, ports: tuple[Port, ...]) -> Switch:
    role = Role(name[:-2])
    site = {"e": "east", "w": "west"}[name[-2]]
    mac = f"02:45:56:01:00:{number:02x}"
    return Switch(name, "bmv2", number, site, frozenset({role}), mac, ports)


SHAPES = [(1, 2, 1, 2), (2, 2, 2, 2), (2, 3, 2, 4), (1, 1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_frame_of_a_client_reaches_every_other_client_of_both_sites_once(shape: tuple[int, ...]) -> None:
    fabric = Fabric(*shape)
    plans = fabric.plans()
    for start in fabric.clients:
        got = fabric.flood(plans, start)
        assert got == Counter([each for each in fabric.clients if each != start])


@pytest.mark.parametrize("shape", [(1, 2, 1, 2), (2, 2, 2, 2)])
def test_when_one_of_two_stretch_links_is_cut_or_one_lb_gone_the_others_carry(shape: tuple[int, ...]) -> None:
    fabric = Fabric(*shape)
    everybody = set(fabric.clients)
    first = Stretch(fabric.intent).links(fabric.switches["leafe0"])[0].number
    cut = frozenset({("leafe0", first), (*fabric.cables[Hop("leafe0", first)],)})
    for known in ((NO, cut), (frozenset({"lbe0", "lbw1"}), NO)):
        plans = fabric.plans(lambda _, known=known: known)  # type: ignore[misc]
        for start in everybody:
            got = fabric.flood(plans, start, *known)
            assert got == Counter(everybody - {start})


@settings(max_examples=examples(33, 100), deadline=None)
@given(st.data())
def test_no_frame_goes_round_or_comes_back_though_no_two_switches_believe_the_same(
    data: st.DataObject,
) -> None:
    fabric = Fabric(*data.draw(st.sampled_from(SHAPES)))
    hops = [(hop.switch, hop.port) for hop in fabric.cables]
    views: dict[str, Views] = {}

    def view(name: str) -> Views:
        if name not in views:
            absent = data.draw(st.sets(st.sampled_from(sorted(fabric.switches)), max_size=3))
            dead = data.draw(st.sets(st.sampled_from(hops), max_size=4))
            views[name] = frozenset(absent), frozenset(dead)
        return views[name]

    start = data.draw(st.sampled_from(sorted(fabric.clients)))
    got = fabric.flood(fabric.plans(view), start)
    assert start not in got, "what a client sent comes back to it"


def test_what_came_over_a_stretch_link_never_leaves_by_another_one() -> None:
    fabric = Fabric(2, 2, 2, 4)
    for name, switch in fabric.switches.items():
        links = {port.number for port in Stretch(fabric.intent).links(switch)}
        for came, to in floods(fabric.intent, switch).items():
            assert came not in links or not links & set(to), name


def test_of_two_links_to_one_site_one_carries_and_of_three_sites_each_gets_a_copy() -> None:
    leaf = Switch(
        "leafe0",
        "bmv2",
        1,
        "east",
        frozenset({Role.LEAF}),
        "02:45:56:01:00:01",
        (Port(1, "leafw0"), Port(2, "leafw0"), Port(3, "leafn0")),
    )
    others = tuple(
        Switch(name, "bmv2", n, site, frozenset({Role.LEAF}), f"02:45:56:01:00:0{n}")
        for n, (name, site) in enumerate((("leafw0", "west"), ("leafn0", "north")), start=2)
    )
    intent = Intent((), (leaf, *others), (), ())
    assert Stretch(intent).up(leaf) == [1, 3]
    assert Stretch(intent, dead_links=frozenset({("leafe0", 1)})).up(leaf) == [2, 3]
    assert Stretch(intent, dead_links=frozenset({("leafe0", 1), ("leafe0", 2)})).up(leaf) == [1, 3]


def test_announcements_go_to_clients_and_by_every_way_to_other_sites() -> None:
    fabric = Fabric(1, 2, 1, 1)
    edge = fabric.switches["edgee0"]
    assert announced_on(fabric.intent, edge, frozenset()) == [port.number for port in edge.ports]


def test_in_a_fabric_of_one_site_nothing_crosses_the_fabric() -> None:
    fabric = Fabric(1, 2, 1, 0)
    for switch in fabric.switches.values():
        clients = {hop.port for hop in fabric.clients if hop.switch == switch.name}
        assert {port for to in floods(fabric.intent, switch).values() for port in to} == clients
