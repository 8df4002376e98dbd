"""What outlives a controller is kept in a store: named values, written in batches that are all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Batch = Mapping[str, bytes | None]
"""Values to write by name; None deletes one."""


class StoreError(RuntimeError):
    """The store cannot be opened, read or written; the message names it and says what would help."""


class Store(Protocol):
    """One controller's view of what is stored. A batch that was acknowledged survives a loss of power."""

    @property
    def name(self) -> str:
        """What to call the store in messages: a file, or addresses."""
        ...

    def load(self) -> Mapping[str, bytes]:
        """All values, by name. Raises StoreError."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Write a batch as a whole. Raises StoreError; then nothing of it was written."""
        ...

    def close(self) -> None:
        """Close it."""
        ...
