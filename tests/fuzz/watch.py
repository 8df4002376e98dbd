"""Bounds of one input: processor time, and memory of the process."""

from __future__ import annotations

import gc
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_PAGE = resource.getpagesize()
_MIB = 1 << 20


class Hang(BaseException):
    """An input takes too long. Not an Exception: what is fuzzed must not take it for one of its own."""


class Growth(BaseException):
    """Inputs, or one of them, take memory that is not given back."""


@contextmanager
def limited(seconds: float) -> Iterator[Callable[[bool], None]]:
    """Has ``Hang`` raised in the main thread once the process has computed for so long: from when what is given is
    called with True, until it is called with False."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds:g} s of processor time")

    before = signal.signal(signal.SIGPROF, late)
    try:
        yield lambda on: signal.setitimer(signal.ITIMER_PROF, seconds if on else 0.0) and None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


class Memory:
    """Of this process: what one input may take at most, and what all of them may leave."""

    def __init__(self, warm: int, leap: int = 256, left: int = 64) -> None:
        """``warm``: inputs after which the process is as large as it should be; ``leap``: MiB that one input may take
        above all before, ``left``: MiB that may be added after that."""
        self._warm, self._leap, self._left = warm, leap * _MIB, left * _MIB
        self._base = 0
        self._highest = _highest()

    def after(self, count: int) -> None:
        """So many inputs were taken. Raises Growth."""
        highest = _highest()
        before, self._highest = self._highest, highest
        if highest - before > self._leap:
            raise Growth(f"one input took {(highest - before) // _MIB} MiB")
        if count == self._warm:
            self._base = resident()
        elif count > self._warm and count % 4096 == 0:
            self._check()

    def _check(self) -> None:
        if resident() - self._base <= self._left:
            return
        gc.collect()
        grown = resident() - self._base
        if grown > self._left:
            self._base += grown
            raise Growth(f"inputs left {grown // _MIB} MiB")

    @property
    def added(self) -> int:
        """MiB since the process was warm."""
        return (resident() - self._base) // _MIB if self._base else 0


def resident() -> int:
    """Octets of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _highest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
