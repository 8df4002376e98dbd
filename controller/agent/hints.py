"""What the controller that leads tells agents in registers: numbers that none of their rules for authority goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controller.core.telling import CONFLICTS, UNSYNCED, numbers
from controller.sites.base import Stored


class Hints:
    """The last ones."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        """``announce``: a VIP, where this agent's edges answer for it, since another host said that it has it."""
        self._announce = announce
        self._conflicts: Mapping[str, int] = {}
        self.unsynced: Mapping[str, int] = {}
        """By site: what is not safe there yet."""

    def found(self, values: Mapping[str, Stored]) -> None:
        """All registers at one revision: what was said before is no news."""
        said = {name: stored.data for name, stored in values.items()}
        self.unsynced = numbers(said.get(UNSYNCED))
        self._conflicts = numbers(said.get(CONFLICTS))

    def changed(self, name: str, data: bytes | None) -> None:
        """One register; others than these are left alone."""
        if name == UNSYNCED:
            self.unsynced = numbers(data)
        if name == CONFLICTS:
            before, self._conflicts = self._conflicts, numbers(data)
            for vip, count in self._conflicts.items():
                if count and count != before.get(vip, 0):
                    self._announce(vip)
