"""Between two sites a P4 fabric goes round whatever is cut, by ways that end, and frames of mode dr go with it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

import pytest

from controller.model.reload import IntentFile
from controller.plan.duty import duty
from controller.plan.p4needs import p4_needs
from controller.plan.paths import cables
from controller.spec.types import Switch
from p4src.spec import P4Needs
from tests.fakes.planned import Planned
from topo import intent, model
from topo.plan import plan

FABRIC = plan(model.load("two-site").of_kind("embedded"))
CUTS = [
    (),
    ("leafe1-leafw1",),
    ("leafe2-leafw2",),
    ("leafe1-leafw1", "lbe1-leafe2"),
]


class Way:
    """The plans of a fabric of which some cables are cut."""

    def __init__(self, directory: Path, cut: tuple[str, ...]) -> None:
        path = directory / "intent.yaml"
        path.write_text(intent.dump(intent.intent(FABRIC)), encoding="utf-8")
        file = IntentFile(path)
        file.poll()
        assert file.intent is not None
        state = Planned(file.intent)
        state.admitted = frozenset(switch.name for switch in FABRIC.lbs)
        ends = cables(file.intent)
        dead = {end for end, to in ends.items() for link in cut if {end.switch, to} == set(link.split("-"))}
        assert len(dead) == 2 * len(cut)
        state.dead_links = frozenset(dead)
        world = state.world()
        self.dead = dead
        self.switches: Mapping[str, Switch] = {each.name: each for each in file.intent.switches}
        self.needs: Mapping[str, P4Needs] = {
            name: p4_needs(world, each, duty(world, each), state.secret)
            for name, each in self.switches.items()
        }

    def ports(self, name: str, group: int) -> tuple[int, ...]:
        return next(each.ports for each in self.needs[name].groups if each.id == group)

    def group(self, name: str, to: str, mac: str | None) -> int | None:
        """Of a frame to a MAC, or of a packet to an address."""
        needs = self.needs[name]
        if mac is not None:
            framed = dict(needs.frames) | {r.mac: r.group for r in needs.routes if r.mac is not None}
            return framed.get(mac)
        return next((route.group for route in needs.routes if route.to == ip_network(to)), None)

    def ends(self, name: str, to: str, mac: str | None, seen: tuple[str, ...] = ()) -> set[str]:
        """What is behind the last ports of all ways; AssertionError for a way that goes round, or into a dead cable."""
        assert name not in seen, f"{to} goes round: {seen}"
        group = self.group(name, to, mac)
        if group is None:
            return {name}
        out: set[str] = set()
        for number in self.ports(name, group):
            assert (name, number) not in self.dead, f"{name} sends into a dead cable on the way to {to}"
            behind = next(port.to for port in self.switches[name].ports if port.number == number)
            out |= {behind} if behind not in self.switches else self.ends(behind, to, mac, (*seen, name))
        return out


@pytest.fixture(scope="module", params=CUTS, ids="+".join)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Way:
    return Way(tmp_path_factory.mktemp("way"), request.param)


def test_packets_to_every_host_arrive_from_every_switch(way: Way) -> None:
    for host in FABRIC.hosts.values():
        for name in way.switches:
            assert way.ends(name, f"{host.addresses[0].ip}/32", None) == {host.name}


def test_answers_to_fullnat_arrive_at_the_lb_switch_whose_address_they_are_for(way: Way) -> None:
    for lb in FABRIC.lbs:
        for name in (each for each in way.switches if each != lb.name):
            assert way.ends(name, str(lb.local[0]), None) == {lb.name}


def test_frames_for_servers_of_the_other_site_arrive_or_meet_an_lb_switch_that_decides_alike(
    way: Way,
) -> None:
    for host in (each for each in FABRIC.hosts.values() if each.kind == "server"):
        for lb in (each for each in FABRIC.lbs if FABRIC.site_of(host.name) != each.site):
            ends = way.ends(lb.name, f"{host.addresses[0].ip}/32", host.mac)
            there = {each.name for each in FABRIC.lbs if each.site == FABRIC.site_of(host.name)}
            assert ends == {host.name} or ends <= there
