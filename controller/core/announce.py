"""Say where the VIPs are: gratuitous ARP and unsolicited neighbour advertisements from the virtual MAC.

At once when a responder is ready, or answers for more than before, repeated within seconds, since a frame may be lost,
then again and again: forwarding entries on the way to the clients age, and may age before the clients' own ARP entries
do. A switch announces what it answers for by now, not what is planned. Frames go through the switches' outboxes, so no
switch holds up another one's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.switchtask import SwitchTask
from controller.core.targets import Targets
from controller.frames.announce import announcement
from controller.plan.segments import announced_on
from controller.southbound.driver import FramePacket
from controller.spec.types import Intent, Switch, Vip

PERIOD = 30.0
"""Seconds between announcements; forwarding entries commonly live for 300 s."""
REPEATS = (0.3, 0.7, 2.0)
"""Seconds between the first announcements of a VIP on a switch; then ``PERIOD``."""
LOOK = 1.0
"""Seconds between looks at what is due."""
SOON, QUICK = 3.0, 0.02
"""For so many seconds after plans have changed it looks that often: who begins to answer announces at once."""
BURST = 256
"""VIPs that a switch announces at a time: the rest follows at the next look."""


def _always(_: Switch) -> bool:
    """There is no fence."""
    return True


class Announcer:
    """Announces from every responder."""

    def __init__(
        self, targets: Targets, fleet: Fleet, clock: Clock, planned: Readable[object] | None = None
    ) -> None:
        """``planned``: changes when switches may begin to answer."""
        self._targets = targets
        self._fleet = fleet
        self._clock = clock
        self.answers: Callable[[Switch], bool] = _always
        """Whether a switch answers now; set by the one who assembles. One that does not announces nothing."""
        self.authorized: Callable[[Vip], bool] = lambda _: True
        """Whether there is authority for a VIP; set by the one who assembles."""
        self._due: dict[int, dict[str, _Due]] = {}
        """Switch -> VIP that it answers for -> when it announces it next."""
        self._known: dict[int, _Ports] = {}
        self._news = asyncio.Event()
        self._quick_until = clock.now()
        if planned is not None:
            planned.subscribe(self._news.set)

    def begin(self, task: SwitchTask) -> None:
        """A responder is ready: it announces all that it answers for."""
        self._due.pop(task.switch.id, None)
        self._say(task)

    def again(self, vip: str) -> None:
        """Announce a VIP at once, wherever it is answered for: another host said that it has it."""
        now = self._clock.now()
        for due in self._due.values():
            if vip in due:
                due[vip] = due[vip]._replace(at=now)
        self._news.set()

    async def run(self) -> None:
        """Announce what a switch has begun to answer for, and all of it again and again. Until cancelled."""
        while True:
            await self._wait()
            for number in self._due.keys() - self._fleet.ids():
                del self._due[number]
            for number in self._known.keys() - self._fleet.ids():
                del self._known[number]
            for task in self._fleet:
                self._say(task)

    async def _wait(self) -> None:
        """Until the next look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(QUICK if self._clock.now() < self._quick_until else LOOK):
                await self._news.wait()
                self._quick_until = self._clock.now() + SOON
        self._news.clear()

    def _say(self, task: SwitchTask) -> None:
        world, switch = self._targets.world, task.switch
        held = task.holding.world or world
        ports = self._ports(task) if self._ready(task) else []
        if not ports:
            self._due.pop(switch.id, None)
            return
        mine = [
            vip
            for vip in world.intent.vips
            if world.owners.get(vip.name) == held.owners.get(vip.name) == switch.site and self.authorized(vip)
        ]
        now, known = self._clock.now(), self._due.get(switch.id, {})
        due = {vip.name: known.get(vip.name) or _Due(now) for vip in mine}
        for vip in [vip for vip in mine if due[vip.name].at <= now][:BURST]:
            task.send(FramePacket(announcement(vip.address, vip.mac), ports))
            due[vip.name] = due[vip.name].next(now)
        self._due[switch.id] = due

    def _ready(self, task: SwitchTask) -> bool:
        return task.synced and not task.leaving and self.answers(task.switch)

    def _ports(self, task: SwitchTask) -> list[int]:
        """Where it announces: asked every second, and the same until the intent or who is absent changes."""
        world, switch = self._targets.world, task.switch
        known = self._known.get(switch.id)
        if (
            known is None
            or known.intent is not world.intent
            or known.switch is not switch
            or known.absent != world.absent
        ):
            made = announced_on(world.intent, switch, world.absent)
            known = self._known[switch.id] = _Ports(world.intent, switch, world.absent, made)
        return known.ports


class _Due(NamedTuple):
    """When a VIP is announced next, and how often it was."""

    at: float
    times: int = 0

    def next(self, now: float) -> _Due:
        """After it was."""
        rest = REPEATS[self.times] if self.times < len(REPEATS) else PERIOD
        return _Due(now + rest, self.times + 1)


class _Ports(NamedTuple):
    """Where a switch announces, and what that follows from."""

    intent: Intent
    switch: Switch
    absent: frozenset[str]
    ports: list[int]
