"""An edge that was away goes on with the lb switches that it uses, until those that come back with it are in use again.

    a site is cut off: its lb switches leave the plan; its edge is cut off too, and goes on using them
    it is back, edge first: its plan lacks them until they are admitted ─► it waits for them, for LIMIT

Written at once, it would send their connections to others for a second or two, and those of mode fullnat would end.
What edges notice by themselves (BFD, ports, hellos) is not waited with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.switchtask import SwitchTask
from controller.spec.types import Intent, Role, Switch

LIMIT = 4.0
"""Seconds that an edge waits, at most."""
REDIAL = 2.0
"""Seconds after the edge's return in which an lb switch is expected to connect."""
_LOOK = 0.05


class Returning:
    """Knows who is still expected."""

    def __init__(
        self,
        intent: Readable[Intent],
        admitted: Readable[frozenset[str]],
        connected: Callable[[int], bool],
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``connected``: whether a switch's stream is up."""
        self._intent, self._admitted, self._connected = intent, admitted, connected
        self._clock, self._sleep = clock, sleep

    async def wait(self, task: SwitchTask) -> None:
        """Before the first plan of a switch that was read, and is not empty."""
        began = self._clock.now()
        if Role.LB in task.switch.roles or not any(
            task.may_use(each.name) for each in self._out(task.switch)
        ):
            return
        while self._clock.now() < began + LIMIT and self._expected(task.switch, began):
            await self._sleep(_LOOK)

    def _expected(self, edge: Switch, began: float) -> bool:
        """Whether an lb switch that is out of use may soon be in use."""
        early = self._clock.now() < began + REDIAL
        return any(early or self._connected(each.id) for each in self._out(edge))

    def _out(self, edge: Switch) -> list[Switch]:
        """lb switches of an edge that are out of use."""
        if Role.EDGE not in edge.roles:
            return []
        led_to = {port.to for port in edge.ports}
        known = self._intent.value.switches
        lbs = (each for each in known if Role.LB in each.roles and each.name in led_to)
        return [each for each in lbs if each.name not in self._admitted.value]
