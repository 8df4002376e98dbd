"""Watches an intent file: a bad one is reported and the last good one stays in force."""

from __future__ import annotations

from pathlib import Path

from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.spec.types import Intent

_Signature = tuple[int, int, int]


class IntentFile:
    """An intent file that may change at any time; ``poll`` it (one ``stat`` if nothing changed)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.intent: Intent | None = None
        """The last good intent; None until there was one."""
        self.errors: ConfigErrors | None = None
        """What is wrong with the file as it is now; None if it is good."""
        self._seen: tuple[_Signature | None] | None = None

    def poll(self) -> Intent | ConfigErrors | None:
        """The new intent or the errors if the file changed since the last call, else None.

        The first call always reads. A file that vanishes is an error once, and is read when it is back.
        """
        # Taken before reading: a write that happens meanwhile shows at the next call.
        signature = (self._signature(),)
        if signature == self._seen:
            return None
        self._seen = signature
        try:
            self.intent = load_intent(self.path)
        except ConfigErrors as errors:
            self.errors = errors
            return errors
        self.errors = None
        return self.intent

    def _signature(self) -> _Signature | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
