"""Keeps a health service on the servers of an intent that changes; what is slow to prepare is prepared in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from controller.health.service import HealthService
from controller.health.targets import BackendRef, Target, targets_of
from controller.spec.types import Intent


class FollowedTargets:
    """The servers of the newest intent that can be prepared."""

    def __init__(
        self,
        service: HealthService,
        problem: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """``problem``: told why an intent's servers cannot be asked; ``changed``: called when others are asked."""
        self._service, self._problem, self._changed = service, problem, changed
        self._intent: Intent | None = None
        self._targets: Mapping[Target, frozenset[BackendRef]] = {}
        self._asked = asyncio.Event()

    def follow(self, intent: Intent) -> None:
        """Probe the servers of this intent from now on."""
        self._intent = intent
        self._asked.set()

    @property
    def servers(self) -> int:
        """Backends of pools that are probed."""
        return len({member for members in self._targets.values() for member in members})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            intent = self._intent
            if intent is None:
                continue
            try:
                targets = await asyncio.to_thread(_prepared, intent)
            except ValueError as error:
                self._problem(str(error))
                continue
            if targets != self._targets:
                self._targets = targets
                self._service.set_targets(targets)
                self._changed()


def _prepared(intent: Intent) -> dict[Target, frozenset[BackendRef]]:
    """Targets with what of them is slow to compute. Raises ValueError."""
    targets = targets_of(intent)
    for target in targets:
        assert target.probe.key
    return targets
