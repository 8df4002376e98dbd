"""Structured events, one JSON object a line: the log that people and programs read."""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from typing import IO


class Journal:
    """Writes events to a stream. ``t`` is CLOCK_MONOTONIC in seconds, ``at`` Unix time."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self._closed = False

    def failure(self, error: Exception, **fields: object) -> None:
        """Write an unexpected error with the place where it arose."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        self.event("failure", error=f"{type(error).__name__}: {error}", place=place, **fields)

    def event(self, name: str, **fields: object) -> None:
        """Write one event; a reader that went away ends the log, not the controller."""
        if self._closed:
            return
        row = {"t": round(time.monotonic(), 6), "at": round(time.time(), 3), "event": name, **fields}
        try:
            print(json.dumps(row, default=str), file=self._stream, flush=True)
        except (BrokenPipeError, ValueError):
            self._closed = True
