"""All that is stored, as far as it was seen: what there is to begin with where the store does not answer."""

from __future__ import annotations

from controller.sites.base import Change, Loaded, applied


class Replica:
    """Follows a watch."""

    def __init__(self) -> None:
        self._loaded: Loaded | None = None

    @property
    def loaded(self) -> Loaded | None:
        """As of the last batch that was seen; None: nothing was."""
        return self._loaded

    def take(self, change: Change | Loaded) -> None:
        """All that is stored, or what a batch changed of it."""
        if isinstance(change, Loaded):
            self._loaded = Loaded(change.values, change.revision)
        elif self._loaded is not None:
            values = applied(self._loaded.values, change.values, change.revision)
            self._loaded = Loaded(values, change.revision)
