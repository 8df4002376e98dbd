"""Who is absent: P4 switches send nothing to a switch that is gone, over restarts, and never leave a way empty."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.core.state import State
from controller.model.reload import IntentFile
from controller.plan.duty import duty
from controller.plan.p4needs import p4_needs
from controller.plan.pins import PinBook
from controller.sites.store import SqliteStore
from controller.spec.types import Intent
from p4src.spec import Group
from tests.fakes.planned import Planned
from topo import intent, model
from topo.plan import plan


@pytest.fixture
def loaded(tmp_path: Path) -> Intent:
    path = tmp_path / "intent.yaml"
    path.write_text(intent.dump(intent.intent(plan(model.load("demo").of_kind("embedded")))))
    file = IntentFile(path)
    file.poll()
    assert file.intent is not None
    return file.intent


def ways(state: Planned, name: str) -> list[tuple[str, ...]]:
    """Where the groups of a switch lead that can choose among lb switches."""
    switch = next(s for s in state.intent.switches if s.name == name)
    world = state.world()
    groups: tuple[Group, ...] = p4_needs(world, switch, duty(world, switch), state.secret).groups
    names = {port.number: port.to for port in switch.ports}
    led = (tuple(names[number] for number in group.ports) for group in groups)
    return [one for one in led if len(one) > 1 and all(to.startswith("lb") for to in one)]


def test_answers_leave_out_a_switch_that_is_gone(loaded: Intent) -> None:
    state = Planned(loaded)
    assert ("lb1", "lb2", "lb3") in ways(state, "leaf1")
    state.absent = frozenset({"lb2"})
    assert ("lb1", "lb3") in ways(state, "leaf1")
    assert not any("lb2" in way for way in ways(state, "leaf1"))


def test_who_is_gone_is_known_after_a_restart(tmp_path: Path) -> None:
    async def keep() -> None:
        store = SqliteStore(tmp_path / "evenkeel.db")
        state = State(store, store.read(), SystemClock(), Journal(io.StringIO()), PinBook())
        state.absent.put(frozenset({"lb2"}))
        state.dead_links.put(frozenset({("edge1", 3)}))
        await state.commit()
        store.close()

    asyncio.run(keep())
    store = SqliteStore(tmp_path / "evenkeel.db")
    again = State(store, store.read(), SystemClock(), Journal(io.StringIO()), PinBook())
    assert again.absent.value == {"lb2"}
    assert again.dead_links.value == {("edge1", 3)}
    store.close()


def test_no_way_runs_empty_when_all_are_out_of_sight(loaded: Intent) -> None:
    state = Planned(loaded)
    before = ways(state, "leaf1")
    state.absent = frozenset({"lb1", "lb2", "lb3"})
    assert ways(state, "leaf1") == before
