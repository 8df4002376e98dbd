"""All connected switches. One that fails or stands still holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

from controller.clock import Clock
from controller.core.audits import AuditTurns
from controller.core.journal import Journal
from controller.core.switchtask import SwitchTask, at_once
from controller.core.targets import Targets
from controller.core.watcher import Watcher
from controller.southbound.driver import AnyDriver, Packet
from controller.spec.types import Role, Switch
from controller.tracing.base import NOT_TRACED, Tracing


def _unfenced(_: Switch, __: float) -> None:
    """No fence is claimed."""


class Fleet:
    """All connected switches, by id; their names are those of the intent that they follow."""

    def __init__(self, targets: Targets, journal: Journal, clock: Clock) -> None:
        self._targets = targets
        self._journal = journal
        self._clock = clock
        self._tasks: dict[int, SwitchTask] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._turns = AuditTurns()
        self.settle: Callable[[SwitchTask], Awaitable[None]] = at_once
        """What a switch that took its first plan waits for before it counts as synced; set by the one who assembles."""
        self.patience: Callable[[SwitchTask], Awaitable[None]] = at_once
        """What is waited for before the first plan of one that holds something; set by the one who assembles."""
        self.claim: Callable[[Switch, float], None] = _unfenced
        """Told until when a switch's fence may be claimed; set by the one who assembles."""
        self.tracing: Tracing = NOT_TRACED
        """Told which changes switches take; set by the one who assembles."""
        self._until: Mapping[int, float] = {}

    async def run(self) -> None:
        """Own the switches' tasks; until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for number in self._tasks:
                self._start(number)
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def __iter__(self) -> Iterator[SwitchTask]:
        return iter(list(self._tasks.values()))

    def __contains__(self, number: object) -> bool:
        return number in self._tasks

    def get(self, number: int) -> SwitchTask | None:
        """A connected switch."""
        return self._tasks.get(number)

    def named(self, name: str) -> SwitchTask | None:
        """The connected switch of that name that the intent names."""
        return next((t for t in self._tasks.values() if t.switch.name == name and not t.retiring), None)

    def ids(self) -> set[int]:
        """Of all connected switches."""
        return set(self._tasks)

    def names(self) -> set[str]:
        """Of all connected switches."""
        return {task.switch.name for task in self._tasks.values()}

    def is_synced(self, number: int) -> bool:
        """Whether a switch is here and holds its target."""
        task = self._tasks.get(number)
        return task is not None and task.synced and not task.leaving

    def held(self) -> Mapping[int, tuple[str, int]]:
        """Of switches that follow the plan, by id: name, and the change that each holds."""
        worlds = ((task, task.holding.world) for task in self._tasks.values() if not task.leaving)
        return {
            task.switch.id: (task.switch.name, -1 if world is None else world.revision)
            for task, world in worlds
        }

    def synced(self, role: Role | None = None) -> list[SwitchTask]:
        """Switches that hold their targets, in the order of their names."""
        found = (t for number, t in self._tasks.items() if self.is_synced(number))
        return sorted((t for t in found if role in (None, *t.switch.roles)), key=lambda t: t.switch.name)

    def connect(self, driver: AnyDriver, watcher: Watcher[SwitchTask]) -> SwitchTask:
        """Begin with a switch whose stream is up; an older stream of it is cut."""
        number = driver.switch.id
        self.disconnect(number, abort=True)
        task = SwitchTask(
            driver, self._targets, watcher, self._journal, self._clock, self._turns, self.settle
        )
        task.claim, task.patience, task.tracing = self.claim, self.patience, self.tracing
        task.renew(self._until)
        self._tasks[number] = task
        self._start(number)
        return task

    def _start(self, number: int) -> None:
        if self._group is not None:
            task = self._tasks[number]
            self._running[number] = self._group.create_task(task.run(), name=f"switch {task.switch.name}")

    def disconnect(self, number: int, *, abort: bool = False) -> None:
        """Forget a switch whose stream ended; ``abort``: end it."""
        task, running = self._tasks.pop(number, None), self._running.pop(number, None)
        if running is not None:
            running.cancel()
        self.tracing.gone(number)
        if task is not None and abort:
            task.driver.abort()

    def of_session(self, session: object) -> SwitchTask | None:
        """The switch with a stream."""
        return next((t for t in self._tasks.values() if t.driver.session is session), None)

    def wake(self) -> None:
        """Plans may have changed."""
        for task in self._tasks.values():
            task.wake.set()

    def send(self, name: str, packet: Packet) -> None:
        """Send a packet to a switch, if it is here."""
        task = self.named(name)
        if task is not None and task.driver.alive:
            task.send(packet)

    def renew(self, until: Mapping[int, float]) -> None:
        """Hand out authority: switches answer for VIPs until these deadlines, seconds of the clock by VIP id."""
        self._until = until
        for task in self._tasks.values():
            task.renew(until)

    def unsynced_version(self, role: Role) -> int | None:
        """The oldest version of the pins that a switch of a role holds; None: there is no such switch."""
        return min((t.pins_version for t in self._tasks.values() if role in t.switch.roles), default=None)
