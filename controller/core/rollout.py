"""A rolling push: P4 switches that run another program serve with what they hold until it is their turn.

    waiting ─► chosen ─► withdrawn and avoided ─► no switch sends there, pins are safe ─► push ─► synced ─► admitted
                          └───── DRAIN_DEADLINE, at most ─────┘            └── SYNC_DEADLINE, at most ──┘

One switch at a time is empty; ``roll`` says which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.journal import Journal
from controller.core.pinning import Pinning
from controller.core.presence import Presence
from controller.core.roll import View, choose
from controller.core.state import Names
from controller.plan.tables import Tables
from controller.southbound.p4 import events as p4events
from controller.southbound.p4.driver import pins_in
from controller.spec.kinds import Protocol
from controller.spec.types import Intent, Role, Switch

DRAIN_DEADLINE = 10.0
"""Seconds that others may take to stop sending to a switch, and lb switches to hold all pins."""
SYNC_DEADLINE = 60.0
"""Seconds from the push until a switch that is not synced is given up on."""
RETRY_AFTER = 60.0
"""Seconds until a switch that refused its push is tried again."""
_LOOK = 0.1


@dataclass
class _Left:
    """How a switch was used before we took it out, in case it comes back with what it held."""

    cookie: int
    admitted: bool


class Rollout:
    """Who waits for a push, and whose turn it is. Belongs to the event loop."""

    def __init__(
        self,
        intent: Readable[Intent],
        tables: Readable[Tables],
        absent: Readable[Names],
        presence: Presence,
        fleet: Fleet,
        pinning: Pinning,
        journal: Journal,
        clock: Clock,
        commit: Callable[[], Awaitable[object]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``commit``: waits until what was decided is what is planned from."""
        self._commit = commit
        self._intent = intent
        self._tables = tables
        self._absent = absent
        self._presence = presence
        self._fleet = fleet
        self._pinning = pinning
        self._journal = journal
        self._clock = clock
        self._sleep = sleep
        self.allow_push: Callable[[str], None] = lambda _: None
        """The driver's; set by the one who assembles."""
        self.turn: str | None = None
        """Whose turn it is."""
        self._waiting: dict[str, float] = {}
        self._cookies: dict[str, int] = {}
        self._left: dict[str, _Left] = {}
        self._pushed: set[str] = set()
        """Who was given up on after its push."""
        self._since = 0.0
        self._held = ""
        self._news = asyncio.Event()
        presence.waits = self.waits

    # -- what others ask ------------------------------------------------------------------------------------

    def waits(self, name: str) -> bool:
        """Whether a switch runs another program, and serves with what it holds."""
        return name in self._waiting

    def shown(self, name: str) -> str:
        """For the status: ``waiting`` for its push, ``turn`` (being emptied), or nothing."""
        if name == self.turn:
            return "turn"
        return "waiting" if name in self._waiting else ""

    # -- what happens ---------------------------------------------------------------------------------------

    def differs(self, event: p4events.PipelineMismatch) -> None:
        """A switch runs another program."""
        name = event.name
        pins = None if event.pins is None else len(event.pins.entries)
        self._journal.event("pipeline_differs", switch=name, cookie=f"{event.cookie:#018x}", pins=pins)
        if event.pins is not None:
            self._pinning.adopt(name, pins_in(event.pins))
        if not self._waiting and self.turn is None:
            self._since = self._clock.now()
        self._waiting[name] = self._clock.now()
        self._cookies[name] = event.cookie
        left = self._left.pop(name, None)
        if left is not None and left.cookie == event.cookie:
            self._use_again(name, left.admitted)
        self._news.set()

    def parted(self, event: p4events.MismatchEnded) -> None:
        """A switch that waited does so no longer, or its push was refused."""
        self._waiting.pop(event.name, None)
        self._leave(event.name)
        self._journal.event("switch_down", switch=event.name)
        if self._switch(event.name) is not None:
            self._presence.gone(event.name)

    def arrived(self, name: str) -> None:
        """A switch runs our program."""
        self._waiting.pop(name, None)
        self._left.pop(name, None)

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            if not self._waiting:
                await self._news.wait()
            choice = choose(self._view(), self._clock.now())
            if choice.held and choice.held != self._held:
                self._journal.event("push_held", why=choice.held)
            self._held = choice.held
            if choice.name is None:
                await self._sleep(_LOOK)
                continue
            self.turn = choice.name
            try:
                await self._roll(choice.name)
            finally:
                self.turn = None

    async def _roll(self, name: str) -> None:
        """One switch's turn."""
        switch = self._switch(name)
        if switch is None:
            return
        late, unsynced = await self._empty_soon(switch)
        if name not in self._waiting:
            return
        del self._waiting[name]
        began = self._clock.now()
        moving = sum(pool.moving for pool in self._tables.value.pools.values())
        self._journal.event("push_granted", switch=name, late=late, unsynced=unsynced, moving=moving)
        self.allow_push(name)
        why = await self._outcome(switch, began)
        if not why:
            self._pushed.discard(name)
            return
        if name in self._waiting:
            self._waiting[name] = self._clock.now() + RETRY_AFTER
        else:
            self._pushed.add(name)
        self._journal.event("push_given_up", switch=name, why=why)

    async def _empty_soon(self, switch: Switch) -> tuple[list[str], int]:
        """Take a switch out of use; who still uses it after all, and how many pins are not where they have to be."""
        name = switch.name
        self._leave(name)
        if Role.LB in switch.roles:
            self._presence.withdraw(name, "gets another program")
        self._presence.set_absent(name)
        await self._commit()
        await self._until(lambda: not self._users(name) or name not in self._waiting, DRAIN_DEADLINE)
        if Role.LB in switch.roles:
            await self._until(lambda: not self._unsynced() or name not in self._waiting, DRAIN_DEADLINE)
        return self._users(name), self._unsynced()

    async def _outcome(self, switch: Switch, began: float) -> str:
        """Wait until a switch is in use again; why it is not, or nothing."""
        name, fleet = switch.name, self._fleet
        await self._until(lambda: fleet.is_synced(name) or name in self._waiting, SYNC_DEADLINE)
        if name in self._waiting:
            return "its push was refused, it goes on with what it holds"
        if not fleet.is_synced(name):
            return f"not synced within {SYNC_DEADLINE:g} s"
        self._journal.event("pushed", switch=name, seconds=round(self._clock.now() - began, 3))
        if Role.LB not in switch.roles:
            return ""
        window = max((pool.transition for pool in self._intent.value.pools), default=0.0)
        if not await self._until(lambda: self._presence.is_admitted(name), SYNC_DEADLINE + 2 * window):
            return "not admitted"
        return ""

    async def _until(self, holds: Callable[[], object], bound: float) -> bool:
        end = self._clock.now() + bound
        while not holds():
            if self._clock.now() >= end:
                return False
            await self._sleep(_LOOK)
        return True

    # -- inside ---------------------------------------------------------------------------------------------

    def _view(self) -> View:
        switches, fleet = self._intent.value.switches, self._fleet
        here = {s.name for s in switches if fleet.is_synced(s.name) or s.name in self._waiting}
        serving = frozenset(s.name for s in switches if s.name in here and self._serves(s))
        named = {s.name for s in switches}
        self._pushed = {name for name in self._pushed if name in named and not fleet.is_synced(name)}
        p4 = {s.name for s in switches if s.of_kind.protocol is Protocol.P4RUNTIME}
        unheard = bool(p4 - self._waiting.keys() - fleet.names())
        return View(switches, self._waiting, serving, frozenset(self._pushed), unheard, self._since)

    def _serves(self, switch: Switch) -> bool:
        if Role.LB in switch.roles:
            return self._presence.is_admitted(switch.name)
        return switch.name not in self._absent.value

    def _users(self, name: str) -> list[str]:
        """Connected switches that may still send to one, for they have not written yet what they should hold."""
        return sorted(task.switch.name for task in self._fleet if task.may_use(name))

    def _unsynced(self) -> int:
        """Pins that an lb switch under our program does not hold yet; those that wait hold what they did."""
        version = self._fleet.unsynced_version(Role.LB)
        return 0 if version is None else self._pinning.unsynced(version)

    def _leave(self, name: str) -> None:
        """Note how a switch was used; what was noted first holds."""
        if name in self._cookies:
            self._left.setdefault(name, _Left(self._cookies[name], self._presence.is_admitted(name)))

    def _use_again(self, name: str, admitted: bool) -> None:
        """A switch is back with all that it held."""
        self._presence.set_present(name)
        if admitted:
            self._presence.admit(name)

    def _switch(self, name: str) -> Switch | None:
        return next((s for s in self._intent.value.switches if s.name == name), None)
