"""How much load a kind of switch is given, and within what it must have repaired which event. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from controller.model.reload import QUIET
from topo.demo.events import Kind
from topo.model import SwitchKind


@dataclass(frozen=True)
class Scale:
    """What fits a kind of switch."""

    switch: SwitchKind
    connections: int
    """Long-lived ones over all clients and listeners."""
    rate: float
    """Short requests per second and client."""
    lb_ms: float
    """A dead lb switch is out of the way within this."""
    drain_ms: float
    """From the end of the quiet that a saved intent file needs until no new connection reaches a drained backend."""
    verdict_ms: float
    """What writing the switches may add to a health verdict."""
    probe: float | None
    """Seconds between health probes, and for one: on shared processors it has to wait; None: as written."""
    why: str
    """For people."""

    def bound_ms(self, kind: Kind, verdict_seconds: float) -> float:
        """Milliseconds within which new connections must be right again; 0: none may be lost at all.

        ``verdict_seconds`` is interval x fall + timeout of the pool's health check.
        """
        if kind is Kind.KILL_SERVER:
            return verdict_seconds * 1000.0 + self.verdict_ms
        if kind is Kind.KILL_LB:
            return self.lb_ms
        if kind is Kind.DRAIN_BACKEND:
            return self.drain_ms + 1000.0 * QUIET
        return 0.0

    def report(self) -> dict[str, Any]:
        """For ``report.json``."""
        return {key: value for key, value in asdict(self).items() if key != "switch"}


OVS = Scale("ovs", 360, 40.0, 300.0, 2000.0, 200.0, None, "neighbours see a dead switch by BFD every 50 ms")
BMV2 = Scale(
    "bmv2",
    240,
    15.0,
    1000.0,
    3000.0,
    1000.0,
    0.8,
    "BMv2 forwards some 20,000 packets a second in all; P4 switches have no BFD: the controller sees a dead one "
    "by its lost stream, and writes its neighbours",
)
EMBEDDED = Scale(
    "embedded",
    120,
    6.0,
    2000.0,
    4000.0,
    2000.0,
    0.8,
    "the embedded switch is Python, some 10,000 packets a second and core; P4 switches have no BFD: the "
    "controller sees a dead one by its lost stream, and writes its neighbours",
)
SCALES = (OVS, BMV2, EMBEDDED)
