"""A data plane that moves no packets: programs with their state, and frames that tests put in and look at."""

from __future__ import annotations

from collections.abc import Callable

from topo.p4switch.program.load import load_program
from topo.p4switch.state import Ports, Switch


class FakePlane:
    """Keeps the running program's state and every injected frame; ``now`` is its clock, in ns."""

    def __init__(self, cpu_port: int | None = 510) -> None:
        self.cpu_port = cpu_port
        self.ports = Ports()
        for port in (1, 2, 3):
            self.ports.set(port, True)
        self.on_cpu: Callable[[bytes], None] = lambda frame: None
        self.injected: list[bytes] = []
        self.running: Switch | None = None
        self.now = 1_000_000_000

    def load(self, source: bytes) -> Switch:
        return Switch(load_program(source), self.ports, clock=lambda: self.now)

    def run(self, switch: Switch) -> None:
        if self.running is not None:
            self.running.detach()
        self.running = switch

    def inject(self, frame: bytes) -> None:
        self.injected.append(frame)
