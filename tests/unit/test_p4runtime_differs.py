"""A switch that runs another program keeps it, and serves, until the driver is allowed to push; its pins are read."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from finsy.proto import p4r

from controller.southbound.p4 import connection as p4link
from controller.southbound.p4.events import (
    Backup,
    Connected,
    Event,
    MismatchEnded,
    PipelineMismatch,
    Unreachable,
)
from controller.southbound.p4.pipeline import Pipeline, balancer, of
from p4src.diff import diff
from p4src.target import P4Target
from tests.fakes.p4driven import NAME, Driven, driven, target
from tests.fakes.p4switches import DEVICE, Bmv2Switch, Startable, each_kind

switch = each_kind()
OTHER = 1
"""Cookie of the other program."""
OTHER_PIN = 0x02ABCDEF
"""Its number of table ``pin``."""


def other() -> Pipeline:
    """Our program as another version of it would look: another cookie, and table ``pin`` under another number."""
    made = p4r.ForwardingPipelineConfig()
    made.CopyFrom(balancer().config)
    made.cookie.cookie = OTHER
    next(t for t in made.p4info.tables if t.preamble.alias == "pin").preamble.id = OTHER_PIN
    return of(made)


async def held_by_another(switch: Startable) -> None:
    """An older controller with the other program has written the switch, and is gone."""
    async with driven(other()) as it:
        session = await it.session(switch, term=7)
        await session.write(diff(P4Target(), target()))


async def waiting(it: Driven, switch: Startable, term: int = 8) -> PipelineMismatch:
    it.driver.connect(NAME, switch.address, DEVICE, term)
    return await it.next(PipelineMismatch)


async def nothing_for(it: Driven, seconds: float) -> None:
    """The driver says nothing for so long."""
    await asyncio.sleep(seconds)
    assert it.events.empty(), it.events.get_nowait()


def test_a_switch_with_another_program_keeps_its_entries_until_the_push_is_allowed(switch: Startable) -> None:
    async def body() -> None:
        await held_by_another(switch)
        async with driven() as it:
            assert (await waiting(it, switch)).cookie == OTHER
            await nothing_for(it, 2 * p4link.BEAT)
        async with driven(other()) as before:
            assert (await (await before.session(switch, term=9)).read()).target == target()
        async with driven() as it:
            await waiting(it, switch, term=10)
            it.driver.allow_push(DEVICE)
            session = (await it.next(Connected)).session
            assert (await session.read()).target == P4Target()
            it.driver.allow_push(DEVICE)
            await nothing_for(it, 0.5)

    asyncio.run(body())


def test_the_pins_of_a_switch_that_waits_are_read_and_nothing_else(switch: Startable) -> None:
    async def body() -> None:
        await held_by_another(switch)
        async with driven() as it:
            assert balancer().tables["pin"].id != OTHER_PIN
            found = (await waiting(it, switch)).pins
            assert found is not None
            pins = {
                key: body._replace(idle=0) for key, body in target().entries.items() if key.table == "pin"
            }
            assert dict(found.entries) == pins

    asyncio.run(body())


def test_a_fresh_switch_gets_the_program_at_once(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            assert (await (await it.session(switch)).read()).target == P4Target()
            assert it.events.empty()

    asyncio.run(body())


def test_a_program_without_a_cookie_is_another_one(switch: Startable) -> None:
    async def body() -> None:
        bare = other()
        bare.config.ClearField("cookie")
        async with driven(replace(bare, cookie=0)) as it:
            it.driver.connect(NAME, switch.address, DEVICE, 7)
            await it.next(Connected)
        async with driven() as it:
            assert (await waiting(it, switch)).cookie == 0
            await nothing_for(it, 1.5 * p4link.BEAT)

    asyncio.run(body())


def test_a_newer_term_is_claimed_while_waiting_and_the_switch_waits_on(switch: Startable) -> None:
    async def body() -> None:
        await held_by_another(switch)
        async with driven() as it:
            await waiting(it, switch)
            it.driver.connect(NAME, switch.address, DEVICE, 12)
            await nothing_for(it, 0.5)
            it.driver.allow_push(DEVICE)
            assert (await it.next(Connected)).session.term == 12

    asyncio.run(body())


def test_a_switch_that_dies_or_gets_another_primary_while_it_waits_is_told(switch: Startable) -> None:
    async def body() -> None:
        await held_by_another(switch)
        async with driven() as it, driven(other()) as newer:
            await waiting(it, switch)
            await newer.session(switch, term=20)
            assert await it.next(MismatchEnded) == MismatchEnded(DEVICE, NAME)
            assert await it.next(Backup) == Backup(NAME, 20, 20)
            it.driver.connect(NAME, switch.address, DEVICE, 30)
            await it.next(PipelineMismatch)
            await newer.driver.close()
            await asyncio.to_thread(switch.stop)
            assert await it.next(MismatchEnded) == MismatchEnded(DEVICE, NAME)
            await asyncio.to_thread(switch.start)
            back = (await it.next(Connected)).session
            assert (await back.read()).target == P4Target(), "it came back fresh"

    asyncio.run(body())


def test_a_refused_push_leaves_the_switch_waiting_with_what_it_holds(switch: Startable) -> None:
    if isinstance(switch, Bmv2Switch):
        pytest.skip("BMv2 takes any program, and runs none then")

    async def body() -> None:
        await held_by_another(switch)
        bad = balancer()
        config = p4r.ForwardingPipelineConfig()
        config.CopyFrom(bad.config)
        config.p4_device_config = b"{}"
        config.cookie.cookie = 2
        async with driven(replace(bad, config=config, cookie=2)) as it:
            await waiting(it, switch)
            it.driver.allow_push(DEVICE)
            said: list[Event] = [
                await it.next(MismatchEnded),
                await it.next(Unreachable),
                await it.next(PipelineMismatch),
            ]
            assert isinstance(said[1], Unreachable)
            assert "set pipeline" in said[1].why
            await nothing_for(it, 0.5)
        async with driven(other()) as before:
            assert (await (await before.session(switch, term=9)).read()).target == target()

    asyncio.run(body())


@pytest.mark.parametrize("change", ["no such table", "another width"])
def test_pins_of_a_program_that_keeps_others_are_not_taken_for_ours(change: str, switch: Startable) -> None:
    async def body() -> None:
        foreign = other()
        table = next(t for t in foreign.config.p4info.tables if t.preamble.alias == "pin")
        if change == "no such table":
            table.preamble.alias = "held"
        else:
            table.match_fields[2].name = "service"
        async with driven(foreign) as it:
            it.driver.connect(NAME, switch.address, DEVICE, 7)
            await it.next(Connected)
        async with driven() as it:
            assert (await waiting(it, switch)).pins is None

    asyncio.run(body())
