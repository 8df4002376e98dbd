"""Candidates of names are probed from several places: agents of the sites vote on them as on servers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.exits.names.exit import NamesExit
from controller.exits.registry import names_exit
from controller.health.places import Seen, View
from controller.spec.agents import Agent
from controller.spec.health import HealthCheck, PlaceRule
from controller.spec.names import Candidate, NameServer, Service, Zone
from tests.fakes.core import Leads, Whole, intent_file, whole

AGENTS = {"east": ("east1", "east2"), "west": ("west1", "west2")}
NAME = "name:shop.example.net"


class Bench:
    """A controller without switches that hears agents, and has a name of one VIP and one address of others."""

    def __init__(self, folder: Path, rule: PlaceRule) -> None:
        file = intent_file(folder / "intent.yaml", "two-site-small")
        assert file.intent is not None
        sites = tuple(
            replace(site, agents=tuple(Agent(name, ("192.0.2.1:1",)) for name in AGENTS[site.name]))
            for site in file.intent.sites
        )
        far = Candidate("far", address=ip_address("192.0.2.80"), site="far")
        candidates = (Candidate("shop", vip="shop"), far)
        service = Service("shop", candidates, health=HealthCheck(port=80, places=rule))
        servers = (NameServer("ns1", (ip_address("192.0.2.53"),)),)
        zones = (Zone("example.net", servers, services=(service,)),)
        file.intent = replace(file.intent, sites=sites, zones=zones)
        self.it: Whole = whole(file, lead=Leads())
        self.it.app.places.dial()
        self.exit: NamesExit = names_exit(self.it.app.exits)

    def say(self, *places: str, up: bool) -> None:
        """What agents see of the VIP; the other address is up."""
        seen = {(NAME, "shop"): Seen(up, "timeout"), (NAME, "far"): Seen(True)}
        for place in places:
            self.it.app.places.take(place, View(seen), None)

    def up(self, candidate: str) -> bool | None:
        self.exit.look()
        assert self.exit.inputs.value is not None
        return self.exit.inputs.value.states[f"shop.example.net./{candidate}"].up


@pytest.mark.parametrize(
    ("rule", "down", "up"),
    [
        (PlaceRule.MAJORITY, ("east1",), True),
        (PlaceRule.MAJORITY, ("east1", "east2", "west1"), False),
        (PlaceRule.ANY, ("east1", "east2", "west1"), True),
        (PlaceRule.SITE_LOCAL, ("west1", "west2"), True),
        (PlaceRule.SITE_LOCAL, ("east1", "east2"), False),
    ],
)
def test_agents_vote_on_a_candidate_by_the_rule_of_its_service(
    tmp_path: Path, rule: PlaceRule, down: tuple[str, ...], up: bool
) -> None:
    bench = Bench(tmp_path, rule)
    everyone = [name for names in AGENTS.values() for name in names]
    bench.say(*everyone, up=True)
    assert bench.up("shop") is True
    bench.say(*down, up=False)
    assert bench.up("shop") is up
    assert bench.up("far") is True
