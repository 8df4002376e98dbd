"""Leadership as a controller plays it on a store: what it says, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from controller.clock import SystemClock
from controller.core.cells import Cell
from controller.core.journal import Journal
from controller.core.leadership import ClaimRefused, Deposed, Leadership
from controller.sites.base import ABSENT, Guard, StoreError
from controller.sites.leading import KEY, TIMES, TIMES_BESIDE_AGENTS, Leader
from controller.spec.agents import Agent
from controller.spec.leasetimes import LeaseTimes
from controller.spec.types import Intent, Site
from tests.fakes.core import Said
from tests.fakes.stores import MemoryStore

QUICK = LeaseTimes(renew=0.02, authority=0.3, margin=0.02, fence=0.0)
"""A standby need not wait for long; no test needs a renewal to be in time."""
EAST = Leader("east", "life", 1, 3600.0)


class Rig:
    """A controller called ``west``, and its store."""

    def __init__(self) -> None:
        self.registers = MemoryStore().registers
        self.said = Said()
        self.lead = Leadership(self.registers, "west", SystemClock(), Journal(self.said), QUICK)

    @property
    def held(self) -> Leader:
        """What the register says."""
        return Leader.decode(self.registers.values[KEY])

    async def put(self, data: bytes | None) -> None:
        """Another program writes the register."""
        found = (await self.registers.load()).values
        there = found[KEY].revision if KEY in found else ABSENT
        await self.registers.commit({KEY: data}, Guard(keys={KEY: there}))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Its task."""
        await self.lead.begin()
        task = asyncio.create_task(self.lead.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def event(self, name: str, count: int = 1) -> dict[str, Any]:
        """The last of so many events of a name."""
        await until(lambda: len(self.said.of(name)) >= count)
        return self.said.of(name)[count - 1]


async def until(holds: Callable[[], object]) -> None:
    """Wait, with a deadline for what never comes."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


def play(body: Callable[[Rig], Awaitable[None]]) -> None:
    async def run() -> None:
        await body(Rig())

    asyncio.run(run())


def test_one_that_is_alone_leads_at_once_and_releases_at_its_end() -> None:
    async def body(it: Rig) -> None:
        async with it.running():
            await it.lead.won()
            assert it.lead.leader == "west"
            assert (await it.event("leads"))["after"] is None
        await it.lead.release()
        assert it.registers.values == {}
        assert len(it.said.of("leadership_released")) == 1
        await it.lead.release()
        assert len(it.said.of("leadership_released")) == 1

    play(body)


def test_a_standby_says_for_whom_and_leads_as_soon_as_that_one_releases() -> None:
    async def body(it: Rig) -> None:
        await it.put(EAST.encode())
        async with it.running():
            said = await it.event("standby")
            assert (said["controller"], said["leader"]) == ("west", "east")
            await it.put(EAST._replace(name="north", life="other").encode())
            assert (await it.event("standby", 2))["leader"] == "north"
            await it.put(None)
            await it.lead.won()
            assert (await it.event("leads"))["after"] is None

    play(body)


def test_a_standby_takes_over_from_one_that_is_silent_and_names_it() -> None:
    async def body(it: Rig) -> None:
        await it.put(EAST._replace(authority=0.1).encode())
        async with it.running():
            await it.lead.won()
            assert (await it.event("leads"))["after"] == "east"

    play(body)


def test_it_renews_sooner_and_for_less_while_agents_answer_for_vips() -> None:
    """Nothing but verdicts waits for its end then."""
    assert TIMES_BESIDE_AGENTS.authority < TIMES.authority

    async def body(it: Rig) -> None:
        intent = Cell("intent", Intent((), (), (), ()))
        it.lead.follow(intent)
        async with it.running():
            await it.lead.won()
            it.lead.serves()
            agents = (Agent("east1", ("192.0.2.1:1",)),)
            intent.put(replace(intent.value, sites=(Site("east", agents=agents),)))
            await until(lambda: it.held.authority == TIMES_BESIDE_AGENTS.authority)
            intent.put(replace(intent.value, sites=()))
            await until(lambda: it.held.authority == QUICK.authority)

    play(body)


def test_one_in_whose_place_another_leads_ends_and_leaves_its_record_alone() -> None:
    async def body(it: Rig) -> None:
        async with it.running() as task:
            await it.lead.won()
            while not task.done():
                with suppress(Exception):  # a renewal was first
                    await it.put(EAST.encode())
                await asyncio.sleep(0.005)
            with pytest.raises(ExceptionGroup) as error:
                task.result()
            (deposed,) = error.value.exceptions
            assert isinstance(deposed, Deposed)
            assert str(deposed) == "east leads in the place of this controller (west)"
        await it.lead.release()
        assert Leader.decode(it.registers.values[KEY]) == EAST
        assert (await it.event("leadership_lost"))["leader"] == "east"

    play(body)


def test_a_store_that_takes_nothing_lets_leadership_lapse_and_ends_nothing() -> None:
    async def body(it: Rig) -> None:
        async with it.running() as task:
            await it.lead.won()
            it.registers.fails = "the disk is full"
            assert (await it.event("leadership_lapsed"))["why"] == "the disk is full"
            assert it.lead.problem == "the disk is full"
            assert not task.done()
            it.registers.fails = ""
            await it.event("leads", 2)
            await until(lambda: not it.lead.problem)

    play(body)


def test_a_release_finds_a_renewal_whose_answer_was_lost_and_deletes_that_too() -> None:
    async def body(it: Rig) -> None:
        async with it.running():
            await it.lead.won()
        mine = Leader.decode(it.registers.values[KEY])
        await it.put(mine._replace(seq=mine.seq + 1).encode())
        await it.lead.release()
        assert it.registers.values == {}

    play(body)


def test_a_release_that_the_store_does_not_take_is_given_up() -> None:
    async def body(it: Rig) -> None:
        async with it.running():
            await it.lead.won()
        it.registers.fails = "out of reach"
        await it.lead.release()
        assert it.said.of("leadership_released") == []

    play(body)


def test_a_damaged_record_is_refused_at_the_start_and_shown_later() -> None:
    async def body(it: Rig) -> None:
        await it.put(b"?")
        with pytest.raises(StoreError, match="'leader' is damaged"):
            await it.lead.begin()
        await it.put(EAST.encode())
        async with it.running() as task:
            await it.event("standby")
            await it.put(b"?")
            await until(lambda: "'leader' is damaged" in it.lead.problem)
            assert not task.done()

    play(body)


def test_a_watch_that_ends_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.core.leadership.AGAIN", 0.01)

    async def body(it: Rig) -> None:
        await it.put(EAST.encode())
        began = 0

        async def watch(since: int | None = None) -> AsyncIterator[Any]:
            nonlocal began
            began += 1
            if began < 3:
                raise StoreError("cannot be watched")
            async for change in it.registers.feed.watch(since):
                yield change

        monkeypatch.setattr(it.registers, "watch", watch)
        async with it.running():
            await it.event("standby")
            await until(lambda: began == 3)
            await it.put(None)
            await it.lead.won()

    play(body)


def test_a_standby_leads_by_an_operators_word_while_the_store_is_silent_and_by_the_store_after_that() -> None:
    async def body(it: Rig) -> None:
        await it.put(EAST.encode())
        async with it.running():
            await it.event("standby")
            with pytest.raises(ClaimRefused, match="the store answers, and east leads by it"):
                it.lead.claim()
            it.registers.fails = it.registers.unread = "gone"
            await until(lambda: it.lead.problem)
            assert not it.lead.alone
            it.lead.claim()
            await it.lead.won()
            assert it.lead.alone
            assert it.lead.until > SystemClock().now()
            it.registers.fails = it.registers.unread = ""
            await it.event("leads")
            assert it.held.name == "west", "east's 3,600 s were not waited for"
            await it.event("claim_ended")

    play(body)


def test_it_ends_if_the_operator_was_wrong_and_another_one_leads() -> None:
    async def body(it: Rig) -> None:
        await it.put(EAST.encode())
        async with it.running() as task:
            await it.event("standby")
            it.registers.fails = it.registers.unread = "gone"
            await until(lambda: it.lead.problem)
            it.lead.claim()
            it.registers.fails = it.registers.unread = ""
            while not task.done():
                with suppress(Exception):  # its own put was first
                    await it.put(EAST._replace(seq=2).encode())
                await asyncio.sleep(0.005)
            with pytest.raises(ExceptionGroup):
                task.result()
        assert it.lead.until == float("-inf")
        assert it.held == EAST._replace(seq=2)

    play(body)


def test_its_deadline_is_that_of_its_lease_until_the_store_is_lost_and_by_an_operators_word_after_that() -> (
    None
):
    async def body(it: Rig) -> None:
        assert it.lead.until == float("-inf"), "it does not lead yet"
        with pytest.raises(ClaimRefused, match="no controller leads by it"):
            it.lead.claim()
        async with it.running():
            await it.lead.won()
            now = SystemClock().now()
            assert now < it.lead.until <= now + 2 * QUICK.authority
            with pytest.raises(ClaimRefused, match="the store answers"):
                it.lead.claim()
            it.registers.fails = "gone"
            await it.event("leadership_lapsed")
            assert it.lead.until <= SystemClock().now()
            it.lead.claim()
            assert it.said.of("claimed_without_store") == [{"why": "gone"}]
            assert it.lead.until > SystemClock().now()
            it.registers.fails = ""
            await it.event("claim_ended")

    play(body)
