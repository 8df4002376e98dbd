"""Health from several places: paths that break between places and servers are not taken for servers that died."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.fakes.etcd import needs_etcd
from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually, why_not
from tests.lab.test_agents import WITHIN, Served, all_count, all_up, down, serves
from tests.lab.tuned import tune
from topo import process, state
from topo.lab import Lab
from topo.sitedemo.agents import Agents

pytestmark = [pytest.mark.lab, pytest.mark.long, needs_etcd]

EAST, WEST = ["se1", "se2"], ["sw1", "sw2"]
CUT = {"ctl": WEST, "ctl2": WEST, "ctl3": EAST, "ctl4": EAST}
"""What each place sees otherwise while nothing crosses the stretch."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Both sites serve, with two agents each; the controller leads in the east, and asks them."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    name = "places"
    lab = Lab.up("two-site-small", name=name, switch="ovs", temporary=True, store=True, agents=True)
    tune(lab, lambda document: document.update(lease={"authority": "1.5s"}))
    agents = Agents(lab, tmp_path_factory.mktemp("agents"), list(lab.fabric.controllers))
    try:
        agents.start(agents.all)
        store = f"etcd://{','.join(lab.members.endpoints('east'))}/demo"
        with Balanced(lab, ["--store", store, "--name", "one", "--insecure-peers"]) as balanced:
            balanced.wait_status(lambda status: serves(status) and all_count(status), "all serves", WITHIN)
            yield Served(balanced, agents)
    finally:
        agents.kill(agents.all)
        relay = process.recall(lab.path / "pids", "wan")
        state.remove(name)
        assert not state.spaces(name)
        assert not [each for each in relay if each.alive]


def follow(balanced: Balanced, rule: str) -> None:
    """Have the pool go by a rule."""
    balanced.edit_intent(lambda document: document["pools"][0]["health"].update(places=rule))
    balanced.wait_status(lambda status: all_count(status) and all_up(status), "all agents are heard", WITHIN)
    balanced.mark()


def differing(status: Mapping[str, Any]) -> dict[str, list[str]]:
    """Servers that each place sees otherwise."""
    return {name: list(each["differs"].get("web", ())) for name, each in status["places"].items()}


@pytest.mark.parametrize("rule", ["site-local", "any", "majority"])
def test_both_stretch_links_are_cut_and_no_server_is_taken_for_dead(served: Served, rule: str) -> None:
    balanced, lab = served.balanced, served.balanced.lab
    follow(balanced, rule)
    for link in ("x1", "x2"):
        lab.fail(link)
    try:
        for place in ("ctl", "ctl2", "ctl3", "ctl4"):
            balanced.wait_event("place_differs", WITHIN, place=place, count=2)
        status = balanced.wait_status(lambda status: differing(status) == CUT, "who saw what", WITHIN)
        assert not down(status)
        seen = status["pools"]["web/tcp"]["backends"]["sw1"]["seen"]
        assert {place for place, what in seen.items() if what == "up"} == {"ctl3", "ctl4"}
        lab.fail("se1", unhealthy=True)
        try:
            balanced.wait_status(lambda status: down(status) == {"se1"}, "it is taken out", WITHIN)
        finally:
            lab.heal("se1")
        if rule != "majority":  # which is evenly split while the west does not see it
            balanced.wait_status(all_up, "it is back", WITHIN)
    finally:
        for link in ("x1", "x2"):
            lab.heal(link)
    balanced.wait_status(
        lambda status: all_up(status) and not any(differing(status).values()), "all agree", WITHIN
    )
    said = [(each["backend"], each["up"]) for each in balanced.since_mark() if each["event"] == "verdict"]
    assert said == [("se1", False), ("se1", True)]


def test_a_place_that_is_cut_off_for_longer_than_it_doubts_itself_takes_nothing_out(served: Served) -> None:
    balanced, lab = served.balanced, served.balanced.lab
    for rule in ("any", "site-local"):
        follow(balanced, rule)
        lab.fail("ctl-leafe")
        try:
            balanced.wait_event("place_lost", WITHIN, place="ctl")
            balanced.wait_event("place_differs", WITHIN, place="ctl", count=4)
            assert all_up(balanced.status())
        finally:
            lab.heal("ctl-leafe")
        balanced.wait_event("place_agrees", WITHIN, place="ctl")
        assert not [each for each in balanced.since_mark() if each["event"] == "verdict"]


def test_without_any_agent_the_controller_goes_by_its_own_probes(served: Served) -> None:
    balanced, agents, lab = served.balanced, served.agents, served.balanced.lab
    follow(balanced, "majority")
    agents.kill(agents.all)
    try:
        balanced.wait_event("place_lost", WITHIN, why="it is silent")
        lab.fail("se1")
        balanced.wait_status(lambda status: down(status) == {"se1"}, "it is taken out", WITHIN)
        assert any("own probes" in each for each in balanced.status()["probe_problems"])
        lab.heal("se1")
        balanced.wait_status(all_up, "it is back", WITHIN)
    finally:
        lab.heal("se1")
        agents.start(agents.all)
    balanced.wait_status(lambda status: all_count(status) and all_up(status), "all agents are heard", WITHIN)
    eventually(lambda: not agents.unsound(), "agents serve", WITHIN)
