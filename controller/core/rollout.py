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
from controller.plan.duty import PlanInput
from controller.plan.tables import Tables
from controller.sites.base import StoreError
from controller.sites.causes import Cause
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
        committed: Readable[PlanInput | None],
        tables: Readable[Tables],
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
        self._committed = committed
        self._tables = tables
        self._presence = presence
        self._fleet = fleet
        self._pinning = pinning
        self._journal = journal
        self._clock = clock
        self._sleep = sleep
        self.allow_push: Callable[[int], None] = lambda _: None
        """The driver's; set by the one who assembles."""
        self.turn: int | None = None
        """Whose turn it is, by its id, as everything here: names may change meanwhile."""
        self._waiting: dict[int, float] = {}
        self._cookies: dict[int, int] = {}
        self._left: dict[int, _Left] = {}
        self._pushed: set[int] = set()
        """Who was given up on after its push."""
        self._since = 0.0
        self._held = ""
        self._news = asyncio.Event()
        presence.waits = self.waits

    # -- what others ask ------------------------------------------------------------------------------------

    def waits(self, number: int) -> bool:
        """Whether a switch runs another program, and serves with what it holds."""
        return number in self._waiting

    def shown(self, number: int) -> str:
        """For the status: ``waiting`` for its push, ``turn`` (being emptied), or nothing."""
        if number == self.turn:
            return "turn"
        return "waiting" if number in self._waiting else ""

    # -- what happens ---------------------------------------------------------------------------------------

    def differs(self, event: p4events.PipelineMismatch) -> None:
        """A switch runs another program."""
        number, name = event.id, event.name
        pins = None if event.pins is None else len(event.pins.entries)
        self._journal.event("pipeline_differs", switch=name, cookie=f"{event.cookie:#018x}", pins=pins)
        if event.pins is not None:
            self._pinning.adopt(name, pins_in(event.pins))
        if not self._waiting and self.turn is None:
            self._since = self._clock.now()
        self._waiting[number] = self._clock.now()
        self._cookies[number] = event.cookie
        left = self._left.pop(number, None)
        if left is not None and left.cookie == event.cookie:
            self._use_again(number, left.admitted)
        self._news.set()

    def parted(self, event: p4events.MismatchEnded) -> None:
        """A switch that waited does so no longer, or its push was refused."""
        self._waiting.pop(event.id, None)
        self._leave(event.id)
        self._journal.event("switch_down", switch=event.name)
        self._presence.gone(event.id)

    def arrived(self, number: int) -> None:
        """A switch runs our program."""
        self._waiting.pop(number, None)
        self._left.pop(number, None)

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
            if choice.switch is None:
                await self._sleep(_LOOK)
                continue
            self.turn = choice.switch.id
            try:
                await self._roll(choice.switch)
            finally:
                self.turn = None

    async def _roll(self, switch: Switch) -> None:
        """One switch's turn."""
        number = switch.id
        late, unsynced = await self._empty_soon(switch)
        if number not in self._waiting:
            return
        del self._waiting[number]
        began = self._clock.now()
        moving = sum(pool.moving for pool in self._tables.value.pools.values())
        self._journal.event(
            "push_granted", switch=self._name(number), late=late, unsynced=unsynced, moving=moving
        )
        self.allow_push(number)
        why = await self._outcome(switch, began)
        if not why:
            self._pushed.discard(number)
            return
        if number in self._waiting:
            self._waiting[number] = self._clock.now() + RETRY_AFTER
        else:
            self._pushed.add(number)
        self._journal.event("push_given_up", switch=self._name(number), why=why)

    async def _empty_soon(self, switch: Switch) -> tuple[list[str], int]:
        """Take a switch out of use; who still uses it after all, and how many pins are not where they have to be."""
        number = switch.id
        self._leave(number)
        if Role.LB in switch.roles:
            self._presence.withdraw(number, "gets another program", Cause.PROGRAM)
        self._presence.set_absent(number)
        await self._stored(number)
        await self._until(lambda: not self._users(number) or number not in self._waiting, DRAIN_DEADLINE)
        if Role.LB in switch.roles:
            await self._until(lambda: not self._unsynced() or number not in self._waiting, DRAIN_DEADLINE)
        return self._users(number), self._unsynced()

    async def _stored(self, number: int) -> None:
        """Wait until it is planned without a switch, or that one no longer waits: the store may be out of reach."""
        while number in self._waiting:
            try:
                await self._commit()
            except StoreError:  # it is said by those who store
                await self._sleep(_LOOK)
            else:
                return

    async def _outcome(self, switch: Switch, began: float) -> str:
        """Wait until a switch is in use again; why it is not, or nothing."""
        number = switch.id
        await self._until(lambda: self._fleet.is_synced(number) or number in self._waiting, SYNC_DEADLINE)
        if number in self._waiting:
            return "its push was refused, it goes on with what it holds"
        if not self._fleet.is_synced(number):
            return f"not synced within {SYNC_DEADLINE:g} s"
        self._journal.event("pushed", switch=self._name(number), seconds=round(self._clock.now() - began, 3))
        if Role.LB not in switch.roles:
            return ""
        window = max((pool.transition for pool in self._intent.pools), default=0.0)
        if not await self._until(lambda: self._presence.is_admitted(number), SYNC_DEADLINE + 2 * window):
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
        switches = self._intent.switches
        here = {s.id for s in switches if self._fleet.is_synced(s.id) or s.id in self._waiting}
        serving = frozenset(s.id for s in switches if s.id in here and self._serves(s))
        named = {s.id for s in switches}
        self._pushed = {each for each in self._pushed if each in named and not self._fleet.is_synced(each)}
        p4 = {s.id for s in switches if s.of_kind.protocol is Protocol.P4RUNTIME}
        unheard = bool(p4 - self._waiting.keys() - self._fleet.ids())
        return View(switches, self._waiting, serving, frozenset(self._pushed), unheard, self._since)

    def _serves(self, switch: Switch) -> bool:
        if Role.LB in switch.roles:
            return self._presence.is_admitted(switch.id)
        return not self._presence.is_absent(switch.id)

    def _users(self, number: int) -> list[str]:
        """Connected switches that may still send to one, for they have not written yet what they should hold."""
        return sorted(task.switch.name for task in self._fleet if task.may_use(self._name(number)))

    def _unsynced(self) -> int:
        """Pins that an lb switch under our program does not hold yet; those that wait hold what they did."""
        version = self._fleet.unsynced_version(Role.LB)
        return 0 if version is None else self._pinning.unsynced(version)

    def _leave(self, number: int) -> None:
        """Note how a switch was used; what was noted first holds."""
        if number in self._cookies:
            used = self._presence.is_admitted(number)
            self._left.setdefault(number, _Left(self._cookies[number], used))

    def _use_again(self, number: int, admitted: bool) -> None:
        """A switch is back with all that it held."""
        self._presence.set_present(number)
        if admitted:
            self._presence.admit(number)

    def _name(self, number: int) -> str:
        switch = self._intent.switch(number)
        return f"{number:#x}" if switch is None else switch.name

    @property
    def _intent(self) -> Intent:
        """The intent that switches are planned from: an accepted one whose commit is under way is not theirs yet."""
        world = self._committed.value
        assert world is not None, "no switch is ours before the first commit"
        return world.intent
