"""What the P4Runtime service needs of whatever moves the packets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from topo.p4switch.state import Ports, Switch


class Plane(Protocol):
    """A data plane that runs one program at a time on ports that outlive programs."""

    cpu_port: int | None
    """The port whose frames go to and come from controllers; None: no packet I/O."""
    ports: Ports
    on_cpu: Callable[[bytes], None]
    """Called with every frame that leaves by the CPU port; must not block."""

    def load(self, source: bytes) -> Switch:
        """The initial state of a bmv2 JSON, not run yet; raises errors.ProgramError."""

    def run(self, switch: Switch) -> None:
        """Process packets by this program, made by ``load``, from the next packet on."""

    def inject(self, frame: bytes) -> None:
        """Process a frame as if it had come from the CPU port."""
