"""The controllers and agents of a soak of two sites: as in the demo, with wall clocks that can be stepped."""

from __future__ import annotations

from pathlib import Path

from topo.demo import actors as demo
from topo.lab import Lab
from topo.sitedemo import actors, agents


def clock_of(directory: Path, node: str) -> Path:
    """What sets the clock of a node's processes."""
    return directory / node / "clock"


class _Stepped(demo.Controller):
    """A process of the controller's package, by the clock of its node."""

    _clock: Path

    def argv(self) -> list[str]:
        """Its command line."""
        python, _, _, *rest = super().argv()
        return [python, "-m", "topo.soak.steppedclock", str(self._clock), "--", *rest]

    @property
    def pids(self) -> list[int]:
        """Its process, while there is one."""
        running = self._process is not None and self._process.poll() is None
        return [self._process.pid] if self._process is not None and running else []


class Controller(_Stepped, actors.Controller):
    """One of several."""

    def __init__(self, lab: Lab, directory: Path, node: str) -> None:
        super().__init__(lab, directory, node)
        self._clock = clock_of(directory, node)


class Agent(_Stepped, agents.Agent):
    """One of several."""

    def __init__(self, lab: Lab, directory: Path, node: str) -> None:
        super().__init__(lab, directory, node)
        self._clock = clock_of(directory, node)
