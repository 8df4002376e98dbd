"""Reading a switch for an audit, beside all else: few switches at a time, and no change waits until one is read.

What much is read from takes seconds. A change that is written meanwhile makes what was read worthless: it is read again
later, and then to the end, so that a switch that changes all the time is audited too. The session of a P4 switch reads
and writes one after the other: there the change is written when the read under way has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

AT_A_TIME = 4
"""Switches that are read at a time: what many large ones answer at once fills memory and takes them all long."""


class AuditTurns(asyncio.Semaphore):
    """Shared by all switches."""

    def __init__(self) -> None:
        super().__init__(AT_A_TIME)


class AuditReader:
    """Reads one switch."""

    def __init__(self, turns: AuditTurns) -> None:
        self._turns = turns
        self._disturbed = False
        """Whether the last audit came to nothing: the next one is not disturbed."""

    async def read(
        self,
        read: Callable[[], Awaitable[object]],
        wake: asyncio.Event,
        follow: Callable[[], Awaitable[bool]],
    ) -> object:
        """What ``read`` finds; None if ``follow``, called whenever ``wake`` is set, says that it wrote something."""
        reading = asyncio.create_task(self._in_turn(read))
        reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            while not self._disturbed and not await _ends_before(reading, wake):
                wake.clear()
                if await follow():
                    self._disturbed = True
                    return None
            self._disturbed = False
            return await reading
        finally:
            reading.cancel()

    async def _in_turn(self, read: Callable[[], Awaitable[object]]) -> object:
        async with self._turns:
            return await read()


async def _ends_before(task: asyncio.Task[object], event: asyncio.Event) -> bool:
    """Wait for either; whether the task has ended."""
    waking = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waking.cancel()
    return task.done()
