"""What one name server remembers from one question to the next: turns, counts, times. Outlives every content.

Of all policies only ``round-robin`` and ``least-selected`` go by it, and ``rtt`` by times measured here: two name
servers may differ in these, and in nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from random import Random

from controller.exits.names.rtt import Rtts

MOST = 4096
"""Sets of candidates of which turns or counts are kept; the one that was made longest ago goes first."""


class Memory:
    """Made once. Belongs to the thread that answers: compiling only hands it on."""

    def __init__(self, now: Callable[[], float], random: Random | None = None, site: str = "") -> None:
        """``now``: seconds of a clock. ``site``: where this name server is; empty: its times count for no site."""
        self.rtts = Rtts(now, site)
        self.draw: Callable[[], float] = (random or Random()).random
        """From 0 to below 1."""
        self._counts: OrderedDict[object, list[int]] = OrderedDict()

    def counts(self, key: object, size: int) -> list[int]:
        """Numbers kept under a key, at the beginning all 0; the one who asked may change them."""
        found = self._counts.get(key)
        if found is None or len(found) != size:
            found = self._counts[key] = [0] * size
            if len(self._counts) > MOST:
                self._counts.popitem(last=False)
        return found
