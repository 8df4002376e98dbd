"""When edges may use an lb switch: one that comes back waits until it can do no harm.

    synced ─► links up (or LINKS seconds) ─► others are read, no slot moves (or two windows) ─► admitted ─► links opened

A switch that lost its memory does not know connections that were opened on a moving slot while it was away, and would
give their packets to the old backend; so it waits for the window to end. After a start of the controller it also waits
until the others are read that are in use, and it holds their pins. The only switch there is waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.journal import Journal
from controller.core.presence import Presence
from controller.core.switchtask import SwitchTask
from controller.plan.tables import Tables
from controller.southbound.driver import Doors, Ports
from controller.southbound.errors import SwitchError
from controller.southbound.ovsdb.client import OvsdbError
from controller.spec.types import Intent, Role

LINKS = 5.0
"""Seconds that a switch may wait for its links to other switches."""
_LOOK = 0.1
_AGAIN = 1.0


class Admission:
    """Who waits, and since when."""

    def __init__(
        self,
        intent: Readable[Intent],
        tables: Readable[Tables],
        presence: Presence,
        fleet: Fleet,
        journal: Journal,
        clock: Clock,
        pins: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``pins``: the present version of the book of pins."""
        self._intent = intent
        self._tables = tables
        self._presence = presence
        self._fleet = fleet
        self._journal = journal
        self._clock = clock
        self._sleep = sleep
        self._pins = pins
        self.bars: Callable[[int], str] = lambda _: ""
        """Why edges may never use a switch as it is; set by the one who assembles."""
        self._waiting: dict[int, float] = {}
        self._needed: dict[int, int | None] = {}
        """The version of the pins that one has to hold that others were not read for yet; None: not known either."""
        tables.subscribe(self.review)

    async def seek(self, task: SwitchTask) -> None:
        """A switch holds its target and wants traffic; ends when its links are open, or its stream ends."""
        number = task.switch.id
        if not self._presence.is_admitted(number):
            if self._presence.others(number):
                await self._links_up(task)
            self._waiting[number] = self._clock.now()
            self.review()
            if number in self._waiting:
                self._journal.event("held", switch=task.switch.name, why=self._why(number))
            while number in self._waiting:
                await self._sleep(_LOOK)
                self.review()
        await self._open_links(task)

    def review(self) -> None:
        """Admit all that need not wait any longer."""
        for number, since in list(self._waiting.items()):
            if not self._presence.is_synced(number):
                del self._waiting[number]
            elif self._may_serve(number, since):
                del self._waiting[number]
                self._presence.admit(number)
        self._needed = {number: known for number, known in self._needed.items() if number in self._waiting}

    def _may_serve(self, number: int, since: float) -> bool:
        if self.bars(number):
            return False
        window = max((pool.transition for pool in self._intent.value.pools), default=0.0)
        if not self._presence.others(number) or self._clock.now() >= since + 2 * window:
            return True
        return self._holds_pins(number) and not self._moving

    @property
    def _moving(self) -> bool:
        return any(pool.moving for pool in self._tables.value.pools.values())

    def _holds_pins(self, number: int) -> bool:
        """Whether all that are in use were read, or are gone, and a switch holds the pins that were found there."""
        if self._presence.unread(number):
            self._needed[number] = None
        elif self._needed.get(number, 0) is None:
            self._needed[number] = self._pins()
        needed, task = self._needed.get(number, 0), self._fleet.get(number)
        return needed is not None and task is not None and (not needed or task.pins_version >= needed)

    def _why(self, number: int) -> str:
        if self.bars(number):
            return self.bars(number)
        if self._moving:
            return "slots are moving, and it does not know who is on them"
        unread = ", ".join(self._presence.unread(number))
        return f"{unread or 'others'} may know connections that it does not"

    async def _open_links(self, task: SwitchTask) -> None:
        """Let edges use the links of an admitted switch; again and again while its OVSDB refuses."""
        switch, driver = task.switch, task.driver
        edges = {s.name for s in self._intent.value.switches if Role.EDGE in s.roles}
        ports = {port.number for port in switch.ports if port.to in edges}
        if not ports or not isinstance(driver, Doors):
            return
        while driver.alive and self._presence.is_admitted(switch.id):
            try:
                await driver.open_links(ports)
            except (OvsdbError, SwitchError) as error:
                if driver.alive and not task.links_shut:
                    self._journal.event("links_shut", switch=switch.name, error=str(error))
                task.links_shut = str(error)
                await self._sleep(_AGAIN)
            else:
                task.links_shut = ""
                return

    async def _links_up(self, task: SwitchTask) -> None:
        """Wait for the ports that lead to connected switches."""
        here = {s.name for s in self._intent.value.switches} & self._fleet.names()
        wanted = {port.number for port in task.switch.ports if port.to in here}
        end = self._clock.now() + LINKS
        while self._clock.now() < end:
            try:
                if await self._live(task, wanted) and await self._seen(task):
                    return
            except SwitchError:
                return
            await self._sleep(_LOOK)
        self._journal.event("links_down", switch=task.switch.name, waited=LINKS)

    async def _live(self, task: SwitchTask, wanted: set[int]) -> bool:
        return not isinstance(task.driver, Ports) or wanted <= await task.driver.live_ports()

    async def _seen(self, task: SwitchTask) -> bool:
        """Whether neighbours that see by BFD have their ports to a switch up that sees nothing of its own ports.

        Two Open vSwitch switches see each other by BFD, two P4 switches by hellos: there either end knows.
        """
        if task.switch.of_kind.sees_bfd:
            return True
        for name in {port.to for port in task.switch.ports}:
            neighbour = self._fleet.named(name)
            if neighbour is None or not neighbour.switch.of_kind.sees_bfd:
                continue
            towards = {port.number for port in neighbour.switch.ports if port.to == task.switch.name}
            with suppress(SwitchError):  # one that goes now is waited for no longer
                if not await self._live(neighbour, towards):
                    return False
        return True
