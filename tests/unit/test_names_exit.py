"""The exit to names: what is gathered of candidates, what is put and said when that changes, and explanations."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from typer.testing import CliRunner

from controller.cli.codes import ExplainName
from controller.cli.explainname import lines
from controller.cli.main import app
from controller.core.commands import CommandRefused
from controller.core.journal import Journal
from controller.exits.base import Around, Seen
from controller.exits.names.commands import name_commands
from controller.exits.names.compiling import compiled
from controller.exits.names.exit import REPORTS, NamesExit
from controller.exits.names.explaining import explained
from controller.exits.names.gathering import gathered
from controller.exits.names.inputs import Inputs, State
from controller.exits.names.rtt import Report
from controller.model.load import load_text
from controller.plan.members import Health
from controller.plan.tables import Tables
from controller.plan.tuned import Tuned
from controller.sites.fitness import Condition, Fitness, Name
from controller.sites.placement import SiteState
from controller.spec.codec import encode
from controller.spec.names import Policy
from tests.examples import examples
from tests.fakes.naming import EU, US, asker, choice, memory

FILE = Path(__file__).parent / "data" / "names.yaml"
INTENT = load_text(FILE.read_text(), "names.yaml")
NOTHING = frozenset[str]()
OWNERS = {"shop-east": "east", "shop-west": "west"}
UP, DOWN = Health(True, 1.0), Health(False, 2.0, "refused")
PROBED = "name:shop.example.net"


def fit(yes: bool) -> SiteState:
    return SiteState(Fitness((Condition(Name.EDGES, yes, "1 of 1"),)))


def seen(**more: Any) -> Seen:
    usual = Seen(4, INTENT, Tables(), {}, OWNERS, NOTHING, NOTHING, NOTHING, None)
    return replace(usual, **more)


def state(of: Seen, name: str, connections: Callable[[str, str], int | None] = lambda *_: None) -> State:
    return gathered(of, connections)[f"shop.example.net./{name}"]


# -- what is gathered --------------------------------------------------------------------------------------------


def test_a_vip_is_at_the_site_that_owns_it_and_its_servers_and_capacity_are_known() -> None:
    found = state(seen(owners={"shop-east": "west"}), "shop-east")
    assert (str(found.address), found.site, found.servers, found.capacity) == ("10.0.0.100", "west", 2, 1000)
    assert found.word == ""


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"owners": {}}, "no site owns it"),
        ({"drained": frozenset({"east"})}, "site east is drained"),
        ({"sites": {"west": fit(True)}}, ""),
        ({"sites": {"east": fit(False), "west": fit(True)}}, "site east is not fit"),
        ({"sites": {"east": fit(True)}}, ""),
        ({"verdicts": {"web": {"s1": DOWN, "s2": DOWN}}}, "no server of pool web lives"),
        ({"verdicts": {"web": {"s1": DOWN, "s2": UP}}}, ""),
        (
            {"tables": Tables(tuned={"web": {"s1": Tuned(drain=True)}}), "verdicts": {"web": {"s2": DOWN}}},
            "no server",
        ),
    ],
)
def test_its_sites_word_is_ownership_fitness_and_servers_that_live(more: dict[str, Any], word: str) -> None:
    found = state(seen(**more), "shop-east").word
    assert found.startswith(word)
    assert bool(found) is bool(word)


def test_probes_of_the_candidate_itself_count_beside_it() -> None:
    of = seen(verdicts={PROBED: {"shop-east": DOWN, "far": UP}})
    assert (state(of, "shop-east").up, state(of, "shop-east").why) == (False, "refused")
    assert (state(of, "far").up, state(of, "far").site) == (True, "far")
    assert state(of, "shop-west").up is None


def test_connections_of_servers_are_added_up_as_far_as_they_are_known() -> None:
    counts = {("web", "s1"): 7}
    assert state(seen(), "shop-east", lambda *ref: counts.get(ref)).sessions == 7
    assert state(seen(), "shop-east").sessions is None


# -- the exit ----------------------------------------------------------------------------------------------------


class World:
    """What the exit is handed, and a clock that stands still."""

    boot = "test"

    def __init__(self, of: Seen) -> None:
        self.seen = of
        self.at = 100.0
        self.wakes: list[Callable[[], None]] = []
        self.sink = io.StringIO()
        self.counts: dict[tuple[str, str], int] = {}
        around = Around(
            lambda: self.seen, self.wakes.append, Journal(self.sink), self, lambda *ref: self.counts.get(ref)
        )
        self.exit = NamesExit(around)

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    def change(self, **more: Any) -> None:
        self.seen = replace(self.seen, **more)
        for wake in self.wakes:
            wake()

    @property
    def inputs(self) -> Inputs:
        value = self.exit.inputs.value
        assert value is not None
        return value

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.sink.getvalue().splitlines()]


def test_without_zones_there_is_nothing() -> None:
    world = World(seen(intent=replace(INTENT, zones=())))
    world.exit.look()
    assert world.exit.inputs.value is None
    assert world.exit.shown() is None
    world.change(intent=INTENT)
    world.exit.look()
    assert world.inputs.revision == 4
    world.change(intent=replace(INTENT, zones=()))
    world.exit.look()
    assert world.exit.inputs.value is None


def test_what_does_not_change_answers_is_not_put_again() -> None:
    world = World(seen())
    world.exit.look()
    first = world.inputs
    world.change(revision=9)
    world.exit.look()
    assert world.inputs is first


@pytest.mark.parametrize(
    ("more", "answers", "cause", "why"),
    [
        (
            {"verdicts": {PROBED: {"far": DOWN}}},
            ["shop-east", "shop-west"],
            "verdict",
            "far: probes: refused",
        ),
        ({"owners": {"shop-west": "west"}}, ["shop-west", "far"], "moved", "shop-east: no site owns it"),
        (
            {"drained": frozenset({"east"})},
            ["shop-west", "far"],
            "verdict",
            "shop-east: site east is drained",
        ),
    ],
)
def test_answers_follow_and_it_is_said_why(
    more: dict[str, Any], answers: list[str], cause: str, why: str
) -> None:
    world = World(seen())
    world.exit.look()
    assert not world.events
    world.change(**more)
    world.exit.look()
    event = world.events[-1]
    assert (event["event"], event["name"], event["cause"]) == ("name_answers", "shop.example.net", cause)
    assert (event["answers"], event["before"]) == (answers, ["shop-east", "shop-west", "far"])
    assert event["why"] == why
    content = compiled(world.inputs, memory())
    values = choice(content)(asker("192.0.2.1")).records.values
    assert len(values) == len(
        content.zones["example.net."].balanced["shop.example.net.", "A"].possible[0].values
    )


def test_counts_change_what_is_put_and_are_not_said() -> None:
    world = World(seen())
    world.exit.look()
    world.counts["web", "s1"] = 950
    world.exit.look()
    assert world.inputs.states["shop.example.net./shop-east"].sessions == 950
    assert not world.events
    found = world.exit.explain("shop.example.net", "A", None, None)
    threshold = next(step for step in found.steps if step.policy == "session-threshold")
    assert threshold.kept == ("far",)
    assert threshold.why["shop-east"] == "950 of 1000 connections (95%), limit 90%"


def test_it_follows_what_wakes_it() -> None:
    async def play() -> None:
        world = World(seen())
        put = asyncio.Event()
        world.exit.inputs.subscribe(put.set)
        task = asyncio.create_task(world.exit.run())
        async with asyncio.timeout(20):
            await put.wait()
            put.clear()
            world.change(verdicts={PROBED: {"shop-east": DOWN}})
            await put.wait()
        assert world.inputs.states["shop.example.net./shop-east"].up is False
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(play())


def test_status_has_the_names_and_says_when_none_of_one_lives() -> None:
    world = World(seen())
    world.exit.look()
    shown = world.exit.shown()
    assert shown is not None
    assert shown.problem == ""
    item = {"answers": "shop-east, shop-west, far", "candidates": 3, "live": 3, "not live": None}
    assert shown.items["shop.example.net"] == item
    world.change(owners={}, verdicts={PROBED: {"far": DOWN}})
    world.exit.look()
    shown = world.exit.shown()
    assert shown is not None
    assert shown.problem == "no candidate lives of shop.example.net"
    assert shown.items["shop.example.net"]["answers"] == ""


def test_times_that_name_servers_report_are_put_for_all_in_turn() -> None:
    world = World(seen())
    world.exit.look()
    world.exit.reported(Report("east", {"10.1.0.0/24": 0.02}, (EU,)))
    world.exit.look()
    assert not world.inputs.rtts
    world.at += REPORTS
    world.exit.look()
    assert (world.inputs.rtts, world.inputs.resolvers) == ({"10.1.0.0/24": {"east": 0.02}}, (EU,))
    found = world.exit.explain("shop.example.net", "A", None, None)
    assert found.rtts == {}
    with pytest.raises(ValueError, match='no site is called "mars"; known: east, far, west'):
        world.exit.reported(Report("mars", {}))


# -- explanations ------------------------------------------------------------------------------------------------


def asked(world: World, given: dict[str, str]) -> Mapping[str, object]:
    (command,) = name_commands(world.exit)

    async def run() -> Mapping[str, object]:
        return await command.run(command.arguments(given))

    return asyncio.run(run())


def test_an_explanation_says_each_policys_candidates_in_and_out() -> None:
    world = World(seen(verdicts={PROBED: {"far": DOWN}}))
    said = asked(world, {"name": "SHOP.example.net.", "client": EU})["explanation"]
    assert isinstance(said, dict)
    text = "\n".join(lines(said))
    assert f"shop.example.net A, to {EU}, region eu, change 4" in text
    assert "far = 198.51.100.7, at far, DOES NOT LIVE: probes: refused" in text
    assert "1. health: 3 in, 2 out" in text
    assert "     - far: probes: refused" in text
    assert "2. region: 2 in, 1 out" in text
    assert "answer: 1 of 1, for 5 s, holds for /24 of the client" in text
    assert "203.0.113.1 (shop-east): first in 100.0%" in text


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"name": "nix.example.net"},
            'no service is called "nix.example.net"; balanced names: shop.example.net',
        ),
        (
            {"name": "shop.example.net", "type": "MX"},
            'answers of type "MX" are not explained, write A or AAAA',
        ),
        ({"name": "shop.example.net", "client": "x"}, '"client" of explain_name is "x", write an address'),
    ],
)
def test_what_cannot_be_explained_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(CommandRefused, match=says):
        asked(World(seen()), given)


def test_an_explanation_of_a_name_that_leads_on() -> None:
    world = World(seen(owners={}, verdicts={PROBED: {"far": DOWN}}))
    said = encode(world.exit.explain("shop.example.net", "A", None, None))
    assert isinstance(said, dict)
    assert list(lines(said))[-1] == "answer: CNAME next.example.org., for 5 s"


def ek(*arguments: str, code: int = 0) -> str:
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == code, run.output
    return str(run.output)


def test_a_name_is_explained_by_a_file_alone() -> None:
    out = ek("explain", "name", "shop.example.net", "--client", US, "--file", str(FILE))
    assert "answer: 1 of 1" in out
    assert "10.0.0.101 (shop-west): first in 100.0%" in out
    assert "presumed: VIPs are at their first site" in out
    assert ek("explain-name", "shop.example.net", "--client", US, "--file", str(FILE)) == out
    said = json.loads(ek("explain", "name", "shop.example.net", "--file", str(FILE), "-o", "json"))
    assert [each["candidate"] for each in said["answers"]] == ["shop-east", "shop-west", "far"]
    assert sum(each["first"] for each in said["answers"]) == pytest.approx(1.0)


def test_what_is_no_name_address_or_controller_has_exit_codes(tmp_path: Path) -> None:
    wrong = ExplainName.BAD_INPUT
    assert "balanced names" in ek("explain", "name", "nix", "--file", str(FILE), code=wrong)
    assert "--client is" in ek(
        "explain", "name", "shop.example.net", "--client", "x", "--file", str(FILE), code=wrong
    )
    absent = str(tmp_path / "evenkeel.db")
    assert "is a controller running" in ek(
        "explain", "name", "x", "--state", absent, code=ExplainName.NO_ANSWER
    )
    nothing = ek("explain", "name", "shop.example.net", "--type", "AAAA", "--file", str(FILE), code=1)
    assert "answer: no address" in nothing


@settings(max_examples=examples(40, 1000), deadline=None)
@given(
    some.permutations(["region", "active-servers", "preference", "site-weight", "session-threshold"]),
    some.sampled_from(["weight", "round-robin", "least-selected", ""]),
    some.sampled_from([EU, US, "192.0.2.7"]),
    some.sets(some.sampled_from(["shop-east", "shop-west", "far"])),
)
def test_what_is_explained_is_what_is_answered(
    middle: list[str], order: str, client: str, dead: set[str]
) -> None:
    zone = INTENT.zones[0]
    chain = tuple(map(Policy, ["health", *middle, *([order] if order else [])]))
    service = replace(zone.services[0], policies=chain, answers=1)
    intent = replace(INTENT, zones=(replace(zone, services=(service,)),))
    made = Inputs(
        1, intent.zones, gathered(seen(intent=intent, verdicts={PROBED: dict.fromkeys(dead, DOWN)}), none)
    )
    found = explained(made, "shop.example.net", "A", ip_address(client), None)
    choose = choice(compiled(made, memory()))
    answered = {choose(asker(client)).records.values[0] for _ in range(60)}
    if found.otherwise:
        assert answered == {found.otherwise}
        return
    likely = {each.address for each in found.answers if each.first is None or each.first > 0.2}
    assert likely <= answered <= {each.address for each in found.answers if each.first != 0.0}
    assert choose(asker(client)).scope == found.scope


def none(*_: str) -> None:
    """No server says how many connections it has."""
