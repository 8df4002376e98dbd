"""Where events go, and what becomes of switches that are renamed, removed, strangers, or two with one id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core import controller as module
from controller.core.fleet import SwitchTask
from controller.core.presence import DISCOVERY_WAIT
from controller.core.rollout import DRAIN_DEADLINE
from controller.core.twins import TURNS
from controller.southbound.openflow import events as openflow
from controller.southbound.p4 import events as p4
from controller.southbound.p4.session import P4Session
from controller.spec.types import Intent, Switch
from p4src.ids import Reason
from tests.fakes.core import Edits, Plain, PlainDriver, Stream, Whole, intent_file, play, until, whole


class Dialler:
    """Keeps whom it was asked to connect to."""

    def __init__(self) -> None:
        self.terms: dict[str, int] = {}
        self.addresses: dict[str, str] = {}
        self.released: list[str] = []

    def connect(self, name: str, address: str, device_id: int, term: int) -> None:
        self.terms[name] = term
        self.addresses[name] = address

    def rename(self, names: Mapping[str, str]) -> None:
        self.terms = {names.get(name, name): term for name, term in self.terms.items()}
        self.addresses = {names.get(name, name): address for name, address in self.addresses.items()}

    def release(self, name: str) -> None:
        self.terms.pop(name, None)
        self.released.append(name)


class Core:
    """A whole controller whose switches hold words."""

    def __init__(self, it: Whole) -> None:
        self.it, self.app, self.core = it, it.app, it.app.controller
        self.drivers: dict[str, PlainDriver] = {}
        self.dialler = Dialler()
        self.core.dialler = self.dialler
        object.__setattr__(self.core._p, "driver", self._driver)

    def _driver(self, switch: Switch, session: object) -> PlainDriver:
        assert isinstance(session, Stream)
        made = self.drivers[switch.name] = PlainDriver(switch)
        made.stream = session
        return made

    @property
    def intent(self) -> Intent:
        return self.app.state.intent.value

    def switch(self, name: str) -> Switch:
        return next(switch for switch in self.intent.switches if switch.name == name)

    def connect(self, *names: str) -> None:
        for name in names:
            self.core.handle(openflow.Connected(Stream(self.switch(name).id)))  # type: ignore[arg-type]

    def disconnect(self, name: str) -> None:
        self.core.handle(openflow.Disconnected(self.drivers[name].stream))  # type: ignore[arg-type]

    def task(self, name: str) -> SwitchTask:
        found = self.app.fleet.get(name)
        assert found is not None, name
        return found

    async def synced(self, *names: str) -> None:
        await until(lambda: all(self.app.fleet.is_synced(name) for name in names), f"{names} synced")

    def propose(self, new: Intent) -> None:
        assert self.app.intents.propose(new) == []

    def without(self, name: str) -> Intent:
        """The intent without a switch."""
        switches = tuple(
            replace(s, ports=tuple(p for p in s.ports if p.to != name))
            for s in self.intent.switches
            if s.name != name
        )
        return replace(self.intent, switches=switches)

    def renamed(self, old: str, new: str) -> Intent:
        """The intent with a switch that is called otherwise."""

        def called(name: str) -> str:
            return new if name == old else name

        switches = tuple(
            replace(
                s, name=called(s.name), ports=tuple(replace(port, to=called(port.to)) for port in s.ports)
            )
            for s in self.intent.switches
        )
        return replace(self.intent, switches=switches)

    def play(self, story: object) -> None:
        """Run a story beside the controller's own tasks."""
        play(story, self.app.state.run, self.app.fleet.run, self.app.timers.run)  # type: ignore[arg-type]


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return Core(whole(intent_file(tmp_path / "intent.yaml", "pair")))


@pytest.fixture
def p4core(tmp_path: Path) -> Core:
    return Core(whole(intent_file(tmp_path / "intent.yaml", "pair", "embedded")))


class Session(P4Session):
    """A P4 switch's stream without a switch."""

    def __init__(self, number: int) -> None:
        self.name, self.id, self.alive = "lb1", number, True


# -- events ---------------------------------------------------------------------------------------------------------


def test_an_event_that_raises_is_said_and_ends_nothing(core: Core) -> None:
    async def body() -> None:
        core.connect("lb1")
        await core.synced("lb1")
        # No such reason: whoever reads it fails.
        core.core.handle(p4.Report(Session(core.switch("lb1").id), 250, 1, 1, 1, 1))  # type: ignore[arg-type]
        (said,) = core.it.said.of("failure")
        assert said["report"] == "Report"
        assert "250" in said["error"]
        core.connect("lb2")
        await core.synced("lb2")
        assert core.app.fleet.is_synced("lb1")

    core.play(body)


def test_reports_of_switches_that_are_not_ours_are_dropped(core: Core) -> None:
    core.core.handle(p4.PinEnded(Session(0xDEAD), 1, 1, 1))  # type: ignore[arg-type]
    core.core.handle(p4.Punted(Session(0xDEAD), int(Reason.HELLO), 1, 0, 0, 0, b"no hello"))
    assert core.it.said.of("failure") == []
    assert core.app.hellos.counts["unauthenticated"] == 1


def test_what_a_switch_refused_is_said_with_its_name(core: Core) -> None:
    core.core.handle(openflow.Refused(Stream(1), "bad request"))  # type: ignore[arg-type]
    assert core.it.said.of("refused")[0]["what"] == "bad request"


def test_a_stranger_is_said_once_shown_while_it_is_here_and_forgotten_when_it_goes(core: Core) -> None:
    for _ in range(3):
        core.core.handle(openflow.Stranger(0xFF, "192.0.2.9:4711", True))
    core.core.handle(openflow.Connected(Stream(0xFF)))  # type: ignore[arg-type]
    assert core.it.said.of("stranger") == [
        {"id": "00000000000000ff", "address": "192.0.2.9:4711", "why": "no switch of the intent has this id"}
    ]
    assert core.app.snapshot().strangers == ("00000000000000ff at 192.0.2.9:4711",)
    assert core.app.fleet.names() == set()
    core.core.handle(openflow.Stranger(0xFF, "192.0.2.9:4711", False))
    assert core.app.snapshot().strangers == ()


def test_a_p4_switch_that_cannot_be_reached_is_said_once_and_gone_after_two_refusals(p4core: Core) -> None:
    core = p4core
    core.app.state.admitted.put(frozenset({"lb1", "lb2"}))
    core.core.handle(p4.Unreachable("lb1", "refused", True))
    core.core.handle(p4.Unreachable("lb1", "refused", False))
    assert core.it.said.of("unreachable") == [{"switch": "lb1", "why": "refused"}]
    assert core.app.presence.absent == {"lb1"}
    assert core.app.presence.admitted == {"lb2"}


def test_two_switches_with_one_id_are_said(core: Core) -> None:
    async def body() -> None:
        for _ in range(TURNS + 1):
            core.connect("lb1")
            await asyncio.sleep(0)
        (said,) = core.it.said.of("switch_twice")
        assert (said["switch"], said["id"]) == ("lb1", f"{core.switch('lb1').id:#x}")

    core.play(body)


# -- switches come and go -------------------------------------------------------------------------------------------


def test_a_switch_that_is_synced_is_admitted_and_withdrawn_when_its_stream_ends(core: Core) -> None:
    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await until(lambda: core.app.presence.admitted == {"lb1", "lb2"}, "both are admitted")
        core.disconnect("lb1")
        assert core.app.presence.admitted == {"lb2"}
        assert "lb1" in core.app.presence.absent
        assert core.app.fleet.names() == {"edge1", "lb2", "leaf1"}
        assert core.it.said.of("switch_down") == [{"switch": "lb1"}]
        core.disconnect("lb1")
        assert len(core.it.said.of("switch_down")) == 1, "an end of a stream that was replaced is none"
        core.connect("lb1")
        await until(lambda: core.app.presence.admitted == {"lb1", "lb2"}, "it is used again")
        assert core.app.presence.absent == frozenset()

    core.play(body)


def test_the_end_of_an_older_stream_does_not_end_the_newer_one(core: Core) -> None:
    async def body() -> None:
        core.connect("lb1")
        await core.synced("lb1")
        old = core.drivers["lb1"].stream
        core.connect("lb1")
        core.core.handle(openflow.Disconnected(old))  # type: ignore[arg-type]
        await core.synced("lb1")
        assert core.drivers["lb1"].alive

    core.play(body)


def test_a_switch_that_the_intent_no_longer_names_is_emptied_and_let_go(core: Core) -> None:
    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await until(lambda: core.app.presence.admitted == {"lb1", "lb2"}, "both are admitted")
        number, driver = core.switch("lb2").id, core.drivers["lb2"]
        assert driver.does.holds
        changes: list[set[int]] = []
        core.core.on_switches = lambda: changes.append(set(core.core.cookies))
        core.propose(core.without("lb2"))
        await until(lambda: "lb2" not in core.app.fleet, "it is let go")
        assert driver.does.holds == frozenset()
        assert driver.aborted == 1
        assert core.app.presence.admitted == {"lb1"}
        assert number in changes[0], "its reports are ours while it is emptied"
        assert number not in changes[-1]
        assert [e["switch"] for e in core.it.said.of("switch_leaves")] == ["lb2"]
        assert [e["switch"] for e in core.it.said.of("switch_emptied")] == ["lb2"]
        assert core.app.fleet.names() == {"edge1", "lb1", "leaf1"}

    core.play(body)


def test_a_removed_switch_is_not_emptied_before_the_others_have_left_it_out(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await core.synced("edge1", "lb1", "lb2", "leaf1")
        edge = core.task("edge1")
        behind = True
        monkeypatch.setattr(edge, "may_use", lambda _: behind)
        # The port stays declared: the intent forgets the switch, not the cable.
        core.propose(replace(core.intent, switches=tuple(s for s in core.intent.switches if s.name != "lb2")))
        await until(lambda: core.it.said.of("switch_leaves"), "it leaves")
        await asyncio.sleep(3 * module._LOOK)
        assert core.drivers["lb2"].does.holds, "the edge may still send there"
        behind = False
        await until(lambda: "lb2" not in core.app.fleet, "it is emptied")

    core.play(body)


def test_a_removed_switch_that_others_never_leave_is_emptied_after_the_bound(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await core.synced("edge1", "lb1", "lb2", "leaf1")
        monkeypatch.setattr(core.task("edge1"), "may_use", lambda _: True)
        core.propose(replace(core.intent, switches=tuple(s for s in core.intent.switches if s.name != "lb2")))
        await until(lambda: core.it.said.of("switch_leaves"), "it leaves")
        core.it.clock.time += DRAIN_DEADLINE
        await until(lambda: "lb2" not in core.app.fleet, "it is emptied")

    core.play(body)


def test_a_switch_that_goes_while_it_is_emptied_is_let_go(core: Core) -> None:
    async def body() -> None:
        core.connect("lb1", "lb2")
        await core.synced("lb1", "lb2")
        driver = core.drivers["lb2"]
        number = driver.switch.id
        driver.does.writes = [ZeroDivisionError("never emptied")]
        core.propose(core.without("lb2"))
        await until(lambda: driver.aborted, "its stream is cut")
        core.core.handle(openflow.Disconnected(driver.stream))  # type: ignore[arg-type]
        assert number not in core.core.cookies
        assert "lb2" not in core.app.presence.absent

    core.play(body)


def test_a_removed_switch_whose_stream_ends_before_it_is_emptied_is_a_stranger_when_it_returns(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was ours by its cookie and nobody's by the intent: neither emptied nor said."""

    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await core.synced("edge1", "lb1", "lb2", "leaf1")
        monkeypatch.setattr(core.task("edge1"), "may_use", lambda _: True)
        number = core.switch("lb2").id
        core.propose(replace(core.intent, switches=tuple(s for s in core.intent.switches if s.name != "lb2")))
        await until(lambda: core.it.said.of("switch_leaves"), "it leaves")
        core.disconnect("lb2")
        assert number not in core.core.cookies
        assert "lb2" not in core.app.presence.absent

    core.play(body)


def test_a_switch_that_is_named_again_before_it_is_emptied_stays(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await core.synced("edge1", "lb1", "lb2", "leaf1")
        monkeypatch.setattr(core.task("edge1"), "may_use", lambda _: True)
        old = core.intent
        core.propose(replace(old, switches=tuple(s for s in old.switches if s.name != "lb2")))
        await until(lambda: core.it.said.of("switch_leaves"), "it leaves")
        revision = core.it.world.revision
        core.propose(old)
        await until(lambda: core.it.world.revision > revision, "it is named again")
        core.it.clock.time += DRAIN_DEADLINE
        await asyncio.sleep(3 * module._LOOK)
        assert core.it.said.of("switch_emptied") == []
        assert core.app.fleet.is_synced("lb2")
        assert old.switches[0].id in core.core.cookies

    core.play(body)


def test_a_switch_that_is_named_again_while_it_is_emptied_is_ours_when_it_returns(core: Core) -> None:
    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await core.synced("edge1", "lb1", "lb2", "leaf1")
        old, number, task = core.intent, core.switch("lb2").id, core.task("lb2")
        hold = asyncio.Event()
        write = core.drivers["lb2"].write

        async def slow(delta: Edits, want: Plain) -> Plain:
            await hold.wait()
            return await write(delta, want)

        core.drivers["lb2"].write = slow  # type: ignore[method-assign]
        core.propose(core.without("lb2"))
        await until(lambda: task.leaving, "it is being emptied")
        revision = core.it.world.revision
        core.propose(old)
        await until(lambda: core.it.world.revision > revision, "it is named again")
        hold.set()
        await until(lambda: core.it.said.of("switch_emptied"), "it is emptied")
        assert number in core.core.cookies
        core.connect("lb2")
        await core.synced("lb2")

    core.play(body)


def test_a_switch_that_takes_the_name_of_one_that_is_removed_takes_its_place(core: Core) -> None:
    """A switch was replaced by another one, with an id of its own and the same name."""

    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await core.synced("edge1", "lb1", "lb2", "leaf1")
        number, former = core.switch("lb2").id, core.drivers["lb2"]
        switches = tuple(replace(s, id=0x77) if s.name == "lb2" else s for s in core.intent.switches)
        core.propose(replace(core.intent, switches=switches))
        await until(lambda: 0x77 in core.core.cookies, "the new one is expected")
        core.connect("lb2")
        await core.synced("lb2")
        assert core.drivers["lb2"].switch.id == 0x77
        assert (former.aborted, number in core.core.cookies) == (1, False)
        assert core.it.said.of("switch_twice") == []
        core.core.handle(openflow.Disconnected(former.stream))  # type: ignore[arg-type]
        assert core.app.fleet.is_synced("lb2")

    core.play(body)


def test_a_p4_switch_that_is_named_again_while_it_is_emptied_is_dialled_again(p4core: Core) -> None:
    core, dialler = p4core, p4core.dialler

    async def body() -> None:
        core.propose(replace(core.intent, allow_empty=True))
        await until(lambda: len(dialler.terms) == 4, "all are dialled")
        core.connect("lb2")
        await core.synced("lb2")
        old, switch = core.intent, core.switch("lb2")
        core.propose(core.without("lb2"))
        core.propose(old)
        await asyncio.sleep(0)
        core.core.emptied(switch)
        assert dialler.released == ["lb2"]
        assert dialler.terms["lb2"] == core.app.terms.now

    core.play(body)


def test_a_renamed_switch_keeps_its_stream_and_what_is_known_of_it(core: Core) -> None:
    async def body() -> None:
        core.connect("edge1", "lb1", "lb2", "leaf1")
        await until(lambda: core.app.presence.admitted == {"lb1", "lb2"}, "both are admitted")
        core.disconnect("lb2")
        task, driver = core.task("lb1"), core.drivers["lb1"]
        before = core.app.state.tables.value.pools
        core.propose(core.renamed("lb1", "front"))
        await until(lambda: "front" in core.app.fleet, "it is renamed")
        assert core.task("front") is task
        assert (driver.aborted, driver.switch.name) == (0, "front")
        assert core.app.presence.admitted == {"front"}
        assert core.app.presence.absent == {"lb2"}
        assert core.app.presence.is_synced("front")
        assert core.app.state.tables.value.pools == before
        assert core.it.said.of("switch_leaves") == []
        core.propose(core.renamed("front", "lb1"))
        await until(lambda: core.app.fleet.get("lb1") is task, "it is renamed back")

    core.play(body)


# -- P4 switches that we dial ---------------------------------------------------------------------------------------


def test_p4_switches_are_dialled_released_and_renamed_with_the_intent(p4core: Core) -> None:
    core, dialler = p4core, p4core.dialler

    async def body() -> None:
        core.propose(replace(core.intent, allow_empty=True))
        await until(lambda: len(dialler.terms) == 4, "all are dialled")
        assert set(dialler.terms.values()) == {core.app.terms.now}
        assert dialler.addresses["lb1"] == core.switch("lb1").p4runtime
        core.propose(core.renamed("lb1", "front"))
        await until(lambda: "front" in dialler.terms, "it is renamed")
        assert set(dialler.terms) == {"edge1", "front", "lb2", "leaf1"}
        core.propose(core.without("lb2"))
        await until(lambda: dialler.released == ["lb2"], "it is released")
        assert set(dialler.terms) == {"edge1", "front", "leaf1"}

    core.play(body)


def test_a_greater_term_claims_all_switches_again(p4core: Core) -> None:
    core, dialler = p4core, p4core.dialler
    called: list[int] = []
    core.core.on_switches = lambda: called.append(core.app.terms.now)
    seen = core.app.terms.now + 7
    core.core.handle(p4.Backup("lb1", None, seen))
    assert set(dialler.terms.values()) == {seen + 1}
    assert called == [seen + 1]


def test_pins_of_switches_that_never_came_are_given_to_one_that_did(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(core.app.pinning, "assign_orphans", given.append)

    async def body() -> None:
        core.connect("lb2")
        await core.synced("lb2")
        assert given == [], "lb1 may yet come"
        core.it.clock.time += DISCOVERY_WAIT
        core.app.timers.wake()
        await until(lambda: given == ["lb2"], "lb1 is gone")

    core.play(body)
