"""What a P4 switch would hold, whether it is connected or not. Pure."""

from __future__ import annotations

from controller.plan.duty import switch_spec_without_pins
from controller.plan.p4needs import p4_needs
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

    def target(self, of: Planned | None) -> P4Target:
        """What a switch holds."""
        if of is None:
            return P4Target()
        what = switch_spec_without_pins(of.world, of.switch)
        return P4Plan().target(of.world, what, p4_needs(of.world, of.switch, what, self._secret))

    def diff(self, switch: Switch, have: P4Target, want: P4Target) -> Difference:
        """What would be written."""
        return Difference(diff(have, want), listing(have, want))
