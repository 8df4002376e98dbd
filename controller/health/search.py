"""Searches a text for a regular expression within a bounded time, since some expressions never come to an end."""

from __future__ import annotations

import re
import signal
from functools import lru_cache
from types import FrameType

LIMIT = 0.1
"""Seconds after which a search is given up."""


class TooSlow(Exception):
    """The search was given up."""


def found(pattern: str, text: str, limit: float = LIMIT) -> bool:
    """Whether ``text`` contains ``pattern``. Raises ``TooSlow`` after about ``limit`` seconds.

    Only the main thread of a process can be interrupted (the prober has no other); in another thread
    the search runs to its end.
    """
    compiled, alarm = _compiled(pattern), _Alarm()
    try:
        before = signal.signal(signal.SIGALRM, alarm.ring)
    except ValueError:  # not the main thread
        return compiled.search(text) is not None
    try:
        signal.setitimer(signal.ITIMER_REAL, limit)
        return compiled.search(text) is not None
    finally:
        alarm.set = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Alarm:
    """Interrupts what runs; one that rings late is not heard."""

    def __init__(self) -> None:
        self.set = True

    def ring(self, number: int, frame: FrameType | None) -> None:
        if self.set:
            raise TooSlow


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
