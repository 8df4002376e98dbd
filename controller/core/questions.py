"""ICMP errors whose owner is being asked for: an error that reaches several lb switches is one question. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

OPEN = 1024
"""Errors remembered at most; the oldest are forgotten first."""
SAME = 1.0
"""Seconds within which an error that comes again, byte for byte, is the same one at another lb switch."""


@dataclass
class Question:
    """Whose is an ICMP error?"""

    until: float
    """From when the same bytes are another error."""
    asked: set[str] = field(default_factory=set)
    """Switches that do not know."""
    answered: bool = False


class Questions:
    """Open questions by the bytes of the error."""

    def __init__(self) -> None:
        self._open: OrderedDict[bytes, Question] = OrderedDict()

    def about(self, error: bytes, now: float) -> Question:
        """The question about an error that came at ``now``: an open one, or a new one."""
        found = self._open.get(error)
        if found is None or found.until <= now:
            found = self._open[error] = Question(now + SAME)
        self._open.move_to_end(error)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)
        return found
