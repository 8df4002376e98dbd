"""The target of one P4 switch through time: what did not change is kept, and a new pin costs one entry.

all changed ─► target ─► entries besides pins, compared with those before ─┐
a pin changed ─► with_pins ─► the pins that changed since ─────────────────┴─► next version of the entries
"""

from __future__ import annotations

from dataclasses import replace

from controller.plan.duty import World
from controller.plan.heldpins import PinFollower
from controller.plan.pins import PinBook
from controller.spec.shards import Shards
from controller.spec.switch import Duty
from controller.spec.types import Mode, Role
from p4src import pipeline
from p4src.spec import P4Needs
from p4src.target import EntryBody, EntryKey, P4Target


class P4Plan:
    """Belongs to one switch. What it returns is never changed afterwards."""

    def __init__(self) -> None:
        self.made: P4Target | None = None
        """The newest; None before the first."""
        self._duty: Duty | None = None
        self._fixed: P4Target = P4Target()
        """All but the pins."""
        self._entries: Shards[EntryKey, EntryBody] = Shards()
        self._pins = PinFollower()

    def target(self, world: World, duty: Duty, needs: P4Needs) -> P4Target:
        """What the switch should hold. ``duty`` without pins: they are those of ``world``."""
        fixed = pipeline.target(duty, needs)
        gone = (key for key in self._fixed.entries if key not in fixed.entries)
        self._entries = self._entries.changed(fixed.entries, gone)
        if self._duty is not None and self._duty.switch.name != duty.switch.name:
            self._pins.forget()
        self._fixed, self._duty = fixed, duty
        return self._follow(duty, world.pins, _idle_times(duty, needs))

    def with_pins(self, world: World) -> P4Target:
        """The newest target with the pins of now; nothing else may have changed since."""
        assert self._duty is not None, "a plan begins with a target"
        return self._follow(self._duty, world.pins)

    def _follow(self, duty: Duty, book: PinBook, idle: dict[int, int] | None = None) -> P4Target:
        changes = self._pins.follow(book, duty.switch, idle)
        put = dict(pipeline.pin(each) for each in changes.held)
        gone = {pipeline.pin_key(*key) for key in changes.ended}
        if changes.all:
            gone |= {key for key in self._entries if key.table == "pin"} - put.keys()
        self._entries = self._entries.changed(put, gone)
        self.made = replace(self._fixed, entries=self._entries)
        return self.made


def _idle_times(duty: Duty, needs: P4Needs) -> dict[int, int]:
    """None of fullnat, which only the switch that has the connection's port can serve."""
    if Role.LB not in duty.switch.roles:
        return {}
    return {item.id: int(needs.keep[item.pool]) for item in duty.listeners if item.mode is not Mode.FULLNAT}
