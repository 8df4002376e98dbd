"""A lab whose controller has a wall clock that can be stepped, and stopped; all other clocks stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lab.balanced import Balanced
from topo.demo import actors
from topo.lab import Lab
from topo.soak import steppedclock


class _Controller(actors.Controller):
    """The same process, through this module."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(lab, directory)
        self.clock = directory / "clock"
        steppedclock.step(self.clock, 0)

    def argv(self) -> list[str]:
        """Its command line."""
        python, _, _, *rest = super().argv()
        return [python, "-m", "topo.soak.steppedclock", str(self.clock), "--", *rest]


class Stepped(Balanced):
    """A lab whose controller's wall clock can be stepped."""

    def __init__(self, lab: Lab, **more: Any) -> None:
        super().__init__(lab, **more)
        self._controller: _Controller = _Controller(lab, self._path)

    def step_clock(self, seconds: float) -> None:
        """Set its wall clock so many seconds ahead of ours."""
        steppedclock.step(self._controller.clock, seconds)

    def stop_clock(self, at: float) -> None:
        """Let its wall clock stand still at a time, until it is stepped."""
        steppedclock.stop(self._controller.clock, at)
