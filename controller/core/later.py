"""What many ask for and what is done once, a while after the first asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Later:
    """Calls ``what`` once for all that asked within ``seconds``. Belongs to the loop in which it is asked."""

    def __init__(self, what: Callable[[], None], seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._due: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        """Ask for it."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._seconds, self._do)

    def _do(self) -> None:
        self._due = None
        self._what()
