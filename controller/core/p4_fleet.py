"""Which P4 switches the driver is connected to: those that the intent names. Its pushes are the core's to allow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from controller.southbound.p4.connections import P4Runtime

if TYPE_CHECKING:
    from controller.core.controller import Controller


class P4Fleet:
    """Connects to switches as the intent gains them, and lets go of those it loses."""

    def __init__(self, core: Controller, driver: P4Runtime) -> None:
        self._core = core
        self._driver = driver
        self._known: set[str] = set()
        core.rollout.allow_push = driver.allow_push
        self._going: set[asyncio.Task[None]] = set()

    def follow(self) -> None:
        """The intent is another (event loop)."""
        wanted = {s.name: s for s in self._core.state.intent.switches if s.p4runtime is not None}
        for switch in wanted.values():
            assert switch.p4runtime is not None
            self._driver.connect(switch.name, switch.p4runtime, switch.id, self._core.term)
        for name in self._known - set(wanted):
            task = asyncio.get_running_loop().create_task(self._driver.disconnect(name))
            self._going.add(task)
            task.add_done_callback(self._going.discard)
        self._known = set(wanted)

    async def close(self) -> None:
        """Let go of all."""
        await self._driver.close()
