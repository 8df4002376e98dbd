"""Authority to answer for VIPs, handed out as deadlines: of the settings, and never later than the lease says.

The lease is this controller's leadership. A VIP that other sites may own is answered for only as long as no other
controller can lead: one that leads elsewhere cannot see a switch fall silent that is cut off together with this one. A
VIP of one site needs no lease: its switches refuse an older controller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.switchtask import SwitchTask
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.spec.types import Intent, Vip

RENEWALS = 3
"""Times that an authority is renewed before it would end."""
LEASED = 2.0
"""Seconds of authority, at most, for a VIP that several sites may own while controllers share a store. Less than a
lease (``leading.TIMES``) by two renewals: flows time out in whole seconds, and are renewed where that many are left."""
_LONGEST = 10.0


def endless() -> float:
    """The lease of a controller that shares its store with none."""
    return float("inf")


def leased(intent: Intent) -> Intent:
    """An intent whose authorities a lease can cover; where agents own VIPs, theirs are by leases of their own."""
    if intent.by_agents:
        return intent
    return replace(intent, vips=tuple(_leased(vip) for vip in intent.vips))


def _leased(vip: Vip) -> Vip:
    short = len(vip.owners) < 2 or vip.authority <= LEASED
    return vip if short else replace(vip, authority=LEASED)


class Authority:
    """Renews what switches may answer for. It ends by itself when this task does not run."""

    def __init__(
        self,
        committed: Readable[PlanInput | None],
        fleet: Fleet,
        clock: Clock,
        lease: Callable[[], float] = endless,
    ) -> None:
        """``lease``: until when no other controller can lead, by the clock."""
        self._committed = committed
        self._fleet = fleet
        self._clock = clock
        self._lease = lease
        self._changed = asyncio.Event()
        self._basis: tuple[object, object] = None, None
        """VIPs and owners that the last deadlines were for."""
        self._renewed = clock.now()
        self._granted: dict[str, float] = {}
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

    def lasts(self, vip: Vip) -> bool:
        """Whether there is authority for a VIP at all; where agents own VIPs, it is theirs."""
        world = self._committed.value
        if world is not None and world.intent.by_agents:
            return False
        return len(vip.owners) < 2 or self._clock.now() < self._lease()

    def granted(self, vip: str) -> float:
        """Until when any switch may answer for a VIP by what was handed out here."""
        return self._granted.get(vip, float("-inf"))

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
        if world.intent.by_agents:
            return {}
        now, lease = self._clock.now(), self._lease()
        owned = [vip for vip in world.intent.vips if vip.name in world.owners]
        for vip in owned:  # a flow that is written runs in full, also where less is left
            self._granted[vip.name] = max(now + vip.authority, self.granted(vip.name))
        ends = {vip: lease if len(vip.owners) > 1 else float("inf") for vip in owned}
        return {world.ids.id(Space.VIP, vip.name): min(now + vip.authority, end) for vip, end in ends.items()}
