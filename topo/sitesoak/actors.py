"""The controllers of a soak of two sites: as in the demo, with wall clocks that can be stepped."""

from __future__ import annotations

from pathlib import Path

from topo.lab import Lab
from topo.sitedemo import actors
from topo.soak import steppedclock


class Controller(actors.Controller):
    """One of several, with a wall clock of its own."""

    def __init__(self, lab: Lab, directory: Path, node: str) -> None:
        super().__init__(lab, directory, node)
        self._clock = directory / node / "clock"

    def argv(self) -> list[str]:
        """Its command line."""
        python, _, _, *rest = super().argv()
        return [python, "-m", "topo.soak.steppedclock", str(self._clock), "--", *rest]

    @property
    def pids(self) -> list[int]:
        """Its process, while there is one."""
        return [self._process.pid] if self._process is not None and self.running else []

    def step_clock(self, seconds: float) -> None:
        """Its wall clock is so far ahead of the real one from now on."""
        steppedclock.step(self._clock, seconds)
