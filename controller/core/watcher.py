"""Who is told what becomes of connected switches."""

from __future__ import annotations

from typing import Protocol, TypeVar

from controller.spec.types import Switch

TaskT = TypeVar("TaskT", contravariant=True)


class Watcher(Protocol[TaskT]):
    """Who is told what becomes of switches. Called in the event loop; must not block."""

    def found(self, task: TaskT) -> None:
        """It was read for the first time in this session."""
        ...

    def stale(self, switch: Switch) -> None:
        """It came without what it needs: nothing may be sent there yet."""
        ...

    def synced(self, task: TaskT) -> None:
        """It holds its target."""
        ...

    def emptied(self, switch: Switch) -> None:
        """It is ours no longer, and holds nothing of ours."""
        ...
