"""What an Open vSwitch would hold, whether it is connected or not. Pure."""

from __future__ import annotations

from controller.plan.flowplan import FlowPlan
from controller.southbound.preview import Difference, Planned, TargetPreview
from controller.spec.types import Switch
from flows.diff import diff
from flows.entries import Target
from flows.listing import listing
from flows.tables import Placed


class OpenFlowPreview(TargetPreview[Target]):
    """Flows, groups and meters. Places that others hold are not known here, and not left out."""

    def __init__(self) -> None:
        self._plan = FlowPlan()

    def target(self, of: Planned | None) -> Target:
        """What a switch holds; after the first, only what differs from the one before is made."""
        return Target() if of is None else self._plan.target(of.world, of.switch)

    def diff(self, switch: Switch, have: Target, want: Target) -> Difference:
        """What would be written."""
        return Difference(diff(Placed(switch.placement), have, want), listing(have, want))
