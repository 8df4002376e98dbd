"""A switch that waits for its push counts as there: it is neither absent nor barred, and its pins are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.core.controller import GRACE, Controller, open_file
from controller.core.journal import Journal
from controller.plan.duty import duty, listener_number
from controller.sites.store import SqliteStore
from controller.southbound.p4.events import Differs, Parted
from controller.spec.types import Role
from p4src.numbers import MAPPED
from p4src.target import EntryBody, EntryKey, P4Target
from topo import intent, model
from topo.plan import plan

NOW = 1000.0
LBS = frozenset({"lb1", "lb2", "lb3"})


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def core(tmp_path: Path, clock: Clock) -> Iterator[Controller]:
    """A controller that has just begun, and knows from the store that all lb switches are in use."""
    path = tmp_path / "intent.yaml"
    path.write_text(intent.dump(intent.intent(plan(model.load("demo").of_kind("embedded")))))
    store = SqliteStore(tmp_path / "e.db")
    made = Controller(open_file(path), store, Journal(), clock)
    made.state.step(NOW)
    made.state.admit(LBS)
    yield made
    store.close()


def names(core: Controller) -> list[str]:
    return [s.name for s in core.state.intent.switches]


def uplinks(core: Controller, edge: str) -> list[str]:
    """lb switches that an edge is to send to."""
    switch = next(s for s in core.state.intent.switches if s.name == edge)
    to = {port.number: port.to for port in switch.ports}
    return [to[up.port] for up in duty(core.world(), switch).uplinks if up.admitted]


def test_waiting_switches_are_neither_absent_nor_barred_when_the_grace_ends(
    core: Controller, clock: Clock
) -> None:
    for name in names(core):
        core.rollout.differs(Differs(name, 7, None))
    clock.now += GRACE + 1
    core._end_grace()
    assert core.state.absent == frozenset()
    assert core.state.admitted == LBS
    assert uplinks(core, "edge1") == sorted(LBS)


def test_those_that_never_came_are(core: Controller, clock: Clock) -> None:
    for name in names(core):
        if name != "lb2":
            core.rollout.differs(Differs(name, 7, None))
    clock.now += GRACE + 1
    core._end_grace()
    assert core.state.absent == {"lb2"}
    assert core.state.admitted == LBS - {"lb2"}


def test_an_lb_is_barred_while_others_wait_and_serve_but_the_last_one_is_not(
    core: Controller, clock: Clock
) -> None:
    for name in sorted(LBS):
        core.rollout.differs(Differs(name, 7, None))
    clock.now += GRACE + 1
    core.admission.bar("lb1", "gets another program")
    core.admission.bar("lb2", "gets another program")
    assert core.state.admitted == {"lb3"}
    core.admission.bar("lb3", "gets another program")
    assert core.state.admitted == {"lb3"}


def test_one_whose_stream_ends_while_it_waits_is_left_out(core: Controller) -> None:
    core.rollout.differs(Differs("lb1", 7, None))
    core.rollout.differs(Differs("lb2", 7, None))
    core.rollout.parted(Parted("lb1"))
    assert core.state.absent == {"lb1"}
    assert core.state.admitted == LBS - {"lb1"}


def test_pins_found_in_a_switch_that_waits_are_kept_and_written_to_all(core: Controller) -> None:
    item = next(item for item in core.state.intent.listeners() if item.port == 7000)
    number = listener_number(core.world(), item)
    client = 0x0A00000B
    entry = {EntryKey("pin", (number, MAPPED | client, 40000)): EntryBody("pinned", (1,))}
    core.rollout.differs(Differs("lb2", 7, P4Target(entry)))
    (pin,) = core.state.pins.pins.values()
    assert (pin.key.listener, int(pin.key.source), pin.key.port) == (number, client, 40000)
    assert (pin.backend, pin.reporter) == (1, "lb2")
    for switch in core.state.intent.switches:
        assert bool(duty(core.world(), switch).pins) is (Role.LB in switch.roles)
