"""For how long processes were ready to run and had no processor: what a busy machine adds to every promise in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path


def waited(pid: int) -> float | None:
    """Seconds that a process's main thread has waited for a processor since it was started; None: it is gone, or the
    kernel does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return None


class Waits:
    """Adds up what several looks find; what a process waited after its last look is not known."""

    def __init__(self, read: Callable[[int], float | None] = waited) -> None:
        self._read = read
        self._last: dict[int, float] = {}
        self._found: dict[str, float] = defaultdict(float)

    def look(self, pids: Mapping[str, Iterable[int]]) -> None:
        """``pids``: those that play each part now."""
        seen: dict[int, float] = {}
        for name, each in pids.items():
            for pid in each:
                total = self._read(pid)
                if total is not None:
                    seen[pid] = total
                    self._found[name] += max(0.0, total - self._last.get(pid, 0.0 if self._last else total))
        self._last = seen

    def take(self) -> dict[str, float]:
        """Seconds by part since this was asked last."""
        found = dict(self._found)
        self._found.clear()
        return found
