"""A rolling push: P4 switches that run another program serve with what they hold until it is their turn.

    waiting ─► chosen ─► barred and avoided ─► nobody sends there, pins are safe ─► push ─► synced ─► admitted ─► next
                          └─────────── LEAVE, at most ──────────┘    └──── BOUND, at most ────┘

One switch at a time is empty. Edges come first, for one that waits cannot be told to leave an lb switch out; then
leafs, then lb switches, those that nobody uses before the others. One that is given up on does not stop the roll, but
for this: the last switch of a role that still serves is not emptied while another one did not get well under the new
program.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from controller.core.fleet import Member
from controller.southbound.p4 import events as p4events
from controller.southbound.p4.driver import pins_in
from controller.spec.types import Role, Switch

if TYPE_CHECKING:
    from controller.core.controller import Controller

GATHER = 5.0
"""Seconds after the first switch that waits, until all have been heard of and their order is known."""
LEAVE = 10.0
"""Seconds that others may take to stop sending to a switch, and lb switches to hold all pins."""
BOUND = 60.0
"""Seconds from the push until a switch that is not synced is given up on."""
AGAIN = 60.0
"""Seconds until a switch that refused its push is tried again."""
_LOOK = 0.1


@dataclass(frozen=True)
class View:
    """What the choice of the next switch depends on."""

    switches: Sequence[Switch]
    """All that the intent names, in its order."""
    waiting: Mapping[str, float]
    """When each of those that run another program may have its turn."""
    serving: frozenset[str]
    """Switches that are used: here, with their entries or their old ones, and lb switches admitted."""
    broken: frozenset[str]
    """Switches that were pushed and are not synced."""
    unheard: bool = False
    """Whether there are P4 switches of which nothing is known yet."""
    since: float = 0.0
    """When the first one began to wait."""


class Choice(NamedTuple):
    """Who is next, if anybody."""

    name: str | None
    held: str = ""
    """Why the one whose turn it is has to wait."""


def choose(view: View, now: float) -> Choice:
    """Who is emptied next. Pure."""
    if view.unheard and now < view.since + GATHER:
        return Choice(None)
    ready = [s for s in view.switches if s.name in view.waiting and view.waiting[s.name] <= now]
    first = min(ready, key=lambda s: _rank(s, view.serving), default=None)
    if first is None:
        return Choice(None)
    why = _needed(first, view)
    return Choice(None, f"{first.name} {why}") if why else Choice(first.name)


def _rank(switch: Switch, serving: frozenset[str]) -> tuple[bool, bool, bool]:
    return Role.LB in switch.roles, Role.EDGE not in switch.roles, switch.name in serving


def _needed(switch: Switch, view: View) -> str:
    """Why a switch must not be emptied now; empty: it may be."""
    if switch.name not in view.serving:
        return ""
    for role in sorted(switch.roles):
        peers = {s.name for s in view.switches if role in s.roles and s.site == switch.site} - {switch.name}
        sick = sorted(peers & view.broken)
        if sick and not peers & view.serving:
            return f"is the last {role} that serves, and {sick[0]} did not get well under the new program"
    return ""


@dataclass
class _Left:
    """How a switch was used before we took it out, in case it comes back with what it held."""

    cookie: int
    admitted: bool


@dataclass
class Rollout:
    """Who waits for a push, and whose turn it is. Belongs to the event loop."""

    core: Controller
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    allow_push: Callable[[str], None] = lambda name: None
    """The driver's; set by whoever owns it."""
    turn: str | None = None
    """Whose turn it is."""
    _waiting: dict[str, float] = field(default_factory=dict)
    _cookies: dict[str, int] = field(default_factory=dict)
    _left: dict[str, _Left] = field(default_factory=dict)
    _pushed: set[str] = field(default_factory=set)
    """Who was given up on after its push."""
    _since: float = 0.0
    _held: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

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

    def differs(self, event: p4events.Differs) -> None:
        """A switch runs another program."""
        name, core = event.name, self.core
        pins = None if event.pins is None else len(event.pins.entries)
        core.journal.event("pipeline_differs", switch=name, cookie=f"{event.cookie:#018x}", pins=pins)
        if event.pins is not None:
            core.adopt(name, pins_in(event.pins))
        if not self._waiting and self.turn is None:
            self._since = self.clock()
        self._waiting[name] = self.clock()
        self._cookies[name] = event.cookie
        left = self._left.pop(name, None)
        if left is not None and left.cookie == event.cookie:
            self._use_again(name, left.admitted)
        self._news.set()

    def parted(self, event: p4events.Parted) -> None:
        """A switch that waited does so no longer, or its push was refused."""
        self._waiting.pop(event.name, None)
        self._leave(event.name)
        self.core.journal.event("switch_down", switch=event.name)
        switch = self._switch(event.name)
        if switch is not None:
            self.core.arrivals.gone(switch)

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
            choice = choose(self._view(), self.clock())
            if choice.held and choice.held != self._held:
                self.core.journal.event("push_held", why=choice.held)
            self._held = choice.held
            if choice.name is None:
                await self.sleep(_LOOK)
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
        began = self.clock()
        moving = sum(pool.moving for pool in self.core.state.pools.values())
        self.core.journal.event("push_granted", switch=name, late=late, unsynced=unsynced, moving=moving)
        self.allow_push(name)
        why = await self._outcome(switch, began)
        if not why:
            self._pushed.discard(name)
        elif name in self._waiting:
            self._waiting[name] = self.clock() + AGAIN
        else:
            self._pushed.add(name)
        if why:
            self.core.journal.event("push_given_up", switch=name, why=why)

    async def _empty_soon(self, switch: Switch) -> tuple[list[str], int]:
        """Take a switch out of use; who still uses it after all, and how many pins are not where they have to be."""
        core, name = self.core, switch.name
        self._leave(name)
        if Role.LB in switch.roles:
            core.admission.bar(name, "gets another program")
        core.state.miss(core.state.absent | {name})
        core.touch()
        await self._until(lambda: not self._users(name) or name not in self._waiting, LEAVE)
        if Role.LB in switch.roles:
            await self._until(lambda: not self._unsynced() or name not in self._waiting, LEAVE)
        return self._users(name), self._unsynced()

    async def _outcome(self, switch: Switch, began: float) -> str:
        """Wait until a switch is in use again; why it is not, or nothing."""
        core, name = self.core, switch.name
        await self._until(lambda: core.is_synced(name) or name in self._waiting, BOUND)
        if name in self._waiting:
            return "its push was refused, it goes on with what it holds"
        if not core.is_synced(name):
            return f"not synced within {BOUND:g} s"
        core.journal.event("pushed", switch=name, seconds=round(self.clock() - began, 3))
        if Role.LB not in switch.roles:
            return ""
        window = max((pool.transition for pool in core.state.intent.pools), default=0.0)
        if not await self._until(lambda: name in core.state.admitted, BOUND + 2 * window):
            return "not admitted"
        return ""

    async def _until(self, holds: Callable[[], object], bound: float) -> bool:
        end = self.clock() + bound
        while not holds():
            if self.clock() >= end:
                return False
            await self.sleep(_LOOK)
        return True

    # -- inside ---------------------------------------------------------------------------------------------

    def _view(self) -> View:
        state = self.core.state
        switches = state.intent.switches
        here = {s.name for s in switches if self.core.is_synced(s.name) or s.name in self._waiting}
        serving = {
            s.name
            for s in switches
            if s.name in here
            and (s.name in state.admitted if Role.LB in s.roles else s.name not in state.absent)
        }
        named = {s.name for s in switches}
        self._pushed = {name for name in self._pushed if name in named and not self.core.is_synced(name)}
        p4 = {s.name for s in switches if s.p4runtime is not None}
        unheard = bool(p4 - self._waiting.keys() - self.core.members.keys())
        return View(
            switches, self._waiting, frozenset(serving), frozenset(self._pushed), unheard, self._since
        )

    def _users(self, name: str) -> list[str]:
        """Connected switches that may still send to one, for they have not written yet what they were told."""
        return sorted(
            m.switch.name for m in self.core.members.values() if _leads(m, name) and self._behind(m)
        )

    def _behind(self, member: Member) -> bool:
        want, _ = self.core.target(member.link)
        return member.have is None or len(member.link.diff(member.have, want)) > 0

    def _unsynced(self) -> int:
        """Pins that some lb switch under our program does not hold yet; those that wait hold what they did."""
        there = any(Role.LB in m.switch.roles for m in self.core.members.values())
        return self.core.unsynced() if there else 0

    def _leave(self, name: str) -> None:
        """Note how a switch was used; what was noted first holds."""
        if name in self._cookies:
            self._left.setdefault(name, _Left(self._cookies[name], name in self.core.state.admitted))

    def _use_again(self, name: str, admitted: bool) -> None:
        """A switch is back with all that it held."""
        core = self.core
        core.state.miss(core.state.absent - {name})
        if admitted and name not in core.state.admitted:
            core.state.admit(core.state.admitted | {name})
            core.journal.event("admitted", switch=name)
        core.touch()

    def _switch(self, name: str) -> Switch | None:
        return next((s for s in self.core.state.intent.switches if s.name == name), None)


def _leads(member: Member, name: str) -> bool:
    return any(port.to == name for port in member.switch.ports)
