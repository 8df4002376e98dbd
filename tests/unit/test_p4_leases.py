"""Authority on P4 switches: what is taken back is not given again by a renewal that is under way, and is confirmed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

from controller.plan.duty import PlanInput
from controller.southbound.p4.driver import P4Driver
from controller.southbound.p4.session import P4Session
from controller.spec.agents import Agent
from p4src.spec import Secret
from tests.fakes.core import intent_file, whole


class Slow:
    """A stream on which the first order of a renewal stands until ``go``."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.told: list[tuple[int, float]] = []
        self.asked: list[int] = []
        """How much had been told when the switch's clock was asked, whose answer comes after all that."""

    async def authorize(self, vip: int, seconds: float) -> None:
        """Note it."""
        self.told.append((vip, seconds))
        await self.go.wait()

    async def clock(self) -> int:
        """Note when."""
        self.asked.append(len(self.told))
        return 0


def test_a_renewal_that_is_under_way_does_not_give_back_what_is_taken_meanwhile(tmp_path: Path) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    world: PlanInput = core.world
    edge = next(switch for switch in world.intent.switches if switch.name == "edge1")

    async def body() -> Slow:
        session = Slow()
        driver = P4Driver(edge, cast(P4Session, session), Secret.of(bytes(20)), lambda _: set())
        session.go.set()
        want = driver.plan(world)
        left = dict.fromkeys(range(1, 100), 30.0)
        await driver.apply_leases(left)
        assert session.asked == [], "who is given authority need not have it by now"
        session.told.clear()
        session.go.clear()
        renewal = asyncio.create_task(driver.renew(want, left))
        while not session.told:
            await asyncio.sleep(0)
        driver.plan(replace(world, owners={}))
        taking = asyncio.create_task(driver.apply_leases(left))
        await asyncio.sleep(0)
        session.go.set()
        await asyncio.gather(renewal, taking)
        return session

    session = asyncio.run(body())
    (first, *_), vips = session.told, len(world.intent.vips)
    assert vips > 1
    assert [seconds for vip, seconds in session.told if vip != first[0]] == [0.0] * 2 * (vips - 1)
    assert session.told[-vips:] == [(vip, 0.0) for vip in sorted({vip for vip, _ in session.told})]
    assert session.asked == [len(session.told)]


def test_where_agents_own_vips_the_controller_neither_gives_authority_nor_ends_any(tmp_path: Path) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    edge = next(switch for switch in core.world.intent.switches if switch.name == "edge1")
    sites = tuple(
        replace(site, agents=(Agent("a", ("192.0.2.1:7654",)),)) for site in core.world.intent.sites
    )
    theirs = replace(core.world, intent=replace(core.world.intent, sites=sites))

    async def body() -> None:
        session = Slow()
        session.go.set()
        driver = P4Driver(edge, cast(P4Session, session), Secret.of(bytes(20)), lambda _: set())
        left = dict.fromkeys(range(1, 100), 30.0)
        before = driver.plan(core.world)
        await driver.apply_leases(left)
        assert session.told
        session.told.clear()
        want = driver.plan(theirs)
        await driver.apply_leases({})
        await driver.renew(want, {})
        assert (session.told, session.asked) == ([], [])
        answering = {key: body for key, body in want.entries.items() if key.table == "vip"}
        assert answering == {key: body for key, body in before.entries.items() if key.table == "vip"}
        assert any(body.params[-1] == 1 for body in answering.values()), "what answers stands"

    asyncio.run(body())


def test_what_is_given_at_once_is_not_more_than_there_is(tmp_path: Path) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    edge = next(switch for switch in core.world.intent.switches if switch.name == "edge1")

    async def body() -> list[tuple[int, float]]:
        session = Slow()
        session.go.set()
        driver = P4Driver(edge, cast(P4Session, session), Secret.of(bytes(20)), lambda _: set())
        driver.plan(core.world)
        await driver.apply_leases({1: 0.5})
        return session.told

    told = dict(asyncio.run(body()))
    assert told.pop(1) == 0.5
    assert set(told.values()) <= {0.0}
