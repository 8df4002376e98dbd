"""Where events go: strangers, switches with one id, switches that are dialled, and errors of who reads an event."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.presence import DISCOVERY_WAIT
from controller.core.twins import TURNS
from controller.southbound.openflow import events as openflow
from controller.southbound.p4 import events as p4
from controller.southbound.p4.session import P4Session
from p4src.ids import Reason
from tests.fakes.core import Stream, intent_file, until, whole
from tests.fakes.plain_core import Core, core_of_pair


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return core_of_pair(tmp_path)


@pytest.fixture
def p4core(tmp_path: Path) -> Core:
    return core_of_pair(tmp_path, "embedded")


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
        assert core.is_synced("lb1")

    core.play(body)


def test_reports_of_switches_that_are_not_ours_are_dropped(core: Core) -> None:
    core.core.handle(p4.PinEnded(Session(0xDEAD), 1, 1, 1))  # type: ignore[arg-type]
    core.core.handle(p4.Punted(Session(0xDEAD), int(Reason.HELLO), 1, 0, 0, b"no hello"))
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
    core.core.handle(p4.Unreachable(core.switch("lb1").id, "lb1", "refused", True))
    core.core.handle(p4.Unreachable(core.switch("lb1").id, "lb1", "refused", False))
    assert core.it.said.of("unreachable") == [{"switch": "lb1", "why": "refused"}]
    assert core.app.presence.absent == {"lb1"}
    assert core.app.presence.admitted == {"lb2"}


@pytest.mark.parametrize("empty", [True, False])
def test_a_p4_switch_that_came_back_without_its_program_is_withdrawn_before_it_is_read(
    tmp_path: Path, empty: bool
) -> None:
    """Fails on 2ad1e45: until all was read, seconds on a busy machine, edges went on sending there."""
    it = whole(intent_file(tmp_path / "intent.yaml", "pair", "embedded"))
    it.app.state.admitted.put(frozenset({"lb1", "lb2"}))
    number = next(each.id for each in it.app.state.intent.value.switches if each.name == "lb1")
    it.app.controller.handle(p4.Connected(Session(number), empty))
    assert it.said.of("failure") == []
    assert it.app.presence.admitted == ({"lb2"} if empty else {"lb1", "lb2"})
    assert it.app.presence.absent == ({"lb1"} if empty else set())


def test_two_switches_with_one_id_are_said(core: Core) -> None:
    async def body() -> None:
        for _ in range(TURNS + 1):
            core.connect("lb1")
            await asyncio.sleep(0)
        (said,) = core.it.said.of("switch_twice")
        assert (said["switch"], said["id"]) == ("lb1", f"{core.switch('lb1').id:#x}")

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
