"""The target of one Open vSwitch through time: what did not change is kept, and a new pin costs its own flows.

all changed ─► target ─► parts of the flows that changed ─┐
a pin changed ─► with_pins ─► the pins that changed since ─┴─► next version of the flows
"""

from __future__ import annotations

from controller.plan.duties import Duties
from controller.plan.duty import PinRule, PlanInput, pin_rules
from controller.plan.heldpins import PinFollower
from controller.plan.pins import PinBook
from controller.spec.types import Switch
from flows.entries import Target
from flows.pipeline import Builder, PinPlace


class FlowPlan:
    """Belongs to one switch. What it returns is never changed afterwards."""

    def __init__(self) -> None:
        self.made: Target | None = None
        """The newest; None before the first."""
        self._switch: Switch | None = None
        self._builder = Builder()
        self._pins = PinFollower()
        self._duties = Duties()

    def target(self, world: PlanInput, switch: Switch) -> Target:
        """What the switch should hold."""
        known = self._switch
        if known is None or (known.placement, known.name) != (switch.placement, switch.name):
            self._pins.forget()
        self._switch = switch
        self._builder.target(self._duties.of(world, switch))
        return self._follow(world.pins, pin_rules(world, switch))

    def with_pins(self, world: PlanInput) -> Target:
        """The newest target with the pins of now; nothing else may have changed since."""
        return self._follow(world.pins)

    def _follow(self, book: PinBook, rules: dict[int, PinRule] | None = None) -> Target:
        assert self._switch is not None, "a plan begins with a target"
        changes = self._pins.follow(book, self._switch, rules)
        if changes.all:
            self._builder.without(list(self._builder.pins()))
        self.made = self._builder.with_pins(changes.held, (PinPlace(*key) for key in changes.ended))
        return self.made
