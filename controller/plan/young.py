"""Which connections on a moving slot are pinned, though they are where the slot will be: those that last. Pure.

Without its lb switch's memory such a connection goes to the slot's former backend. Most are short and need no pin, and
there are as many as new connections; so few are pinned at once, and beyond that those that are heard of twice.
"""

from __future__ import annotations

from collections import OrderedDict

from controller.plan.pins import PinKey

AT_ONCE = 50
"""Pins a second that are made at the first report."""
APART = 1.0
"""Seconds between two reports of a connection that lasts."""
TOGETHER = 1.0
"""Seconds within which such pins are written together. With each write Open vSwitch looks through all decisions that it
has cached, which costs it more than the connections themselves if every one has a pin written for it alone."""
KNOWN = 16_384
"""Connections heard of once that are remembered; the oldest are forgotten first."""


class Young:
    """What was heard of, and how much has been granted lately."""

    def __init__(self) -> None:
        self._heard: OrderedDict[PinKey, float] = OrderedDict()
        self._room = float(AT_ONCE)
        self._since = 0.0

    def wants_pin(self, key: PinKey, now: float) -> bool:
        """Whether a connection that was reported at ``now`` is to be pinned."""
        self._room = min(AT_ONCE, self._room + AT_ONCE * max(now - self._since, 0.0))
        self._since = now
        first = self._heard.get(key)
        if first is not None and now - first >= APART:
            del self._heard[key]
            return True
        if self._room >= 1.0:
            self._room -= 1.0
            self._heard.pop(key, None)
            return True
        if first is None:
            self._heard[key] = now
            while len(self._heard) > KNOWN:
                self._heard.popitem(last=False)
        return False
