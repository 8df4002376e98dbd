"""How late the event loop wakes what sleeps: the time for which something else held it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.clock import Clock

LOOK = 0.05
"""Seconds between two looks."""


async def watch(observe: Callable[[float], None], clock: Clock) -> None:
    """Until cancelled: seconds by which each sleep was too long."""
    while True:
        due = clock.now() + LOOK
        await asyncio.sleep(LOOK)
        observe(max(0.0, clock.now() - due))
