"""Verdicts of agents become the controller's: by the pool's rule, of those that are heard, and of no stale word."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.differing import DIFFERS
from controller.core.probeplaces import HEARD, LONELY, SETTLED
from controller.core.probing import Probing
from controller.health.judge import Verdict
from controller.health.places import Seen, View
from controller.plan.pool import UNCONFIRMED, Health
from controller.spec.agents import Agent
from controller.spec.health import PlaceRule
from tests.fakes.core import Leads, SetClock, Whole, intent_file, whole

EAST, WEST = ("east1", "east2"), ("west1", "west2")
ALL = (*EAST, *WEST)
POOL = "web"
MINE, OTHER = "se1", "sw1"
"""Servers of the east and of the west."""


class Bench:
    """A controller without switches, and what agents say to it."""

    def __init__(self, folder: Path, rule: PlaceRule = PlaceRule.MAJORITY, *, dialled: bool = True) -> None:
        file = intent_file(folder / "intent.yaml", "two-site-small")
        intent = file.intent
        assert intent is not None
        agents = {"east": EAST, "west": WEST}
        sites = tuple(
            replace(site, agents=tuple(Agent(name, ("192.0.2.1:1",)) for name in agents[site.name]))
            for site in intent.sites
        )
        pools = tuple(
            pool if pool.health is None else replace(pool, health=replace(pool.health, places=rule))
            for pool in intent.pools
        )
        file.intent = replace(intent, sites=sites, pools=pools)
        self.it: Whole = whole(file, lead=Leads())
        self.clock: SetClock = self.it.clock
        if dialled:
            self.it.app.places.dial()
        self.names = [real.name for real in file.intent.pools[0].backends]

    @property
    def probing(self) -> Probing:
        return self.it.app.probing

    def say(self, place: str, doubt: str = "", **down: str) -> None:
        """Everything is up from there, but these; a reason of ``-``: there is no verdict."""
        verdicts = {
            (POOL, name): Seen(name not in down, down.get(name, "passed"))
            for name in self.names
            if down.get(name) != "-"
        }
        self.it.app.places.take(place, View(verdicts, doubt), None)

    def all_say(self, *places: str, **down: str) -> None:
        for place in places:
            self.say(place, **down)

    def wait(self, seconds: float, *heard: str) -> None:
        """Time passes; these agents say what they said."""
        views = dict(self.it.app.places.counting())
        end = self.clock.time + seconds
        while self.clock.time < end:
            self.clock.time = min(self.clock.time + 0.5, end)
            for place in heard:
                self.it.app.places.take(place, views.get(place, View()), frozenset())
            self.probing.look()

    def own(self, up: bool, *names: str, reason: str = "own") -> None:
        """This controller's own probes change their mind."""
        judge = self.probing.service._judge
        made = [Verdict(POOL, name, up, self.clock.time, reason) for name in names or self.names]
        judge._verdicts.update({(v.pool, v.backend): v for v in made})
        self.probing._take(made)

    @property
    def verdicts(self) -> Mapping[str, Health]:
        return self.it.app.state.verdicts.value.get(POOL, {})

    @property
    def up(self) -> dict[str, bool]:
        return {name: each.up for name, each in self.verdicts.items()}

    @property
    def down(self) -> set[str]:
        return {name for name, up in self.up.items() if not up}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.all_say(*ALL)
    assert made.up == dict.fromkeys(made.names, True)
    return made


def test_a_broken_path_of_one_agent_takes_nothing_out_and_is_said_and_shown(bench: Bench) -> None:
    bench.say("east1", **dict.fromkeys(bench.names, "timeout"))
    bench.wait(DIFFERS + 1, *ALL)
    assert not bench.down
    (said,) = bench.it.said.of("place_differs")
    assert (said["place"], said["pool"], said["count"], said["reason"]) == ("east1", POOL, 4, "timeout")
    assert bench.probing.seen((POOL, MINE))["east1"] == Seen(False, "timeout")
    assert bench.probing.places()["east1"].differs == {POOL: tuple(sorted(bench.names))}
    bench.say("east1")
    bench.wait(1, *ALL)
    assert [each["place"] for each in bench.it.said.of("place_agrees")] == ["east1"]
    assert bench.probing.seen((POOL, MINE)) == {}


def test_a_server_that_most_see_dead_is_taken_out_and_the_reason_names_them(bench: Bench) -> None:
    bench.all_say("east1", "west1", **{MINE: "connect refused"})
    assert not bench.down, "two of four"
    bench.say("west2", **{MINE: "timeout"})
    assert bench.down == {MINE}
    assert bench.verdicts[MINE].reason == "connect refused (east1, west1); timeout (west2)"
    bench.say("east1")
    assert bench.down == {MINE}, "evenly split, so it stays down"
    bench.say("west1")
    assert not bench.down


def test_any_keeps_what_one_place_sees_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PlaceRule.ANY)
    bench.all_say(*ALL)
    bench.all_say(*EAST, "west1", **{MINE: "timeout"})
    assert not bench.down
    bench.say("west2", **{MINE: "timeout"})
    assert bench.down == {MINE}


def test_site_local_goes_by_the_servers_own_site_and_by_the_others_while_that_is_silent(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, PlaceRule.SITE_LOCAL)
    bench.all_say(*ALL)
    cut = {name: "timeout" for name in bench.names if name.startswith("sw")}
    bench.all_say(*EAST, **cut)
    assert not bench.down, "the stretch is cut: the west sees its own servers"
    bench.wait(HEARD, *EAST)
    assert bench.down == set(cut), "the west is silent"


def test_an_agent_that_is_silent_or_doubts_itself_has_no_vote(bench: Bench) -> None:
    bench.all_say("east1", "east2", **{MINE: "refused"})
    bench.say("west1", doubt="all fail at once")
    bench.say("west2")
    assert bench.down == {MINE}, "two of three"
    bench.wait(HEARD, "east1", "west2")
    assert bench.probing.places()["east2"].why == "it is silent"
    lost = {each["place"]: each["why"] for each in bench.it.said.of("place_lost")}
    assert lost == {"west1": "all fail at once", "east2": "it is silent"}


def test_the_controllers_own_probes_have_no_vote_while_an_agent_is_heard(bench: Bench) -> None:
    bench.own(False)
    bench.wait(2 * LONELY, "west1")
    assert not bench.down
    assert bench.probing.problems() == []


def test_its_own_probes_count_once_no_agent_was_heard_for_long(bench: Bench) -> None:
    bench.own(False, MINE)
    bench.wait(LONELY - 1)
    assert not bench.down, "it stays what it was"
    bench.wait(2)
    assert bench.down == {MINE}
    assert "own probes" in bench.probing.problems()[0]
    bench.all_say(*ALL)
    assert not bench.down


def test_nothing_is_taken_out_by_the_first_that_is_heard_after_a_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PlaceRule.ANY)
    bench.it.app.state.verdicts.put({POOL: {name: Health(True, 0.0) for name in bench.names}})
    bench.say("east1", **dict.fromkeys(bench.names, "timeout"))
    assert not bench.down, "others may see them"
    bench.wait(SETTLED, "east1")
    assert bench.down == set(bench.names), "there are no others"


def test_a_server_that_is_remembered_as_down_is_so_for_sure_once_the_agents_say_it(bench: Bench) -> None:
    bench.all_say(*ALL, **{MINE: "refused"})
    since = bench.verdicts[MINE].since
    assert bench.verdicts[MINE].confirmed == -math.inf
    bench.clock.time += 100
    bench.probing.doubt()
    assert (bench.verdicts[MINE].since, bench.verdicts[MINE].confirmed) == (since, UNCONFIRMED)
    bench.all_say("east1", **{MINE: "refused"})
    assert bench.verdicts[MINE].confirmed == UNCONFIRMED, "the others are not heard yet"
    bench.all_say(*ALL, **{MINE: "refused"})
    assert bench.verdicts[MINE] == Health(False, since, bench.verdicts[MINE].reason, bench.clock.time)


def test_after_a_pause_all_has_to_be_heard_from_the_beginning(bench: Bench) -> None:
    asked: list[bool] = []
    bench.it.app.places.on_forget = lambda: asked.append(True)
    bench.probing.doubt()
    assert asked
    assert list(bench.it.app.places.counting()) == []
    assert bench.up == dict.fromkeys(bench.names, True)


def test_what_comes_first_after_a_pause_is_not_taken_for_all_there_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PlaceRule.ANY)
    bench.say("east1", **dict.fromkeys(bench.names, "timeout"))
    bench.all_say("east2", *WEST)
    assert not bench.down
    paused = [True]
    bench.probing.check = lambda: bench.probing.doubt() if paused.pop() else None
    bench.clock.time += 2 * HEARD
    paused += [False] * 50
    paused.append(True)
    bench.say("east1", **dict.fromkeys(bench.names, "timeout"))
    assert not bench.down
    bench.all_say("east1", **dict.fromkeys(bench.names, "timeout"))
    assert not bench.down, "the others are waited for"


def test_a_server_without_verdicts_of_agents_begins_as_own_probes_say(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.probing.pending() == len(bench.names)
    bench.own(True, MINE)
    assert bench.up == {MINE: True}
    bench.all_say(*ALL, **{MINE: "-", OTHER: "refused"})
    assert (bench.up[MINE], bench.up[OTHER]) == (True, False)
    assert bench.probing.pending() == 0


def test_without_a_dialler_agents_are_no_places_and_that_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path, dialled=False)
    bench.own(False, MINE)
    bench.own(True, OTHER)
    assert bench.up == {MINE: False, OTHER: True}
    for _ in range(2):
        bench.probing.look()
    assert bench.it.said.of("agents_not_asked") == [{"agents": 4}]
    assert bench.probing.places() == {}


def test_status_shows_who_saw_what(bench: Bench) -> None:
    bench.say("west1", **{MINE: "timeout"})
    asyncio.run(bench.it.app.state.commit())
    shown = bench.it.app.snapshot().as_json()
    pools = shown["pools"]
    assert isinstance(pools, dict)
    assert pools["web/tcp"]["backends"][MINE]["seen"] == {
        "east1": "up", "east2": "up", "west1": "down: timeout", "west2": "up",
    }  # fmt: skip
    assert pools["web/tcp"]["backends"][OTHER]["seen"] is None
    places = shown["places"]
    assert isinstance(places, dict)
    assert places["west2"]["counts"] is True
