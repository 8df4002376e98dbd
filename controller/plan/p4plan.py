"""The target of one P4 switch through time: what did not change is kept, and a new pin costs one entry.

all changed ─► target ─► entries besides pins, compared with those before ─┐
a pin changed ─► with_pins ─► the pins that changed since ─────────────────┴─► next version of the entries
"""

from __future__ import annotations

from dataclasses import replace

from controller.plan.duty import World, held_pin
from controller.plan.pins import PinBook, PinKey
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
        self._idle: dict[int, int] = {}
        """Seconds until a pin falls idle, by the number of each listener whose pins the switch holds."""
        self._entries: Shards[EntryKey, EntryBody] = Shards()
        self._book: PinBook | None = None
        self._version = 0
        """Of the book, when its pins were looked at last."""

    def target(self, world: World, duty: Duty, needs: P4Needs) -> P4Target:
        """What the switch should hold. ``duty`` without pins: they are those of ``world``."""
        fixed = pipeline.target(duty, needs)
        gone = (key for key in self._fixed.entries if key not in fixed.entries)
        self._entries = self._entries.changed(fixed.entries, gone)
        self._fixed, self._duty = fixed, duty
        idle = _idle_times(duty, needs)
        if idle != self._idle:
            self._idle, self._book = idle, None
        return self.with_pins(world)

    def with_pins(self, world: World) -> P4Target:
        """The newest target with the pins of now; nothing else may have changed since."""
        assert self._duty is not None, "a plan begins with a target"
        book = world.pins
        keys = book.changed_since(self._version) if book is self._book else None
        stale: set[EntryKey] = set()
        if keys is None:
            keys = set(book.pins)
            stale = {key for key in self._entries if key.table == "pin"}
        put, gone = self._pins(self._duty, book, keys)
        self._entries = self._entries.changed(put, gone | (stale - put.keys()))
        self._book, self._version = book, book.version
        self.made = replace(self._fixed, entries=self._entries)
        return self.made

    def _pins(
        self, duty: Duty, book: PinBook, keys: set[PinKey]
    ) -> tuple[dict[EntryKey, EntryBody], set[EntryKey]]:
        """Entries of those pins that the switch holds, and keys of those that it does not."""
        put, gone = {}, set()
        for key in keys:
            pin, idle = book.pins.get(key), self._idle.get(key.listener)
            if pin is None or idle is None:
                gone.add(pipeline.pin_key(key.listener, key.source, key.port))
            else:
                entry, body = pipeline.pin(held_pin(pin, duty.switch, idle))
                put[entry] = body
        return put, gone


def _idle_times(duty: Duty, needs: P4Needs) -> dict[int, int]:
    """None of fullnat, which only the switch that has the connection's port can serve."""
    if Role.LB not in duty.switch.roles:
        return {}
    return {item.id: int(needs.keep[item.pool]) for item in duty.listeners if item.mode is not Mode.FULLNAT}
