"""Authority to answer for VIPs, handed out as deadlines: today from the settings, while this site owns a VIP."""

from __future__ import annotations

import asyncio

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.switchtask import SwitchTask
from controller.plan.duty import PlanInput
from controller.plan.ids import Space

RENEWALS = 3
"""Times that an authority is renewed before it would end."""
_LONGEST = 10.0


class Authority:
    """Renews what switches may answer for. It ends by itself when this task does not run."""

    def __init__(self, committed: Readable[PlanInput | None], fleet: Fleet, clock: Clock) -> None:
        self._committed = committed
        self._fleet = fleet
        self._clock = clock
        self._changed = asyncio.Event()
        self._basis: tuple[object, object] = None, None
        """VIPs and owners that the last deadlines were for."""
        self._renewed = clock.now()
        committed.subscribe(self._follow)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            world = self._committed.value
            if world is not None:
                self._renew(world)
            await self._wait()

    def begin(self, task: SwitchTask) -> None:
        """A switch holds its plan: what answers there is as old as its last renewal, by a controller before perhaps."""
        world = self._committed.value
        if world is not None:
            task.renew(self.until(world))

    def _follow(self) -> None:
        """What is owned from now on has its authority before any switch hears of it."""
        world = self._committed.value
        if world is not None and self._basis != (world.intent.vips, world.owners):
            self._renew(world)
        self._changed.set()

    def _renew(self, world: PlanInput) -> None:
        self._basis, self._renewed = (world.intent.vips, world.owners), self._clock.now()
        self._fleet.renew(self.until(world))

    async def _wait(self) -> None:
        """Until the next renewal is due: sooner when an authority becomes shorter."""
        while (left := self._renewed + self._interval() - self._clock.now()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _interval(self) -> float:
        """Seconds between two renewals."""
        world = self._committed.value
        vips = () if world is None else world.intent.vips
        shortest = min((vip.authority for vip in vips), default=_LONGEST * RENEWALS)
        return min(shortest / RENEWALS, _LONGEST)

    def until(self, world: PlanInput) -> dict[int, float]:
        """The deadline of each VIP that has an owner, by id."""
        now = self._clock.now()
        return {
            world.ids.id(Space.VIP, vip.name): now + vip.authority
            for vip in world.intent.vips
            if vip.name in world.owners
        }
