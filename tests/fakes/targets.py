"""Switches that hold what is written to them, and count it: real targets and differences, no network."""

from __future__ import annotations

from collections import Counter
from typing import cast

from controller.app.assembly import App, pool_slots
from controller.core.fleet import Fleet
from controller.core.switchtask import SwitchTask
from controller.southbound.driver import AnyDriver, Delta, Packet
from controller.southbound.openflow.driver import OpenFlowDriver
from controller.southbound.openflow.session import Session
from controller.southbound.p4.driver import P4Driver
from controller.southbound.p4.session import P4Session
from controller.spec.kinds import Protocol
from controller.spec.types import Switch
from flows.diff import Changes as FlowChanges
from flows.entries import Target
from p4src.target import Changes as P4Changes
from p4src.target import P4Target
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


class HeldFlows(OpenFlowDriver):
    """An Open vSwitch."""

    def __init__(self, switch: Switch, app: App) -> None:
        super().__init__(switch, cast(Session, Stream(switch.id)), lambda: pool_slots(app.targets.world))
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
        super().__init__(switch, cast(P4Session, Stream(switch.id)), app.state.secret, lambda _: set())
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
