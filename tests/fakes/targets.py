"""Switches that hold what is written to them, and count it: real targets and differences, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import numpy as np

from controller.app.assembly import App
from controller.core.fleet import Fleet
from controller.core.switchtask import SwitchTask
from controller.plan.duty import pool_slots
from controller.southbound.driver import AnyDriver, Delta, Packet
from controller.southbound.openflow.driver import OpenFlowDriver
from controller.southbound.openflow.session import Session
from controller.southbound.p4.driver import P4Driver
from controller.southbound.p4.session import P4Session
from controller.spec.kinds import Protocol
from controller.spec.types import Switch
from flows.diff import Changes as FlowChanges
from flows.entries import Flow, Target
from flows.match import Match
from flows.messages import FlowStat
from flows.slots import flows_of
from p4src.slots import SETTLED, columns, words
from p4src.target import Changes as P4Changes
from p4src.target import EntryBody, EntryKey, P4Target
from tests.fakes.core import Stream


class Written(Counter[str]):
    """Entries added, modified and deleted so far."""

    def take(self, delta: Delta) -> None:
        """One write more."""
        self.update(added=delta.added, modified=delta.modified, deleted=delta.deleted)

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Added, modified, deleted."""
        return self["added"], self["modified"], self["deleted"]


def _asked(driver: Held, switch: Switch) -> HeldSession:
    made = HeldSession(switch.id)
    made.driver = driver
    return made


class HeldFlows(OpenFlowDriver):
    """An Open vSwitch."""

    def __init__(self, switch: Switch, app: App) -> None:
        super().__init__(switch, cast(Session, _asked(self, switch)), lambda: pool_slots(app.targets.world))
        self.holds, self.written = Target(), Written()

    async def read(self) -> Target:
        """What was written."""
        return self.holds

    async def write(self, delta: FlowChanges, want: Target) -> Target:
        """Hold it."""
        self.written.take(delta)
        self.holds = want
        return want

    async def renew(self, *_: object) -> None:
        """Authority lasts."""

    async def transmit(self, packet: Packet) -> None:
        """Nothing is behind its ports."""

    async def live_ports(self) -> set[int]:
        """All."""
        return {port.number for port in self.switch.ports}


class HeldEntries(P4Driver):
    """A P4 switch."""

    def __init__(self, switch: Switch, app: App) -> None:
        super().__init__(switch, cast(P4Session, _asked(self, switch)), app.state.secret, lambda _: set())
        self.holds, self.written = P4Target(), Written()

    async def read(self) -> P4Target:
        """What was written."""
        return self.holds

    async def write(self, delta: P4Changes, want: P4Target) -> P4Target:
        """Hold it."""
        self.written.take(delta)
        self.holds = want
        return want

    async def renew(self, *_: object) -> None:
        """Authority lasts."""

    async def apply_leases(self, *_: object) -> None:
        """Likewise."""

    async def transmit(self, packet: Packet) -> None:
        """Nothing is behind its ports."""

    async def live_ports(self) -> set[int]:
        """All."""
        return {port.number for port in self.switch.ports}


Held = HeldFlows | HeldEntries


def connect(app: App, switch: Switch) -> Held:
    """A switch of the intent is there, and need not be asked how it hashes."""
    openflow = switch.of_kind.protocol is Protocol.OPENFLOW
    driver: Held = HeldFlows(switch, app) if openflow else HeldEntries(switch, app)
    task = app.fleet.connect(cast(AnyDriver, driver), app.controller)
    task.hashes = False
    return driver


async def _at_once(_: SwitchTask) -> None:
    """Nothing is waited for."""


def unasked(fleet: Fleet) -> None:
    """No switch is asked how it hashes."""
    fleet.settle = _at_once


def converged(app: App) -> bool:
    """Whether every switch of the intent holds what is planned for it now."""
    world = app.targets.world
    return all(task.synced and task.holding.world is world and not task.wake.is_set() for task in app.fleet)


class HeldSession(Stream):
    """A session that is asked for single flows or entries of what a driver's switch holds."""

    driver: Held

    async def flows(self, table: int, match: Match) -> list[FlowStat]:
        """Those of one table that match at least this."""
        assert isinstance(self.driver, HeldFlows)
        holds, placed = self.driver.holds, self.driver.placed
        kept = [Flow(key, body) for key, body in holds.flows.items()]
        kept += [each for pool, slots in holds.slots.items() for each in flows_of(placed, pool, slots)]
        return [
            FlowStat(each, 7, 0, 0) for each in kept if each.key.table == table and each.key.match >= match
        ]

    async def entries(self, keys: Sequence[EntryKey]) -> dict[EntryKey, EntryBody]:
        """Those of these that are there."""
        assert isinstance(self.driver, HeldEntries)
        holds = self.driver.holds
        known = dict(holds.entries)
        for pool, table in holds.slots.items():
            for slot, word in enumerate(words(table, len(table.now))):
                said = tuple(int(column[0]) for column in columns(np.array([word])))
                if word:
                    action, count = ("settled", 1) if word < SETTLED else ("tracked", 4)
                    known[EntryKey("slot", (pool, slot))] = EntryBody(action, said[:count])
        return {key: known[key] for key in keys if key in known}
