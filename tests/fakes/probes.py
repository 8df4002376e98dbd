"""Probes that a test answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from controller.health.prober import ProberStats
from controller.health.result import Outcome, ProbeResult
from controller.health.targets import Probe


class Asked:
    """In the place of the prober."""

    def __init__(self, deliver: Callable[[list[ProbeResult]], None], problem: Callable[[str], None]) -> None:
        self.deliver, self.problem = deliver, problem
        self.probes: list[Probe] = []
        """What is asked, in a fixed order."""
        self.pid: int | None = 1
        """None: no prober runs."""
        self.time = 0.0
        self.stopped = 0
        """Times that it was stopped."""

    async def start(self) -> None:
        """Nothing runs."""

    async def stop(self) -> None:
        """Nothing runs."""
        self.stopped += 1

    def set_probes(self, probes: Iterable[Probe]) -> None:
        """Ask exactly these."""
        self.probes = sorted(probes, key=lambda probe: probe.key)

    def stats(self) -> ProberStats:
        """Nothing of note."""
        return ProberStats(0, 0.0, 0.0, 0, 0, 0, 0.0, self.pid)

    def answer(self, outcome: Outcome, *probes: Probe) -> None:
        """All of these, a second later than before."""
        self.time += 1
        self.deliver([ProbeResult(each, outcome, outcome.name, self.time, self.time) for each in probes])
