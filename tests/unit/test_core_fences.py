"""What the core claims at a fence, and when: never for longer than the authority of what the switch may answer for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address

import pytest

from controller.core import fences as module
from controller.core import switchtask
from controller.core.cells import Cell
from controller.core.fences import Fences
from controller.core.fleet import Fleet
from controller.core.switchtask import SwitchTask
from controller.core.targets import Targets
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from controller.sites.fence.service import FenceService
from controller.sites.fence.wire import PortState
from controller.southbound.errors import WriteRefused
from controller.spec.types import FenceEnd, Intent, Role, Site, Switch, Vip
from tests.fakes.core import Edits, Plain, PlainDriver, SetClock, Watching, journal, play, until

EDGE = Switch(
    "edge1",
    "ovs",
    1,
    "east",
    frozenset({Role.EDGE}),
    "02:45:56:01:00:01",
    fence=(FenceEnd(30, "f0"), FenceEnd(31, "elsewhere")),
)
IDS = {"shop": 1, "api": 2}
SHOP, API = (Vip(name, ip_address(f"10.0.0.10{n}"), "02:45:56:00:01:01", ("east",), ())
             for n, name in enumerate(("shop", "api")))  # fmt: skip
CLAIMED = PortState(up=True, claim=True, since=990.0, until=1010.0, why="")
SILENT = PortState(up=True, claim=False, since=990.0, until=0.0, why="no authority")


class FencedDriver(PlainDriver):
    """A switch that answers for the VIPs whose names it holds."""

    def __init__(self, switch: Switch) -> None:
        super().__init__(switch)
        self.unwatched: list[str] = []
        """Why BFD cannot be set, the next times."""
        self.watched = 0
        self.beyond: set[int] = set()
        """VIPs that were renewed, and that it did not hold."""
        self.gate = asyncio.Event()
        self.gate.set()

    def answers(self, held: Plain) -> frozenset[int]:
        """Their numbers."""
        return frozenset(IDS.get(name, 99) for name in held)

    def allowed(self, want: Plain, left: Mapping[int, float]) -> Plain:
        """Without the names of others."""
        return frozenset(name for name in want if IDS.get(name) in left)

    async def renew(self, want: Plain, left: Mapping[int, float]) -> None:
        """Remember what was granted."""
        self.beyond |= left.keys() - self.answers(self.does.holds)
        await super().renew(want, left)

    async def watch_fence(self) -> str:
        """Nothing is set."""
        self.watched += 1
        return self.unwatched.pop(0) if self.unwatched else ""

    async def write(self, delta: Edits, want: Plain) -> Plain:
        """Write it once that is allowed."""
        await self.gate.wait()
        return await super().write(delta, want)


class One:
    """A fleet of one edge, and what was claimed there."""

    def __init__(self, *vips: Vip) -> None:
        self.clock = SetClock()
        self.journal, self.said = journal()
        self.committed: Cell[PlanInput | None] = Cell("committed", None)
        self.commit(*vips)
        self.fleet = Fleet(Targets(self.committed, PinBook()), self.journal, self.clock)
        self.committed.subscribe(self.fleet.wake)
        self.claims: list[float] = []
        self.fleet.claim = lambda _, until: self.claims.append(until)
        self.driver = FencedDriver(EDGE)

    def commit(self, *vips: Vip) -> None:
        self.committed.put(
            world_of(Intent((Site("east"),), (EDGE,), (), vips), Tables(), PinBook(), frozenset(), {})
        )

    def renew(self, **until: float) -> None:
        self.fleet.renew({IDS[name]: when for name, when in until.items()})

    async def connected(self) -> SwitchTask:
        task = self.fleet.connect(self.driver, Watching())
        await until(lambda: task.synced, "synced")
        return task

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        play(story, self.fleet.run)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchtask, "RETRY", 0.005)
    monkeypatch.setattr(switchtask, "WATCH_AGAIN", 0.005)
    monkeypatch.setattr(module, "LOOK", 0.005)


def test_a_claim_ends_with_the_first_authority_among_what_was_written() -> None:
    it = One(SHOP, API)

    async def body() -> None:
        it.renew(shop=1030.0, api=1020.0)
        await it.connected()
        assert it.claims[-1] == 1020.0
        it.renew(shop=1050.0, api=1040.0)
        assert it.claims[-1] == 1040.0

    it.run(body)


def test_what_another_life_left_in_the_switch_bars_a_claim_until_it_is_gone() -> None:
    it = One(SHOP)

    async def body() -> None:
        it.driver.does.holds = frozenset({"of another site now"})
        it.renew(shop=1030.0)
        await it.connected()
        assert it.claims[0] == 0.0
        assert it.claims[-1] == 1030.0
        assert "of another site now" not in it.driver.does.holds

    it.run(body)


def test_a_vip_that_is_lost_leaves_the_claim_to_the_others_when_its_flows_are_acknowledged_as_gone() -> None:
    it = One(SHOP, API)

    async def body() -> None:
        it.renew(shop=1030.0, api=1020.0)
        task = await it.connected()
        lost = IDS["api"]
        it.driver.gate.clear()
        it.commit(SHOP)
        it.renew(shop=1060.0)
        await asyncio.sleep(0)
        assert it.claims[-1] == 1020.0
        assert lost in task.answering.standing
        it.driver.gate.set()
        await until(lambda: it.claims[-1] == 1060.0)
        assert lost not in task.answering.standing
        assert 0.0 not in it.claims[1:], "no VIP was silenced for it"

    it.run(body)


def test_a_write_that_is_refused_leaves_both_what_was_and_what_was_to_be_standing() -> None:
    it = One(SHOP)

    async def body() -> None:
        it.renew(shop=1030.0)
        task = await it.connected()
        it.driver.does.writes = [WriteRefused("edge1", ["no"])] * 3
        was = IDS["shop"]
        it.commit(API)
        it.renew(api=1090.0)
        await until(lambda: len(it.driver.does.writes) < 3)
        assert was in task.answering.standing
        assert max(it.claims[-2:]) <= 1030.0
        await until(lambda: it.claims[-1] == 1090.0)

    it.run(body)


def test_what_a_refused_write_left_in_doubt_is_settled_by_reading_even_when_nothing_is_to_be_written() -> (
    None
):
    it = One(SHOP)

    async def body() -> None:
        it.renew(shop=1030.0)
        task = await it.connected()
        it.driver.does.writes = [WriteRefused("edge1", ["no"])]
        it.commit(SHOP, API)
        await until(lambda: not it.driver.does.writes)
        it.commit(SHOP)
        it.renew(shop=1060.0)
        await until(lambda: it.claims[-1] == 1060.0)
        assert task.answering.standing == {IDS["shop"]}

    it.run(body)


def test_a_renewal_brings_no_vip_into_a_switch() -> None:
    it = One(SHOP)

    async def body() -> None:
        it.renew(shop=1030.0)
        await it.connected()
        it.driver.does.writes = [WriteRefused("edge1", ["no"])] * 5
        it.commit(SHOP, API)
        while it.driver.does.writes:
            it.clock.time += switchtask.FENCED_RENEWAL
            it.renew(shop=1060.0, api=1060.0)
            await asyncio.sleep(0.001)
        assert it.driver.beyond == set()
        count = len(it.driver.renewed)
        await until(lambda: "api" in it.driver.does.holds)
        it.clock.time += switchtask.FENCED_RENEWAL
        it.renew(shop=1060.0, api=1060.0)
        await until(lambda: len(it.driver.renewed) > count)

    it.run(body)


def test_until_it_was_read_again_a_switch_keeps_the_claim_that_it_had_and_gets_no_longer_one() -> None:
    it = One(SHOP)

    async def body() -> None:
        it.renew(shop=1030.0)
        await it.connected()
        it.fleet.disconnect(EDGE.id)
        before = list(it.claims)
        it.renew(shop=1060.0)
        assert it.claims == before
        it.driver = FencedDriver(EDGE)
        it.driver.does.holds = frozenset({"shop"})
        await it.connected()
        assert it.claims[-1] == 1060.0
        assert 0.0 not in it.claims[len(before) :]

    it.run(body)


def test_timeouts_behind_a_fence_are_renewed_while_there_is_any_authority_but_not_with_every_deadline() -> (
    None
):
    it = One(SHOP)

    async def body() -> None:
        it.renew(shop=1000.8)
        await it.connected()
        it.renew(shop=1000.8)
        await until(lambda: it.driver.renewed)
        count = len(it.driver.renewed)
        for _ in range(5):
            it.renew(shop=1000.9)
            await asyncio.sleep(0.005)
        assert len(it.driver.renewed) == count
        it.clock.time += switchtask.FENCED_RENEWAL
        it.renew(shop=1001.8)
        await until(lambda: len(it.driver.renewed) == count + 1)

    it.run(body)


def test_bfd_is_set_before_anything_is_written_and_tried_again_while_that_fails() -> None:
    it = One(SHOP)

    async def body() -> None:
        it.driver.unwatched = ["no such port", "no such port"]
        it.driver.gate.clear()
        task = it.fleet.connect(it.driver, Watching())
        await until(lambda: it.driver.watched > 0)
        assert it.said.of("fence_unwatched") == [{"switch": "edge1", "why": "no such port"}]
        it.driver.gate.set()
        await until(lambda: not task.fence_unwatched)
        assert it.driver.watched == 3

    it.run(body)


class Speaker(FenceService):
    """One that says what the test sets."""

    def __init__(self) -> None:
        super().__init__("a test", lambda _: None, SetClock())
        self.allowed: dict[str, float] = {}

    def say(self, state: PortState) -> None:
        self._states = {"f0": state}
        self.on_states()

    def allow(self, interface: str, until: float) -> None:
        self.allowed[interface] = until

    async def run(self) -> None:
        await asyncio.Event().wait()


def fences(it: One, speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> Fences:
    monkeypatch.setattr(module, "here", lambda names: names & {"f0"})
    world = it.committed.value
    assert world is not None
    return Fences(Cell("intent", world.intent), it.fleet, speaker, it.journal, it.clock)


def test_claims_go_to_the_speaker_and_what_becomes_of_them_is_said_and_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it, speaker = One(SHOP), Speaker()
    made = fences(it, speaker, monkeypatch)
    begun: list[str] = []
    made.on_claim = lambda task: begun.append(task.switch.name)
    made.claim(EDGE, 1030.0)
    assert speaker.allowed["f0"] == 1030.0

    async def body() -> None:
        await it.connected()
        task = asyncio.create_task(made.run())
        await until(lambda: made.shown(EDGE))
        assert not made.answers(EDGE)
        speaker.say(CLAIMED)
        assert made.answers(EDGE)
        shown = (made.shown(EDGE) or {})["f0"]
        assert (shown.up, shown.claim, shown.age, shown.left, shown.open) == (True, True, 10.0, 10.0, False)
        speaker.say(SILENT)
        assert it.said.pairs()[-2:] == [
            ("fence_claimed", {"switch": "edge1", "interface": "f0"}),
            ("fence_silent", {"switch": "edge1", "interface": "f0", "why": "no authority"}),
        ]
        assert begun == ["edge1"]
        task.cancel()

    it.run(body)


def test_a_port_that_is_live_without_a_claim_is_an_open_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    it, speaker = One(SHOP), Speaker()
    made = fences(it, speaker, monkeypatch)

    async def body() -> None:
        await it.connected()
        it.driver.live = {30}
        task = asyncio.create_task(made.run())
        speaker.say(CLAIMED)
        await asyncio.sleep(0.05)
        assert it.said.of("fence_open") == []
        speaker.say(replace(SILENT, until=1900.0))
        await asyncio.sleep(0.05)
        assert it.said.of("fence_open") == [], "the switch may not have noticed yet"
        it.clock.time += module.NOTICED
        await until(lambda: it.said.of("fence_open"))
        assert it.said.of("fence_open") == [{"switch": "edge1", "interface": "f0", "port": 30}]
        assert made.problem(EDGE) == "fence f0: port 30 is live without a claim; set bfd:enable=true on it"
        it.driver.live = set()
        await until(lambda: not made.problem(EDGE), "it is shut")
        task.cancel()

    it.run(body)


def test_a_switch_without_a_fence_answers_by_its_flows_and_one_whose_cable_is_not_here_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = fences(One(SHOP), Speaker(), monkeypatch)
    plain = replace(EDGE, fence=())
    assert made.answers(plain)
    assert made.shown(plain) is None
    assert made.problem(plain) == ""
    assert made.problem(EDGE) == "fence: no interface f0, elsewhere here, so nothing is claimed"


def test_a_switch_is_given_no_answer_whose_authority_has_ended_and_all_of_them_when_there_is_some_again() -> (
    None
):
    it = One(SHOP, API)

    async def body() -> None:
        it.renew(shop=999.0, api=1030.0)
        task = await it.connected()
        assert it.driver.does.holds == {"api"}
        it.renew(shop=1001.0, api=1030.0)
        await until(lambda: it.driver.does.holds == {"shop", "api"})
        it.clock.time = 1002.0
        task.wake.set()
        await until(lambda: it.driver.does.holds == {"api"})

    it.run(body)
