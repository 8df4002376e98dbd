"""The controllers and agents of a soak of two sites: as in the demo, with wall clocks that can be stepped."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from topo.lab import Lab
from topo.sitedemo import actors, agents


def clock_of(directory: Path, node: str) -> Path:
    """What sets the clock of a node's processes."""
    return directory / node / "clock"


def _stepped(argv: list[str], clock: Path) -> list[str]:
    """The command line of a process of the controller's package, by that clock."""
    python, _, _, *rest = argv
    return [python, "-m", "topo.soak.steppedclock", str(clock), "--", *rest]


def _pids(process: subprocess.Popen[Any] | None) -> list[int]:
    return [process.pid] if process is not None and process.poll() is None else []


class Controller(actors.Controller):
    """One of several, by the clock of its node."""

    def __init__(self, lab: Lab, directory: Path, node: str) -> None:
        super().__init__(lab, directory, node)
        self._clock = clock_of(directory, node)

    def argv(self) -> list[str]:
        """Its command line."""
        return _stepped(super().argv(), self._clock)

    @property
    def pids(self) -> list[int]:
        """Its process, while there is one."""
        return _pids(self._process)


class Agent(agents.Agent):
    """One of several, by the clock of its node."""

    def __init__(self, lab: Lab, directory: Path, node: str) -> None:
        super().__init__(lab, directory, node)
        self._clock = clock_of(directory, node)

    def argv(self) -> list[str]:
        """Its command line."""
        return _stepped(super().argv(), self._clock)

    @property
    def pids(self) -> list[int]:
        """Its process, while there is one."""
        return _pids(self._process)
