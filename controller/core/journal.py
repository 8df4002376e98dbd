"""Structured events, one JSON object a line: the log that people and programs read."""

from __future__ import annotations

import json
import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from controller.core.events import EVENTS
from controller.core.eventtypes import Line
from controller.sites.causes import Cause

BACKLOG = 10_000
"""Events that wait for a slow reader; further ones are dropped and counted."""
_PAUSE = 0.2
"""Seconds until a write that failed is followed by the next one."""


class Sink(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Take one line. Must not block."""
        ...


class Said(NamedTuple):
    """An event of the timeline, as it was written."""

    line: Line
    t: float
    at: float
    change: int
    known: int
    event: str
    cause: Cause
    fields: Mapping[str, object]


class Keeper(Protocol):
    """Who keeps the timeline."""

    def keep(self, said: Said, /) -> None:
        """Take one event. Never blocks, never raises."""
        ...

    def mark(self) -> int:
        """A batch is made now: what was decided until now is in it."""
        ...

    def stored(self, mark: int, revision: int) -> None:
        """The batch of a mark is stored, or there was nothing to store."""
        ...


class _Nothing:
    """Keeps nothing."""

    def keep(self, said: Said, /) -> None:
        """Forget it."""

    def mark(self) -> int:
        """One is as good as another."""
        return 0

    def stored(self, mark: int, revision: int) -> None:
        """Forget it."""


class Journal:
    """Writes events to a sink. ``t`` is CLOCK_MONOTONIC in seconds, ``at`` Unix time, ``change`` the last commit."""

    def __init__(self, sink: Sink, wall: Callable[[], float] = time.time) -> None:
        self.sink = sink
        self._wall = wall
        self.change: Callable[[], int] = lambda: 0
        """The revision of the last commit; set by the one who assembles."""
        self.known: Callable[[], int] = lambda: 0
        """The newest revision of the store that is known, if that is another one; set by the part that watches it."""
        self.keeper: Keeper = _Nothing()
        """Handed what is of the timeline; set by the one who assembles."""
        self.observe: Callable[[str, Mapping[str, object]], None] = _unobserved
        """Handed name and fields of every event, to be counted; must not raise; set by the one who assembles."""

    def failure(self, error: BaseException, **fields: object) -> None:
        """Write an unexpected error with the place where it arose."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        self.event("failure", error=f"{type(error).__name__}: {error}", place=place, **fields)

    def event(
        self, name: str, cause: Cause | None = None, change: int | None = None, /, **fields: object
    ) -> None:
        """Write one event; never blocks, never raises.

        ``cause``: None: the usual one of this event. ``change``: the revision that it belongs to; None: that of the
        last commit.
        """
        t, at = round(time.monotonic(), 6), round(self._wall(), 3)
        change = self.change() if change is None else change
        head: dict[str, object] = {"change": change, "event": name}
        line = EVENTS[name].line if name in EVENTS else None
        if line is not None:
            cause = line.cause if cause is None else cause
            head["cause"] = cause
        self.sink.write(_line(t, at, {**head, **fields}))
        self.observe(name, fields)
        if line is not None and cause is not None and cause not in line.leaves_out:
            self.keeper.keep(Said(line, t, at, change, self.known(), name, cause, fields))


class QueuedSink:
    """A stream with a thread of its own: a full disk or a reader that stands still loses lines, and nothing else.

    What was lost is counted in ``dropped``, and said in an event ``events_dropped`` once lines pass again. A reader
    that went away ends the log.
    """

    def __init__(
        self, stream: IO[str], backlog: int = BACKLOG, wall: Callable[[], float] = time.time
    ) -> None:
        self._full = self._failed = 0
        """Lines lost, as each of the two threads counts them."""
        self._stream = stream
        self._wall = wall
        self._lines: queue.Queue[str | None] = queue.Queue(backlog)
        self._said = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines lost so far."""
        return self._full + self._failed

    def write(self, text: str, /) -> None:
        """Take one line."""
        if self._closed:
            return
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._full += 1

    def close(self, within: float = 2.0) -> None:
        """Write what waits, for so many seconds at most."""
        try:
            self._lines.put(None, timeout=within)
        except queue.Full:
            return
        self._thread.join(within)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None and not self._closed:
            if not self._out(line) and not self._closed:
                self._failed += 1
            if self.dropped > self._said and not self._closed:
                self._say()

    def _out(self, line: str) -> bool:
        try:
            self._stream.write(line)
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            self._closed = True
        except OSError:
            time.sleep(_PAUSE)
        else:
            return True
        return False

    def _say(self) -> None:
        count = self.dropped
        t, at = round(time.monotonic(), 6), round(self._wall(), 3)
        if self._out(_line(t, at, {"event": "events_dropped", "count": count})):
            self._said = count


def _unobserved(_: str, __: Mapping[str, object]) -> None:
    """Nothing is counted."""


def _line(t: float, at: float, fields: Mapping[str, object]) -> str:
    return json.dumps({"t": t, "at": at, **fields}, default=str) + "\n"
