"""A fake switch with its session in the driver, and small things to write to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from controller.southbound.openflow.session import Session
from controller.spec.slots import SlotTable
from flows.diff import Changes, diff
from flows.entries import Flow, Target, flow
from flows.match import Match
from flows.readback import Readback
from flows.tables import Kind, Placed, Stage
from tests.fakes import duties
from tests.fakes.control import Control, control
from tests.fakes.openflow import FakeSwitch

PLACED = Placed(duties.LB_PLACE)
GUARD, PREFIX, SLOT = (PLACED.table(stage) for stage in (Stage.GUARD, Stage.PREFIX, Stage.SLOT))
_ids = itertools.count(0x100)


@dataclass
class Rig:
    """A fake switch and the session it has with the driver."""

    control: Control
    switch: FakeSwitch
    session: Session

    def read(self, sizes: dict[int, int] | None = None) -> Readback:
        """Read everything back."""
        return self.control.run(self.session.read(PLACED, sizes or {}))

    def write(self, changes: Changes) -> None:
        """Carry out changes."""
        self.control.run(self.session.write(changes, "lb1"))

    def converge(self, want: Target) -> Changes:
        """Read, diff and write; returns what was written."""
        have = self.read()
        changes = diff(PLACED, have.target, want, have.foreign)
        self.write(changes)
        return changes

    def differences(self, want: Target) -> Changes:
        """What a diff after reading back would write."""
        have = self.read()
        return diff(PLACED, have.target, want, have.foreign)


@contextmanager
def connected() -> Iterator[Rig]:
    """A new switch that is ours."""
    server = control()
    number = next(_ids)
    server.expect(number)
    switch = FakeSwitch(number, server.port)
    switch.connect()
    yield Rig(server, switch, server.session(number))
    switch.hang_up()


def small(*slots: int) -> Target:
    """A target of one pool with these slots and nothing else."""
    now = np.zeros(256, np.uint16)
    now[: len(slots)] = slots
    return Target(slots={1: SlotTable(now, np.zeros(256, np.uint16))})


def drop(table: int, port: int, kind: Kind = Kind.STATIC, number: int = 0) -> Flow:
    """A flow that drops what comes in at a port."""
    return flow(table, 5, Match.of(in_port=port), cookie=PLACED.cookie(kind, number))


def of_flows(*flows: Flow) -> Target:
    """A target of these flows."""
    return Target({f.key: f.body for f in flows})
