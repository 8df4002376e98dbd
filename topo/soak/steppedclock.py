"""Runs the controller with a wall clock that can be stepped: ``python -m topo.soak.steppedclock FILE -- ARGUMENTS``.

FILE holds the seconds that are added to CLOCK_REALTIME as this process reads it, or "=" and the time at which it stands
still; it may change at any time. ARGUMENTS are those of ``evenkeel``. Other clocks, and those of other processes, stay
as they are.
"""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

AGAIN = 0.02
"""Seconds, monotonic, for which what was read is taken for the present."""


class Setting(NamedTuple):
    """What the file says."""

    nanoseconds: int
    """Added to the real time; of a clock that stands, its time."""
    stands: bool = False


class SteppedClock:
    """CLOCK_REALTIME plus what the file says, or the time at which it stands."""

    def __init__(
        self,
        path: Path,
        real: Callable[[], int] = time.time_ns,
        passing: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._real = real
        self._passing = passing
        self._setting = Setting(0)
        self._due = float("-inf")

    def time_ns(self) -> int:
        """In nanoseconds."""
        now = self._passing()
        if now >= self._due:
            self._setting = read_setting(self._path, self._setting)
            self._due = now + AGAIN
        nanoseconds, stands = self._setting
        return nanoseconds if stands else self._real() + nanoseconds

    def time(self) -> float:
        """In seconds."""
        return self.time_ns() / 1e9


def read_setting(path: Path, otherwise: Setting) -> Setting:
    """What the file says; ``otherwise`` while there is none, or half of one."""
    try:
        text = path.read_text(encoding="ascii")
        return Setting(int(float(text.removeprefix("=")) * 1e9), text.startswith("="))
    except (OSError, ValueError):
        return otherwise


def step(path: Path, seconds: float) -> None:
    """Let the clock of who watches ``path`` be so many seconds ahead of the real one, whole or not at all."""
    _write(path, f"{seconds!r}\n")


def stop(path: Path, at: float) -> None:
    """Let the clock of who watches ``path`` stand still at a time, until it is stepped."""
    _write(path, f"={at!r}\n")


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="ascii")
    draft.replace(path)


def install(clock: SteppedClock) -> None:
    """Let all code in this process that asks for the wall clock ask ``clock``.

    Before modules are imported that keep a reference to ``time.time``.
    """
    gettime, gettime_ns = time.clock_gettime, time.clock_gettime_ns

    def stepped(which: int) -> float:
        return clock.time() if which == time.CLOCK_REALTIME else gettime(which)

    def stepped_ns(which: int) -> int:
        return clock.time_ns() if which == time.CLOCK_REALTIME else gettime_ns(which)

    time.time, time.time_ns = clock.time, clock.time_ns
    time.clock_gettime, time.clock_gettime_ns = stepped, stepped_ns


def spare_grpc(real: Callable[[], float]) -> None:
    """Let gRPC's Python modules see the clock that its C part sees.

    They add a timeout to the wall clock, and the C part takes the wall clock off again: on a machine whose clock is
    stepped both see the same step. Here only one would, and every call would end at once or never.
    """
    import grpc._channel
    import grpc.aio._utils

    seen = SimpleNamespace(**{**vars(time), "time": real})
    for module in (grpc._channel, grpc.aio._utils):
        vars(module)["time"] = seen


def main(argv: list[str]) -> None:
    """Entry point; ends with the exit code of ``evenkeel``."""
    if len(argv) < 3 or argv[1] != "--":
        print("usage: python -m topo.soak.steppedclock FILE -- run INTENT ...", file=sys.stderr)
        raise SystemExit(2)
    real = time.time
    install(SteppedClock(Path(argv[0])))
    spare_grpc(real)
    sys.argv = ["evenkeel", *argv[2:]]
    # As `python -m controller`: a program that is run, not a part that labs are made of.
    runpy.run_module("controller", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
