"""What a P4 switch would hold, whether it is connected or not. Pure."""

from __future__ import annotations

from controller.plan.duties import Duties
from controller.plan.p4needs import Needs
from controller.plan.p4plan import P4Plan
from controller.southbound.preview import Difference, Planned, TargetPreview
from controller.spec.types import Switch
from p4src.diff import diff
from p4src.listing import listing
from p4src.spec import Secret
from p4src.target import P4Target


class P4Preview(TargetPreview[P4Target]):
    """Table entries, meters and a configuration."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._plan, self._duties, self._needs = P4Plan(), Duties(), Needs()

    def target(self, of: Planned | None) -> P4Target:
        """What a switch holds; after the first, only what differs from the one before is made."""
        if of is None:
            return P4Target()
        what = self._duties.of(of.world, of.switch)
        return self._plan.target(of.world, what, self._needs.of(of.world, of.switch, what, self._secret))

    def diff(self, switch: Switch, have: P4Target, want: P4Target) -> Difference:
        """What would be written."""
        return Difference(diff(have, want), listing(have, want))
