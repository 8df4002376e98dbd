"""The target of one P4 switch through time: what did not change is kept, and a new pin costs one entry.

all changed ─► target ─► entries besides pins, compared with those before ─┐
a pin changed ─► with_pins ─► the pins that changed since ─────────────────┴─► next version of the entries
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from controller.plan.duty import PinRule, PlanInput
from controller.plan.heldpins import PinFollower
from controller.plan.pins import PinBook
from controller.spec.shards import Shards
from controller.spec.switch import SwitchSpec, pools_alone
from controller.spec.types import Mode, Role
from p4src import pipeline
from p4src.spec import P4Needs
from p4src.target import EntryBody, EntryKey, P4Target


class P4Plan:
    """Belongs to one switch. What it returns is never changed afterwards."""

    def __init__(self) -> None:
        self.made: P4Target | None = None
        """The newest; None before the first."""
        self._duty: SwitchSpec | None = None
        self._needs: P4Needs | None = None
        self._fixed: P4Target = P4Target()
        """All but the entries."""
        self._keys: set[EntryKey] = set()
        """Of the entries that are no pins."""
        self._entries: Shards[EntryKey, EntryBody] = Shards()
        self._pins = PinFollower()

    def target(self, world: PlanInput, duty: SwitchSpec, needs: P4Needs) -> P4Target:
        """What the switch should hold. ``duty`` without pins: they are those of ``world``."""
        old, rules = self._duty, _pin_rules(duty, needs)
        if old is not None and needs == self._needs and pools_alone(old, duty):
            self._follow_pools(old, duty, needs)
        else:
            fixed = pipeline.target(duty, needs)
            gone = (key for key in self._keys if key not in fixed.entries)
            self._entries = self._entries.changed(fixed.entries, gone)
            self._keys = set(fixed.entries)
            self._fixed = replace(fixed, entries={})
        if self._duty is not None and self._duty.switch.name != duty.switch.name:
            self._pins.forget()
        self._duty, self._needs = duty, needs
        return self._follow(duty, world.pins, rules)

    def _follow_pools(self, old: SwitchSpec, new: SwitchSpec, needs: P4Needs) -> None:
        """Make what is made of pools that changed, once as it was and once as it is."""
        changed = {number for number, pool in new.pools.items() if old.pools[number] is not pool}
        if not changed:
            return
        before, after = (pipeline.of_pools(_only(duty, changed), needs) for duty in (old, new))
        gone = before.keys() - after.keys()
        self._entries = self._entries.changed(after, gone)
        self._keys = (self._keys - gone) | after.keys() if gone or after.keys() - self._keys else self._keys
        slots = {number: pool.table for number, pool in new.pools.items()}
        if self._fixed.slots and any(slots[n] is not table for n, table in self._fixed.slots.items()):
            self._fixed = replace(self._fixed, slots=slots)

    def with_pins(self, world: PlanInput) -> P4Target:
        """The newest target with the pins of now; nothing else may have changed since."""
        assert self._duty is not None, "a plan begins with a target"
        return self._follow(self._duty, world.pins)

    def _follow(self, duty: SwitchSpec, book: PinBook, rules: dict[int, PinRule] | None = None) -> P4Target:
        changes = self._pins.follow(book, duty.switch, rules)
        put = dict(pipeline.pin(each) for each in changes.held)
        gone = {pipeline.pin_key(*key) for key in changes.ended}
        if changes.all:
            gone |= {key for key in self._entries if key.table == "pin"} - put.keys()
        self._entries = self._entries.changed(put, gone)
        self.made = replace(self._fixed, entries=self._entries)
        return self.made


def _only(duty: SwitchSpec, pools: Set[int]) -> SwitchSpec:
    """A duty with these pools alone, and the listeners that they serve: what is made of it depends on nothing else."""
    return replace(
        duty,
        listeners=tuple(item for item in duty.listeners if item.pool in pools),
        pools={number: pool for number, pool in duty.pools.items() if number in pools},
    )


def _pin_rules(duty: SwitchSpec, needs: P4Needs) -> dict[int, PinRule]:
    """None of fullnat, which only the switch that has the connection's port can serve."""
    if Role.LB not in duty.switch.roles:
        return {}
    return {
        item.id: PinRule(int(needs.keep[item.pool]))
        for item in duty.listeners
        if item.mode is not Mode.FULLNAT
    }
