"""All kinds of target, by name: how to make one, or why it cannot be here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.spec.spread import Spread
from tests.conformance import ovs, p4process
from tests.conformance.embedded import Embedded
from tests.conformance.oracle import Oracle
from tests.conformance.target import Target


@dataclass(frozen=True)
class Kind:
    """A kind of target."""

    name: str
    why_not: Callable[[], str | None]
    """Why it cannot be here and how to get it; None if it can."""
    make: Callable[[], Target]


TARGETS = (
    Kind("oracle", lambda: None, Oracle),
    Kind("ovs", ovs.why_not, ovs.OpenVSwitch),
    Kind("ovs-bits", ovs.why_not, lambda: ovs.OpenVSwitch("bits", spread=Spread.BITS)),
    Kind("ovs-own", ovs.why_not, lambda: ovs.OpenVSwitch("own", spread=Spread.OWN)),
    Kind("embedded", lambda: None, Embedded),
    Kind("bmv2", lambda: p4process.why_not("bmv2"), lambda: p4process.P4Process("bmv2", "bmv2")),
)
