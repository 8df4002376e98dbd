"""Switches come and go: synced, gone, removed and emptied, named again, replaced, renamed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.core import controller as module
from controller.core.rollout import DRAIN_DEADLINE
from controller.plan.duty import listener_number
from controller.plan.pins import PinKey
from controller.southbound.openflow import events as openflow
from controller.spec.types import Protocol
from tests.fakes.core import Edits, Plain, until
from tests.fakes.plain_core import Core, core_of_pair

ALL = ("edge1", "lb1", "lb2", "leaf1")


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return core_of_pair(tmp_path)


async def all_synced(core: Core) -> None:
    """Every switch is connected and holds what it should."""
    core.connect(*ALL)
    await core.synced(*ALL)


async def all_admitted(core: Core) -> None:
    """Every switch is connected, and both lb switches are in use."""
    core.connect(*ALL)
    await until(lambda: core.app.presence.admitted == {"lb1", "lb2"}, "both are admitted")


async def lb2_leaves(
    core: Core, monkeypatch: pytest.MonkeyPatch, behind: Callable[[], bool] = lambda: True
) -> None:
    """lb2 is no longer named, and cannot be emptied while the edge is ``behind``: it may still send there."""
    await all_synced(core)
    monkeypatch.setattr(core.task("edge1"), "may_use", lambda _: behind())
    # The port stays declared: the intent forgets the switch, not the cable.
    core.propose(replace(core.intent, switches=tuple(s for s in core.intent.switches if s.name != "lb2")))
    await until(lambda: core.it.said.of("switch_leaves"), "it leaves")


def test_a_switch_that_is_synced_is_admitted_and_withdrawn_when_its_stream_ends(core: Core) -> None:
    async def body() -> None:
        await all_admitted(core)
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
        await all_admitted(core)
        number, driver = core.switch("lb2").id, core.drivers["lb2"]
        assert driver.does.holds
        changes: list[set[int]] = []
        core.core.on_switches = lambda: changes.append(set(core.core.cookies))
        core.propose(core.without("lb2"))
        await until(lambda: "lb2" not in core.app.fleet.names(), "it is released")
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
        behind = True
        await lb2_leaves(core, monkeypatch, lambda: behind)
        await asyncio.sleep(3 * module._LOOK)
        assert core.drivers["lb2"].does.holds, "the edge may still send there"
        behind = False
        await until(lambda: "lb2" not in core.app.fleet.names(), "it is emptied")

    core.play(body)


def test_a_removed_switch_that_others_never_leave_is_emptied_after_the_bound(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        await lb2_leaves(core, monkeypatch)
        core.it.clock.time += DRAIN_DEADLINE
        await until(lambda: "lb2" not in core.app.fleet.names(), "it is emptied")

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
        number = core.switch("lb2").id
        await lb2_leaves(core, monkeypatch)
        core.disconnect("lb2")
        assert number not in core.core.cookies
        assert "lb2" not in core.app.presence.absent

    core.play(body)


def test_a_switch_that_is_named_again_before_it_is_emptied_stays(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        old = core.intent
        await lb2_leaves(core, monkeypatch)
        revision = core.it.world.revision
        core.propose(old)
        await until(lambda: core.it.world.revision > revision, "it is named again")
        core.it.clock.time += DRAIN_DEADLINE
        await asyncio.sleep(3 * module._LOOK)
        assert core.it.said.of("switch_emptied") == []
        assert core.is_synced("lb2")
        assert old.switches[0].id in core.core.cookies

    core.play(body)


def test_a_switch_that_is_named_again_while_it_is_emptied_is_ours_when_it_returns(core: Core) -> None:
    async def body() -> None:
        await all_synced(core)
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
        await all_synced(core)
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
        assert core.is_synced("lb2")

    core.play(body)


def test_a_renamed_switch_keeps_its_stream_and_what_is_known_of_it(core: Core) -> None:
    async def body() -> None:
        await all_admitted(core)
        core.disconnect("lb2")
        task, driver = core.task("lb1"), core.drivers["lb1"]
        before = core.app.state.tables.value.pools
        core.propose(core.renamed("lb1", "front"))
        await until(lambda: core.app.fleet.named("front") is not None, "it is renamed")
        assert core.task("front") is task
        assert (driver.aborted, driver.switch.name) == (0, "front")
        assert core.app.presence.admitted == {"front"}
        assert core.app.presence.absent == {"lb2"}
        assert core.app.presence.is_synced(task.switch.id)
        assert core.app.state.tables.value.pools == before
        assert core.it.said.of("switch_leaves") == []
        core.propose(core.renamed("front", "lb1"))
        await until(lambda: core.app.fleet.named("lb1") is task, "it is renamed back")

    core.play(body)


def test_a_switch_that_takes_the_name_of_one_that_leaves_is_not_emptied_in_its_place(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails on 2ad1e45: streams were known by name, and the one that stayed was cut."""

    async def body() -> None:
        await all_admitted(core)
        stays, goes = core.drivers["lb1"], core.drivers["lb2"]
        behind = True
        monkeypatch.setattr(core.task("edge1"), "may_use", lambda _: behind)
        core.propose(core.without("lb2"))
        await until(lambda: core.it.said.of("switch_leaves"), "it leaves")
        core.propose(core.renamed("lb1", "lb2"))
        await until(lambda: stays.switch.name == "lb2", "it is renamed")
        assert core.task("lb2").driver is stays
        behind = False
        await until(lambda: goes.aborted == 1, "the other one is released")
        assert (stays.aborted, goes.does.holds) == (0, frozenset())
        assert core.app.fleet.names() == {"edge1", "lb2", "leaf1"}
        assert core.app.presence.admitted == {"lb2"}

    core.play(body)


def test_one_edit_may_remove_a_switch_and_give_its_name_to_another(core: Core) -> None:
    """Fails on 2ad1e45: the one that stayed was neither admitted nor connected any more."""

    async def body() -> None:
        await all_admitted(core)
        stays, goes = core.drivers["lb1"], core.drivers["lb2"]
        left = core.without("lb2")
        called = {"lb1": "lb2"}
        switches = tuple(
            replace(
                s,
                name=called.get(s.name, s.name),
                ports=tuple(replace(p, to=called.get(p.to, p.to)) for p in s.ports),
            )
            for s in left.switches
        )
        core.propose(replace(left, switches=switches))
        await until(lambda: goes.aborted == 1, "the other one is released")
        assert (stays.aborted, stays.switch.name) == (0, "lb2")
        assert core.app.presence.admitted == {"lb2"}
        assert core.is_synced("lb2")

    core.play(body)


def test_pins_of_an_lb_that_leaves_end_by_the_word_of_another(core: Core) -> None:
    """Fails on 2ad1e45: no switch said that they were idle, and they stayed for ever."""

    async def body() -> None:
        await all_admitted(core)
        item = next(each for each in core.it.world.intent.listeners() if each.protocol is Protocol.TCP)
        key = PinKey(listener_number(core.it.world, item), ip_address("192.0.2.1"), 4711)
        backend = core.it.world.state_of(item).members[0].id
        core.app.pinning.exception("lb2", key, Protocol.TCP, backend)
        core.propose(core.without("lb2"))
        await until(lambda: core.it.world.pins.pins[key].reporter == "lb1", "lb1 reports")

    core.play(body)
