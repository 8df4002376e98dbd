"""Watches an intent file: one that is being written is not read, a bad one is reported and the last good one stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from controller.clock import SystemClock
from controller.model.errors import ConfigErrors, FileError
from controller.model.load import digest_of, load_text
from controller.model.sharing import sharing
from controller.model.yaml_source import read_text
from controller.spec.types import Intent

QUIET = 1.0
"""Seconds for which a file must look the same before it is read."""
LOOK = 0.2
"""Seconds between two looks of ``read_when_quiet``."""
PATIENCE = 30.0
"""Seconds after which ``read_when_quiet`` gives up on a file that does not come to rest."""

_Signature = tuple[int, int, int, int]


class IntentFile:
    """An intent file that may change at any time; ``poll`` it (one ``stat`` if nothing changed).

    A change is taken once two looks at least ``quiet`` seconds apart, and all between them, show the same
    file (times, size, inode), and it is still the same when it has been read. A text that is written slowly is
    not taken before its end unless the writer pauses for so long.
    """

    def __init__(self, path: Path, clock: Callable[[], float] | None = None, quiet: float = QUIET) -> None:
        self.path = path
        self.intent: Intent | None = None
        """The last good intent; None until there was one."""
        self.intent_digest: str | None = None
        """Digest (``digest_of``) of the text that ``intent`` was read from."""
        self.errors: ConfigErrors | None = None
        """What is wrong with the file as it was last read; None if it is good."""
        self.digest: str | None = None
        """Digest of the file as it was last read, good or not; None: it is no text, or could not be read."""
        self._clock = clock or SystemClock().now
        self._quiet = quiet
        self._taken: tuple[_Signature | None] | None = None
        """The file that was read last (None within: there was none), or None before the first."""
        self._seen: _Signature | None = None
        self._since = 0.0

    def poll(self, now: float | None = None) -> Intent | ConfigErrors | None:
        """The new intent or the errors if the file changed and came to rest since it was read, else None.

        ``now`` is in seconds of a clock that does not go backwards; None: the clock's own. The first call always
        reads, whatever state the file is in (``read_when_quiet`` waits). A file that vanishes or cannot be
        read is an error once, and is read when it is back.
        """
        if self._taken is None:
            self._seen = self._signature()
            return self._read(self._seen)
        now = self._clock() if now is None else now
        signature = self._look(now)
        if (signature,) == self._taken or now - self._since < self._quiet:
            return None
        return self._read(signature, now)

    def read_when_quiet(
        self, sleep: Callable[[float], None] = time.sleep, patience: float = PATIENCE
    ) -> Intent | ConfigErrors:
        """Waits until the file is at rest and reads it, at start-up.

        A file that does not come to rest within ``patience`` seconds is an error.
        """
        began = now = self._clock()
        self._look(now)
        while now - began <= patience:
            sleep(LOOK)
            now = self._clock()
            signature = self._look(now)
            if now - self._since >= self._quiet:
                news = self._read(signature, now)
                if news is not None:
                    return news
        problem = f"was being written for {patience:g} s"
        self.errors = ConfigErrors(
            [FileError(str(self.path), 0, 0, problem, "write it beside and rename it")]
        )
        self.digest = None
        return self.errors

    def _look(self, now: float) -> _Signature | None:
        """The file as it is now; the wait begins again if it is another than before."""
        signature = self._signature()
        if signature != self._seen:
            self._seen, self._since = signature, now
        return signature

    def _read(self, signature: _Signature | None, now: float | None = None) -> Intent | ConfigErrors | None:
        """Read the file; None if it changed meanwhile (not noticed without ``now``)."""
        errors = intent = digest = None
        try:
            text = read_text(self.path)
            digest = digest_of(text)
            intent = sharing(load_text(text, str(self.path)), self.intent)
        except ConfigErrors as caught:
            errors = caught
        if now is not None and self._look(now) != signature:
            return None
        self._taken, self.errors, self.digest = (signature,), errors, digest
        if intent is not None:
            self.intent, self.intent_digest = intent, digest
        return errors or intent

    def _signature(self) -> _Signature | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
