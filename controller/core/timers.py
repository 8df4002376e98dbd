"""Sleeps until a rule's next deadline, then lets it step. Owns nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from controller.clock import Clock
from controller.core.journal import Journal

LONGEST = 60.0
"""Seconds slept at most; a clock that was suspended is looked at again after that."""


PAUSE = 1.0
"""Seconds until a rule that failed is tried again."""


class Rule(NamedTuple):
    """A rule that time moves."""

    name: str

    deadline: Callable[[], float | None]
    """When it wants to step, in seconds of the clock; None: time does not move it."""
    step: Callable[[], object]


class Timers:
    """All rules that time moves."""

    def __init__(self, rules: list[Rule], journal: Journal, clock: Clock) -> None:
        self._rules = rules
        self._journal = journal
        self._clock = clock
        self._failed: dict[str, float] = {}
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """A rule may have another deadline."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. A deadline that has passed is carried out at once, though the rule was touched meanwhile."""
        while True:
            self._changed.clear()
            now = self._clock.now()
            due = min(
                (t for rule in self._rules if (t := self._due(rule)) is not None), default=now + LONGEST
            )
            if due > now:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(due - now, LONGEST)):
                        await self._changed.wait()
                continue
            for rule in self._rules:
                wanted = self._due(rule)
                if wanted is not None and wanted <= now:
                    self._step(rule, now)
            await asyncio.sleep(0)

    def _due(self, rule: Rule) -> float | None:
        wanted = rule.deadline()
        return wanted if wanted is None else max(wanted, self._failed.get(rule.name, wanted))

    def _step(self, rule: Rule, now: float) -> None:
        """One rule's failure stays its own: it is said, and the rule tried again."""
        try:
            rule.step()
        except Exception as error:
            self._journal.failure(error, part=rule.name)
            self._failed[rule.name] = now + PAUSE
        else:
            self._failed.pop(rule.name, None)
