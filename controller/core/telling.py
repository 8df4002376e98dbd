"""A register of the store in which the controller that leads tells agents some numbers, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from controller.sites.base import ABSENT, Guard, GuardFailed, Space, Stored, StoreError

UNSYNCED = "unsynced"
"""By site: how many pins and slots are not safe there."""
CONFLICTS = "conflicts"
"""By VIP: in how many frames other hosts said that they have it, since this controller began to lead."""
WITHIN = 2.0
"""Seconds for a put."""


class Telling:
    """Keeps one register as it should be."""

    def __init__(self, registers: Space, name: str, wanted: Callable[[], Mapping[str, int]]) -> None:
        self._registers, self._name, self._wanted = registers, name, wanted
        self._held: tuple[Mapping[str, int], int] | None = None
        """What the register holds, and its revision; None: not known."""

    def found(self, values: Mapping[str, Stored]) -> None:
        """All registers at one revision."""
        stored = values.get(self._name)
        self._held = ({}, ABSENT) if stored is None else (numbers(stored.data), stored.revision)

    async def tell(self) -> None:
        """Put what is wanted, if the register holds something else; what fails is tried by the next call."""
        if self._held is None:
            return
        now, (held, revision) = dict(self._wanted()), self._held
        if now == held:
            return
        batch, guard = {self._name: json.dumps(now).encode()}, Guard(keys={self._name: revision})
        try:
            self._held = now, await self._registers.commit(batch, guard, WITHIN)
        except GuardFailed as error:
            found = error.found.get(self._name)
            self._held = {}, ABSENT if found is None else found.revision
        except StoreError:
            pass


def numbers(data: bytes | None) -> Mapping[str, int]:
    """What a register says; nothing, if it cannot be read."""
    try:
        return {} if data is None else {str(name): int(count) for name, count in json.loads(data).items()}
    except (ValueError, AttributeError, TypeError):
        return {}
