"""A switch that waits for its push counts as there: it is neither absent nor withdrawn, and its pins are known."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.core.presence import DISCOVERY_WAIT
from controller.plan.duty import duty, listener_number
from controller.southbound.p4.events import MismatchEnded, PipelineMismatch
from controller.spec.types import Role
from p4src.numbers import MAPPED
from p4src.target import EntryBody, EntryKey, P4Target
from tests.fakes.core import Whole, intent_file, whole
from tests.fakes.stores import MemoryStore

LBS = frozenset({"lb1", "lb2", "lb3"})


@pytest.fixture
def core(tmp_path: Path) -> Whole:
    """A controller that has just begun, and knows from the store that all lb switches are in use."""
    store = MemoryStore()
    before = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"), store)
    before.app.state.admitted.put(LBS)
    asyncio.run(before.app.state.commit())
    return whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"), store)


def names(core: Whole) -> list[str]:
    return [s.name for s in core.world.intent.switches]


def number_of(core: Whole, name: str) -> int:
    return next(s.id for s in core.world.intent.switches if s.name == name)


def differ(core: Whole, name: str, pins: P4Target | None = None) -> None:
    core.app.controller.handle(PipelineMismatch(number_of(core, name), name, 7, pins))


def discover(core: Whole) -> None:
    """The wait for switches after the start is over."""
    core.clock.time += DISCOVERY_WAIT
    core.app._discover()
    asyncio.run(core.app.state.commit())


def presence(core: Whole) -> tuple[frozenset[str], frozenset[str]]:
    """Who is absent, who is admitted."""
    return core.app.presence.absent, core.app.presence.admitted


def uplinks(core: Whole, edge: str) -> list[str]:
    """lb switches that an edge is to send to."""
    switch = next(s for s in core.world.intent.switches if s.name == edge)
    to = {port.number: port.to for port in switch.ports}
    return [to[up.port] for up in duty(core.world, switch).uplinks if up.admitted]


def test_waiting_switches_are_neither_absent_nor_withdrawn_when_the_discovery_ends(core: Whole) -> None:
    for name in names(core):
        differ(core, name)
    discover(core)
    assert presence(core) == (frozenset(), LBS)
    assert uplinks(core, "edge1") == sorted(LBS)


def test_those_that_never_came_are(core: Whole) -> None:
    for name in names(core):
        if name != "lb2":
            differ(core, name)
    discover(core)
    assert presence(core) == (frozenset({"lb2"}), LBS - {"lb2"})
    assert uplinks(core, "edge1") == ["lb1", "lb3"]


def test_an_lb_is_withdrawn_while_others_wait_and_serve_but_the_last_one_is_not(core: Whole) -> None:
    for name in sorted(LBS):
        differ(core, name)
    discover(core)
    withdraw = core.app.presence.withdraw
    withdraw(number_of(core, "lb1"), "gets another program")
    withdraw(number_of(core, "lb2"), "gets another program")
    assert core.app.presence.admitted == {"lb3"}
    withdraw(number_of(core, "lb3"), "gets another program")
    assert core.app.presence.admitted == {"lb3"}


def test_one_whose_stream_ends_while_it_waits_is_left_out(core: Whole) -> None:
    differ(core, "lb1")
    differ(core, "lb2")
    core.app.controller.handle(MismatchEnded(number_of(core, "lb1"), "lb1"))
    assert presence(core) == (frozenset({"lb1"}), LBS - {"lb1"})


def test_pins_found_in_a_switch_that_waits_are_kept_and_written_to_all(core: Whole) -> None:
    item = next(item for item in core.world.intent.listeners() if item.port == 7000)
    number = listener_number(core.world, item)
    client = 0x0A00000B
    backend = core.world.state_of(item).members[0].id
    entry = {EntryKey("pin", (number, MAPPED | client, 40000)): EntryBody("pinned", (backend,))}
    differ(core, "lb2", P4Target(entry))
    (pin,) = core.world.pins.pins.values()
    assert (pin.key.listener, int(pin.key.source), pin.key.port) == (number, client, 40000)
    assert (pin.backend, pin.reporter) == (backend, "lb2")
    for switch in core.world.intent.switches:
        assert bool(duty(core.world, switch).pins) is (Role.LB in switch.roles)
