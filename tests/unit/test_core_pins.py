"""Between the report of a connection and its pin on a P4 switch nothing is planned, or compared, but the pin."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest

from controller.plan.duty import listener_number
from controller.plan.pins import PinKey
from controller.southbound.p4.driver import P4Driver
from controller.southbound.p4.session import P4Session
from controller.spec.shards import Shards
from controller.spec.slots import SlotTable
from controller.spec.types import Mode, Protocol
from p4src.target import Found, P4Target
from tests.fakes.core import Whole, intent_file, whole


class Session:
    """A switch that is read to hold what the test says."""

    def __init__(self) -> None:
        self.holds = P4Target()
        self.missed = 0

    async def read(self) -> Found:
        return Found(self.holds, {}, {}, {}, {}, {}, {})


@pytest.fixture
def core(tmp_path: Path) -> Whole:
    return whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))


def driver_of(core: Whole, session: Session) -> P4Driver:
    switch = next(each for each in core.world.intent.switches if each.name == "lb1")
    return P4Driver(switch, cast(P4Session, session), core.app.state.secret, lambda _: set())


def report(core: Whole, port: int) -> None:
    item = next(each for each in core.world.intent.listeners() if each.mode is Mode.DR)
    key = PinKey(listener_number(core.world, item), ip_address("192.0.2.1"), port)
    core.app.pinning.exception("lb1", key, Protocol.TCP, core.world.state_of(item).members[0].id)


def wanted(core: Whole, driver: P4Driver) -> tuple[P4Target, int]:
    target, version, _ = core.app.targets.of(driver)
    assert isinstance(target, P4Target)
    return target, version


def copied(target: P4Target) -> P4Target:
    """The same as a switch would be read to hold it."""
    slots = {pool: SlotTable(table.now.copy(), table.before.copy()) for pool, table in target.slots.items()}
    return replace(target, entries=dict(target.entries), slots=slots)


def test_a_report_changes_the_pin_in_the_target_and_nothing_else_is_made_anew(core: Whole) -> None:
    driver = driver_of(core, Session())
    have, _ = wanted(core, driver)
    report(core, 7)
    want, version = wanted(core, driver)
    changes = driver.diff(have, want)
    assert [key.table for key, _, _ in changes.put] == ["pin"]
    assert len(changes) == 1
    assert version == core.world.pins.version
    assert want.slots is have.slots
    assert wanted(core, driver)[0] is want


def test_what_else_changed_is_in_the_target_too(core: Whole) -> None:
    driver = driver_of(core, Session())
    have, _ = wanted(core, driver)
    report(core, 7)
    old = core.world.intent
    assert core.app.intents.propose(replace(old, vips=old.vips[:1])) == []
    # Its listeners drain first: they go from the plan when that is over.
    core.clock.time += 1e6
    core.app.pools.step()
    asyncio.run(core.app.state.commit())
    want, _ = wanted(core, driver)
    gone = {key.table for key in driver.diff(have, want).gone}
    assert {"vip", "listener"} <= gone
    assert [key.table for key, _, new in driver.diff(have, want).put if new] == ["pin"]


def test_a_switch_that_holds_its_plan_is_read_as_that_plan_and_one_that_does_not_as_it_is(
    core: Whole,
) -> None:
    session = Session()
    driver = driver_of(core, session)
    report(core, 7)
    want, _ = wanted(core, driver)
    session.holds = copied(want)
    assert asyncio.run(driver.read()) is want
    assert isinstance(want.entries, Shards)
    lacking = dict(list(want.entries.items())[1:])
    session.holds = replace(copied(want), entries=lacking)
    found = asyncio.run(driver.read())
    assert found == session.holds
    assert found.slots is want.slots
    assert isinstance(found.entries, Shards)
    assert len(list(found.entries.differing(want.entries))) == 1
    assert len(driver.diff(found, want)) == 1
