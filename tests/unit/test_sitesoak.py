"""The soak of two sites: replayable faults, each undone, and what follows from several at once."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_sitedemo import DIES, FULLNAT, NAT, OLD, SCALE, STAGE, connection
from topo import intent, model
from topo.cli import soak as command
from topo.demo.actors import DemoError
from topo.lab import Lab
from topo.plan import plan
from topo.sitedemo import run as demo
from topo.sitedemo.events import ASKED, SCALES, TAKEOVER_MS
from topo.sitedemo.judge import Judge, Verdict
from topo.sitesoak import run
from topo.sitesoak.faults import BOTH, LASTS, LEADER, OF_AGENTS, Episode, Fault, Kind, Setting, unowned_ms
from topo.sitesoak.play import SoakPlay
from topo.sitesoak.schedule import DRAWN, compatible, draw, fitting, named, suite
from topo.sitesoak.spans import Did, apart, ownerless, seconds
from topo.sitesoak.waits import Waits

FABRIC = plan(model.load("two-site-small"))
NODES = demo.nodes_of(FABRIC, 2)
PLAIN = Setting.of(FABRIC, STAGE, NODES)
"""The controller that leads owns VIPs."""
SETTING = Setting.of(plan(model.load("two-site-small").with_agents()), STAGE, NODES)
NAMES = {*SETTING.sites, *SETTING.links, *SETTING.wans, *SETTING.controllers, *SETTING.members}
NAMES |= {*SETTING.servers, *SETTING.lbs, LEADER, ""}


def drawn(seed: int, count: int, kinds: Sequence[Kind] = tuple(Kind)) -> list[Episode]:
    return list(islice(draw(seed, "two-site-small", "ovs", SETTING, kinds), count))


# -- what is played


@given(st.integers(0, 10_000))
def test_a_seed_always_gives_the_same_faults_and_each_kind_has_its_turn(seed: int) -> None:
    episodes = drawn(seed, 2 * len(Kind))
    assert episodes == drawn(seed, 2 * len(Kind))
    for hand in (episodes[: len(Kind)], episodes[len(Kind) :]):
        assert {one.faults[0].kind for one in hand} == set(Kind)
    for fault in (one for episode in episodes for one in episode.faults):
        assert fault.target in NAMES
        assert LASTS[fault.kind][0] <= fault.lasts <= LASTS[fault.kind][1]
    assert all(compatible(*one.faults) for one in episodes if len(one.faults) > 1)


def test_other_seeds_and_kinds_of_switches_give_other_faults_and_pairs_are_among_them() -> None:
    assert drawn(1, 20) != drawn(2, 20)
    assert drawn(1, 20) != list(islice(draw(1, "two-site-small", "embedded", SETTING, tuple(Kind)), 20))
    assert {len(one.faults) for one in drawn(1, 40)} == {1, 2}
    assert {fault.kind for one in drawn(1, 40, (Kind.LINK,)) for fault in one.faults} == {Kind.LINK}


def test_two_faults_of_one_part_or_of_both_sites_are_no_pair() -> None:
    east, west = Fault(Kind.SITE, "east"), Fault(Kind.SITE_CUT, "west")
    assert not compatible(east, west)
    assert not compatible(Fault(Kind.KILLED, "ctl"), Fault(Kind.STOPPED, "ctl"))
    assert not compatible(Fault(Kind.LINK, "x1"), Fault(Kind.LINKS))
    assert compatible(Fault(Kind.LINK, "x1"), Fault(Kind.LINK, "x2"))
    assert compatible(east, Fault(Kind.SERVERS, "west"))


def test_the_suite_has_each_kind_by_itself_the_named_pairs_and_as_many_drawn_ones() -> None:
    found = suite(1, SETTING)
    assert found == suite(1, SETTING) != suite(2, SETTING)
    assert [one.faults[0].kind for one in found[: len(Kind)]] == sorted(Kind)
    assert all(len(one.faults) == 1 for one in found[: len(Kind)])
    pairs = found[-DRAWN:]
    assert len(found) == len(Kind) + len(named(SETTING)) + DRAWN
    assert all(len(one.faults) == 2 for one in pairs)
    assert len({one.name for one in pairs}) > DRAWN / 2
    has = {frozenset(fault.kind for fault in one.faults) for one in named(SETTING)}
    assert {
        frozenset({Kind.MEMBER, Kind.KILLED}),
        frozenset({Kind.MEMBERS}),
        frozenset({Kind.MEMBER_FULL}),
    } <= has
    few = suite(1, SETTING, (Kind.LINK,))
    assert {fault.kind for one in few for fault in one.faults} == {Kind.LINK}


def test_as_many_episodes_are_planned_as_fit() -> None:
    few, many = (fitting(iter(drawn(1, 200)), each) for each in (30.0, 900.0))
    assert 1 <= len(few) < len(many)
    assert many[: len(few)] == few


# -- what follows from several at once


def did(kind: Kind, target: str = "", begin: float = 0.0, end: float = 10.0) -> Did:
    return Did(Fault(kind, target), begin, end)


@pytest.mark.parametrize(
    ("faults", "spans"),
    [
        ([did(Kind.LINKS)], [(0.0, 10.0)]),
        ([did(Kind.LINK, "x1")], []),
        ([did(Kind.LINK, "x1"), did(Kind.LINK, "x2", 4.0, 12.0)], [(4.0, 10.0)]),
        ([did(Kind.SITE_CUT, "east", 1.0, 5.0), did(Kind.LINKS, "", 3.0, 7.0)], [(1.0, 7.0)]),
        ([did(Kind.LINKS, "", 0.0, 2.0), did(Kind.LINKS, "", 5.0, 6.0)], [(0.0, 2.0), (5.0, 6.0)]),
        ([did(Kind.SITE, "east")], []),
    ],
)
def test_sites_are_apart_while_no_link_between_them_carries(
    faults: list[Did], spans: list[tuple[float, float]]
) -> None:
    assert apart(faults, SETTING) == spans


@pytest.mark.parametrize(
    ("faults", "plain", "agents"),
    [
        ([did(Kind.MEMBER, "etcde")], 0.0, 0.0),
        ([did(Kind.MEMBERS, "witness")], 10.0, 10.0),
        ([did(Kind.MEMBER, "etcde"), did(Kind.MEMBER_FULL, "witness", 7.0, 12.0)], 3.0, 3.0),
        ([did(Kind.SITE, "east"), did(Kind.MEMBER, "witness", 2.0, 4.0)], 2.0, 2.0),
        ([did(Kind.SITE_CUT, "east"), did(Kind.MEMBER, "etcdw", 2.0, 4.0)], 2.0, 2.0),
        ([did(Kind.SITE_CUT, "east"), did(Kind.MEMBER, "etcde", 2.0, 4.0)], 0.0, 0.0),
        ([did(Kind.LBS, "east"), did(Kind.EDGES, "west", 5.0, 20.0)], 5.0, 5.0),
        ([did(Kind.LB, "lbe1"), did(Kind.LB, "lbe2"), did(Kind.SITE, "west")], 10.0, 10.0),
        ([did(Kind.KILLED, "ctl"), did(Kind.STOPPED, "ctl3")], 0.0, 0.0),
        ([did(Kind.SITE, "east"), did(Kind.KILLED, "ctl3"), did(Kind.STOPPED, "ctl4", 1.0, 2.0)], 1.0, 0.0),
        ([did(Kind.AGENT_KILLED, "ctl"), did(Kind.AGENT_STOPPED, "ctl3")], 0.0, 0.0),
        ([did(Kind.SITE, "west"), did(Kind.AGENT_KILLED, "ctl"), did(Kind.AGENT_STOPPED, "ctl2")], 0.0, 10.0),
    ],
)
def test_nothing_is_promised_of_owners_without_quorum_those_who_own_or_fit_sites(
    faults: list[Did], plain: float, agents: float
) -> None:
    assert seconds(ownerless(faults, SETTING)) == agents
    if not any(one.fault.kind in OF_AGENTS for one in faults):
        assert seconds(ownerless(faults, PLAIN)) == plain


def test_a_fault_costs_a_takeover_only_where_it_meets_the_leader() -> None:
    killed = Fault(Kind.KILLED, "ctl")
    assert unowned_ms(killed, True, SCALE) == TAKEOVER_MS
    assert unowned_ms(killed, False, SCALE) == ASKED
    site = Fault(Kind.SITE, "east")
    assert unowned_ms(site, True, SCALE) > unowned_ms(site, False, SCALE) == SCALE.gone_ms + ASKED
    assert all(unowned_ms(Fault(kind), False, SCALE) >= ASKED for kind in Kind)
    owned = next(one for one in SCALES if one.agents)
    assert unowned_ms(killed, True, owned) == ASKED
    assert unowned_ms(site, True, owned) == owned.gone_ms + ASKED
    agent = Fault(Kind.AGENT_KILLED, "ctl")
    assert unowned_ms(agent, False, owned) == ASKED < unowned_ms(agent, False, owned, alone=True)


def test_there_is_nothing_for_agents_where_they_own_no_vips() -> None:
    assert set(Kind) - set(PLAIN.kinds()) == set(OF_AGENTS)
    assert set(SETTING.kinds()) == set(Kind)
    plain = islice(draw(1, "two-site-small", "embedded", PLAIN, tuple(Kind)), 60)
    assert not {fault.kind for one in plain for fault in one.faults} & set(OF_AGENTS)
    assert not {fault.kind for one in suite(1, PLAIN) for fault in one.faults} & set(OF_AGENTS)
    with pytest.raises(ValueError, match="there is nothing for agent_killed"):
        next(draw(1, "two-site-small", "embedded", PLAIN, (Kind.AGENT_KILLED,)))


# -- the judge's


@pytest.mark.parametrize(
    ("cut", "verdict"),
    [(STAGE.given_up, Verdict.UNREACHABLE), (STAGE.given_up - STAGE.up_again - 1.0, Verdict.BROKEN)],
    ids=["as long as it takes to give up", "shorter than that"],
)
def test_connections_of_servers_that_were_cut_off_for_long_may_end(cut: float, verdict: Verdict) -> None:
    one = connection(NAT, "se1", OLD, failed=1008.0 + STAGE.given_up)
    judge = Judge(STAGE, (), (), (), cuts=((1008.0, 1008.0 + cut),))
    assert judge.judge(one).verdict is verdict
    astray = connection(NAT, "se1", OLD, failed=1008.0 + STAGE.given_up, kind="misdirected")
    assert judge.judge(astray).verdict is Verdict.BROKEN


def test_what_was_said_while_no_controller_heard_it_made_no_pin() -> None:
    one = connection(NAT, "se1", [1001.0, 1007.0], failed=1012.0)
    moved = (1001.5,)
    assert Judge(STAGE, (DIES,), moved, ()).judge(one).verdict is Verdict.BROKEN
    assert Judge(STAGE, (DIES,), moved, (), deaf=((1006.5, 1025.0),)).judge(one).verdict is Verdict.AT_RISK


def test_only_the_servers_that_were_killed_excuse_connections() -> None:
    one_died = replace(DIES, cast=replace(DIES.cast, servers=("sw2",)))
    gone = connection(NAT, "sw2", OLD, failed=1012.0)
    lives = connection(NAT, "sw1", OLD, failed=1012.0, client="ce")
    assert Judge(STAGE, (one_died,), (), ()).judge(gone).verdict is Verdict.SERVER_DIED
    assert Judge(STAGE, (one_died,), (), ()).judge(lives).verdict is Verdict.BROKEN
    assert Judge(STAGE, (one_died,), (), ()).judge(replace(lives, listener=FULLNAT)).verdict is Verdict.BROKEN


# -- each fault is undone


class Parts:
    """Stands in for a lab and its controllers: what is down, by name."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.fabric = FABRIC
        self.wan = SimpleNamespace(cut=self.cut, of_site=self.of_site)
        self.members = SimpleNamespace(
            fill=self.down.add,
            empty=self.down.discard,
            running=lambda name: name not in self.down,
            leader=lambda: "witness",
        )
        self.clocks: dict[str, float] = {}

    def of_site(self, site: str) -> list[str]:
        return [*SETTING.links, *(name for name, pair in SETTING.wans.items() if site in pair)]

    def cut(self, path: str, ways: Sequence[str] = ("back", "forth")) -> None:
        (self.down.add if ways else self.down.discard)(path)

    def fail(self, name: str) -> None:
        self.down |= set(self.of_site(name)) | {name} if name in SETTING.sites else {name}

    def heal(self, name: str) -> None:
        """Of a site all that lies in it."""
        inside = {each for each in self.down if name in SETTING.sites and self.site_of(each) == name}
        self.down -= {name, *inside, *(self.of_site(name) if name in SETTING.sites else ())}

    @staticmethod
    def site_of(name: str) -> str:
        return FABRIC.site_of(name) if name in FABRIC.nodes else ""


class Agents:
    """What the play asks of them; one that is down is called agent NODE."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.all = {node: SimpleNamespace(running=True) for node in SETTING.agents}

    def acting(self, site: str) -> str:
        return next(node for node, at in SETTING.agents.items() if at == site)

    def kill(self, nodes: Sequence[str]) -> None:
        self._parts.down |= {f"agent {node}" for node in nodes}

    def start(self, nodes: Sequence[str]) -> None:
        self._parts.down -= {f"agent {node}" for node in nodes}

    def signal(self, nodes: Sequence[str], number: int) -> None:
        (self.kill if number == 19 else self.start)(nodes)


class Controllers:
    """What the play asks of them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.all = {node: SimpleNamespace(running=True) for node in SETTING.controllers}

    def leader(self) -> Any:
        return SimpleNamespace(node="ctl3")

    def of_site(self, site: str) -> list[str]:
        return [node for node, at in SETTING.controllers.items() if at == site]

    def kill(self, nodes: Sequence[str]) -> None:
        self._parts.down |= set(nodes)

    end = kill

    def start(self, nodes: Sequence[str]) -> None:
        self._parts.down -= set(nodes)

    def signal(self, nodes: Sequence[str], number: int) -> None:
        (self.kill if number == 19 else self.start)(nodes)


class Played(SoakPlay):
    """In such a lab, where no time passes."""

    def __init__(self) -> None:
        self.parts = Parts()
        self._lab, self.setting, self._stage = cast(Lab, self.parts), SETTING, STAGE
        self.controllers = cast(Any, Controllers(self.parts))
        self.agents = cast(Any, Agents(self.parts))

    def _step(self, node: str, seconds: float) -> None:
        self.parts.clocks[node] = seconds

    def _watch(self, until: float) -> None:
        return None


@pytest.mark.parametrize("kind", list(Kind))
def test_every_fault_breaks_something_that_is_whole_again_when_it_is_undone(kind: Kind) -> None:
    one = Played()
    for target in SETTING.targets(kind):
        fault = one._cast_fault(Fault(kind, target, SETTING.values(kind)[0]))
        assert fault.target != LEADER
        one._do(fault)
        assert one.parts.down or any(one.parts.clocks.values())
        one._undo(fault, [])
        assert one.parts.down == set()
        assert not any(one.parts.clocks.values())


@given(st.integers(0, 300))
def test_after_a_pair_all_is_whole_whichever_is_undone_first(seed: int) -> None:
    one = Played()
    for episode in drawn(seed, 30):
        found = one._done(episode, 0.0)
        assert one.parts.down == set(), episode.title
        assert sorted(each.fault.kind for each in found) == sorted(each.kind for each in episode.faults)


@pytest.mark.parametrize(
    ("fault", "sites", "lbs_die"),
    [
        (Fault(Kind.SITE_CUT, "west"), ["east", "west"], True),
        (Fault(Kind.WAN, "wan1", BOTH), ["east", "west"], True),
        (Fault(Kind.WAN, "wan2", BOTH), [""], False),
        (Fault(Kind.LB, "lbw1"), ["west"], True),
        (Fault(Kind.SITE, "east"), ["east"], True),
        (Fault(Kind.SERVER, "se1"), ["east"], False),
        (Fault(Kind.LINKS), [""], False),
    ],
)
def test_lb_switches_change_where_they_die_or_are_cut_off_from_controllers(
    fault: Fault, sites: list[str], lbs_die: bool
) -> None:
    assert SETTING.wans["wan1"] == ("east", "west")
    one, done = Played(), Did(fault, 0.0, 5.0)
    assert list(one._sites_of(done)) == sites
    assert one._event(done, one._base("ctl", "witness")).lbs_die is lbs_die


def test_what_lies_in_a_dead_site_comes_back_with_it() -> None:
    one = Played()
    lb, site = Fault(Kind.LB, "lbe1"), Fault(Kind.SITE, "east")
    link, node = Fault(Kind.LINK, "x1", BOTH), Fault(Kind.KILLED, "ctl")
    for fault in (lb, link, node, site):
        one._do(fault)
    for fault in (lb, link, node):
        one._undo(fault, [site])
    assert {"lbe1", "x1", "ctl", "east"} <= one.parts.down
    one._undo(site, [])
    assert one.parts.down == set()


class Unhealthy(Played):
    """It does not come back; a controller has paused for so long, and did so little in that time."""

    def __init__(self, node: str, worked: float) -> None:
        super().__init__()
        self._happened, self.notes, self._deaf, self._scale = [], [], [], SCALE
        self._clients = [cast(Any, SimpleNamespace(log=SimpleNamespace(lag=0.0)))]
        self._said = []
        self._waits = Waits(lambda _pid: 0.0)
        self._node, self._worked = node, worked

    def _await_health(self, within: float) -> str:
        now = time.monotonic()
        said = {
            "t": now,
            "event": "paused",
            "seconds": 100.0,
            "worked": self._worked,
            "controller": self._node,
        }
        self._said.append(said)
        return "no controller leads"

    def _say(self, line: str) -> None:
        return None

    def _processes(self) -> tuple[Collection[str], Collection[str]]:
        return SETTING.controllers, SETTING.lbs


EPISODE = Episode((Fault(Kind.STOPPED, "ctl"),))


def test_a_machine_that_gives_controllers_no_processor_is_not_judged() -> None:
    with pytest.raises(DemoError, match="the machine is too busy: controllers had no processor for 100 s"):
        Unhealthy("ctl3", worked=1.0)._episode(EPISODE, 0.0)


@pytest.mark.parametrize(("node", "worked"), [("ctl", 1.0), ("ctl3", 90.0)], ids=["stopped by us", "at work"])
def test_a_fabric_that_does_not_come_back_for_another_reason_is(node: str, worked: float) -> None:
    one = Unhealthy(node, worked)
    one._episode(EPISODE, 0.0)
    (happened,) = one._happened
    assert (happened.healthy, happened.why) == (None, "no controller leads")
    assert one.notes[0].starved == 0.0
    assert happened.bounds is not None
    assert happened.bounds.unowned == ASKED


def test_what_processes_waited_for_a_processor_is_added_up_by_part() -> None:
    waited: dict[int, float] = {1: 5.0, 2: 1.0}
    waits = Waits(waited.get)
    waits.look({"ctl": [1], "lbe1": [2]})
    assert waits.take() == {"ctl": 0.0, "lbe1": 0.0}, "what was before counts not"
    waited |= {1: 5.5, 3: 0.25}
    waits.look({"ctl": [1], "lbe1": [3, 4]})
    waited[1] = 6.5
    waits.look({"ctl": [1]})
    assert waits.take() == {"ctl": 1.5, "lbe1": 0.25}
    assert waits.take() == {}


# -- the command


def test_the_plan_is_printed_and_nothing_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        command.soak(topology="two-site-small", minutes=2.0, plan=True, json_out=True, only="link,site") == 0
    )
    made = json.loads(capsys.readouterr().out)
    assert {fault["kind"] for one in made for fault in one["faults"]} == {"link", "site"}
    options = run.Options(cast(Any, None), minutes=2.0, kinds=(Kind.LINK, Kind.SITE))
    assert [one["name"] for one in made] == [one.name for one in run.planned(options)]
    assert command.soak(topology="two-site-small", suite=True, plan=True) == 0
    assert "all members of the store but witness killed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"topology": "two-site-small", "sabotage": True}, "topologies of one site"),
        ({"topology": "two-site-small", "only": "weights"}, "no kind of fault is called weights"),
        ({"topology": "two-site-small", "only": "link", "without": "link"}, "no kind of fault is left"),
        ({"topology": "two-site-small", "switch": "tofino"}, "choose one of ovs, bmv2, embedded"),
        ({"suite": True}, "--suite is for topologies of two sites"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.soak(plan=True, **options) == 2
    assert said in capsys.readouterr().out.replace("\n", " ")


def test_servers_are_given_up_after_a_verdict_and_what_they_may_keep() -> None:
    document = intent.intent(FABRIC)
    assert document["pools"][0]["on_down"]["keep_for"] == "10s"
    assert (STAGE.given_up, STAGE.up_again) == (12.0, 3.0)
