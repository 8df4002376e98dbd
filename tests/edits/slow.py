"""An edit whose file is written slowly, while the controller looks at it with its own reader.

Half a text is not read before the writer has paused for as long as the reader waits. Then it is refused, or it is a
good file by itself, which is an edit like any other. The whole text is taken as it is.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from controller.core.intents import POLL
from controller.model.errors import ConfigErrors
from controller.model.reload import QUIET, IntentFile
from controller.spec.types import Intent
from tests.edits.fabric import Fabric
from tests.edits.text import text

SHORT = (0.1, 0.5, 0.95 * QUIET)
"""Pauses of the writer in which nothing may be read."""
LONG = QUIET + 3 * POLL
"""After a pause of so many seconds what there is has been read."""


class Torn(AssertionError):
    """Half a file was taken, or a whole one was not."""


class Writing:
    """A file, its writer and its reader, in the fabric's time."""

    def __init__(self, fabric: Fabric, path: Path) -> None:
        self._fabric = fabric
        self._path = path
        self._written = 0
        self.put(text(_with_room(fabric.intent)))
        self._reader = IntentFile(path, lambda: fabric.now)
        self._reader.poll()
        self._look = fabric.now + POLL

    def put(self, content: str) -> None:
        """Put a text into the file, as a writer does that does not rename."""
        self._path.write_text(content, encoding="utf-8")
        # Times of the file system are coarser than what is written here is apart.
        self._written += 1
        os.utime(self._path, ns=(self._written * 1_000_000,) * 2)

    def news(self, seconds: float) -> Intent | ConfigErrors | None:
        """Look as often as the controller does, for so long or until there is news."""
        fabric, end = self._fabric, self._fabric.now + seconds
        while self._look <= end:
            fabric.wait(self._look - fabric.now)
            self._look = fabric.now + POLL
            news = self._reader.poll()
            if news is not None:
                return news
        fabric.wait(end - fabric.now)
        return None


def write_slowly(random: Random, fabric: Fabric, name: str, new: Intent) -> Counter[str]:
    """Write the file of an edit in pieces; how it fared. Raises Torn and Moved."""
    done: Counter[str] = Counter({"written slowly": 1})
    new = _with_room(new)
    whole = text(new)
    with TemporaryDirectory() as folder:
        writing = Writing(fabric, Path(folder) / "intent.yaml")
        for cut in _cuts(random, whole):
            writing.put(whole[:cut])
            pause = random.choice((*SHORT, LONG))
            done[_half(fabric, f"{name}, cut at {cut}", writing.news(pause), pause)] += 1
        writing.put(whole)
        news = writing.news(LONG)
    if news != new:
        raise Torn(f"the whole file of {name} was read as {news}:\n{whole}")
    fabric.edit(f"{name}, written slowly", new)
    return done


def _half(fabric: Fabric, name: str, news: Intent | ConfigErrors | None, pause: float) -> str:
    """What became of half a file."""
    if (news is None) != (pause < QUIET):
        raise Torn(f"{name}: after {pause:g} s there was read: {news}")
    if news is None:
        return "half a file not read"
    if isinstance(news, ConfigErrors):
        return "half a file refused"
    fabric.edit(name, news)
    return "half a file good by itself"


def _cuts(random: Random, whole: str) -> list[int]:
    """Where the writer pauses: anywhere, or at the end of a line, where a good file is more likely."""
    ends = [n + 1 for n, each in enumerate(whole[:-1]) if each == "\n"]
    return sorted(random.choice((random.randrange(len(whole) - 1), random.choice(ends))) for _ in range(3))


def _with_room(intent: Intent) -> Intent:
    """The file is checked: a pool has room for the backends that it has."""
    pools = (replace(p, max_backends=max(p.max_backends, len(p.backends))) for p in intent.pools)
    return replace(intent, pools=tuple(pools))
