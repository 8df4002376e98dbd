"""Between the report of a connection and its pin on a P4 switch nothing is planned, or compared, but the pin."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest

from controller.core.controller import Controller, open_file
from controller.core.journal import Journal
from controller.plan.duty import listener_number
from controller.plan.pins import PinKey
from controller.sites.store import SqliteStore
from controller.southbound.p4.driver import P4Link
from controller.southbound.p4.session import P4Session
from controller.spec.shards import Shards
from controller.spec.slots import SlotTable
from controller.spec.types import Mode, Protocol
from p4src.target import Found, P4Target
from topo import intent, model
from topo.plan import plan

NOW = 1000.0


class Session:
    """A switch that is read to hold what the test says."""

    def __init__(self) -> None:
        self.holds = P4Target()

    async def read(self) -> Found:
        return Found(self.holds, {}, {})


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Controller]:
    path = tmp_path / "intent.yaml"
    path.write_text(intent.dump(intent.intent(plan(model.load("demo").of_kind("embedded")))))
    store = SqliteStore(tmp_path / "e.db")
    made = Controller(open_file(path), store, Journal(), lambda: NOW)
    made.state.step(NOW)
    yield made
    store.close()


def link_of(core: Controller, session: Session) -> P4Link:
    switch = next(each for each in core.state.intent.switches if each.name == "lb1")
    return P4Link(switch, cast(P4Session, session), core.state.secret, lambda _: set())


def report(core: Controller, port: int) -> None:
    item = next(each for each in core.state.intent.listeners() if each.mode is Mode.DR)
    key = PinKey(listener_number(core.world(), item), ip_address("192.0.2.1"), port)
    core.state.pins.report("lb1", key, Protocol.TCP, 1)


def copied(target: P4Target) -> P4Target:
    """The same as a switch would be read to hold it."""
    slots = {pool: SlotTable(table.now.copy(), table.before.copy()) for pool, table in target.slots.items()}
    return replace(target, entries=dict(target.entries), slots=slots)


def test_a_report_changes_the_pin_in_the_target_and_nothing_else_is_made_anew(core: Controller) -> None:
    link = link_of(core, Session())
    have, _ = core.target(link)
    report(core, 7)
    want, version = core.target(link)
    changes = link.diff(have, want)
    assert [key.table for key, _, _ in changes.put] == ["pin"]
    assert len(changes) == 1
    assert version == core.state.pins.version
    assert want.slots is have.slots
    assert core.target(link)[0] is want


def test_what_else_changed_is_in_the_target_too(core: Controller) -> None:
    link = link_of(core, Session())
    have, _ = core.target(link)
    report(core, 7)
    core.state.intent = replace(core.state.intent, vips=core.state.intent.vips[:1])
    core.touch()
    want, _ = core.target(link)
    gone = {key.table for key in link.diff(have, want).gone}
    assert {"vip", "listener"} <= gone
    assert [key.table for key, _, new in link.diff(have, want).put if new] == ["pin"]


def test_a_switch_that_holds_its_plan_is_read_as_that_plan_and_one_that_does_not_as_it_is(
    core: Controller,
) -> None:
    session = Session()
    link = link_of(core, session)
    report(core, 7)
    want, _ = core.target(link)
    session.holds = copied(want)
    assert asyncio.run(link.read()) is want
    assert isinstance(want.entries, Shards)
    lacking = dict(list(want.entries.items())[1:])
    session.holds = replace(copied(want), entries=lacking)
    found = asyncio.run(link.read())
    assert found == session.holds
    assert found.slots is want.slots
    assert isinstance(found.entries, Shards)
    assert len(list(found.entries.differing(want.entries))) == 1
    assert len(link.diff(found, want)) == 1
