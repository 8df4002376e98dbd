"""Fences of edges: which of them this controller has an end of, what it claims there, and whether they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.journal import Journal
from controller.core.switchtask import SwitchTask
from controller.sites.fence.service import FenceService, here
from controller.sites.fence.wire import PortState
from controller.southbound.driver import Ports
from controller.southbound.errors import SwitchError
from controller.spec.types import FenceEnd, Intent, Switch

LOOK = 1.0
"""Seconds between looks at whether interfaces come, and fences hold."""
NOTICED = 1.0
"""Seconds after the end of a claim after which a port that is still live is not watched by BFD."""
_DEAD = PortState(up=False, claim=False, since=0.0, until=0.0, why="there is no speaker")


@dataclass(frozen=True)
class FenceStatus:
    """One fence that this controller has an end of."""

    up: bool
    """The BFD session with the edge is up."""
    claim: bool
    """The controller claims its authority: the edge answers."""
    age: float | None
    """Seconds since the session came up; None: it is not up."""
    left: float
    """Seconds until the claim ends if it is not renewed."""
    why: str
    """Why nothing is claimed; empty: it is."""
    open: bool
    """The edge answers although nothing is claimed, because it does not run BFD on the port."""


class _Seen(NamedTuple):
    """What was reported of a fence last."""

    claim: bool = False
    open: bool = False
    silent: float | None = None
    """Since when the speaker says that it claims nothing; None: it claims, or there is none that would say."""


class Fences:
    """Hands the fleet's claims to the speaker, and watches what becomes of them."""

    def __init__(
        self, intent: Readable[Intent], fleet: Fleet, service: FenceService, journal: Journal, clock: Clock
    ) -> None:
        self._intent = intent
        self._fleet = fleet
        self._service = service
        self._journal = journal
        self._clock = clock
        self._here: set[str] = set()
        self._seen: dict[str, _Seen] = {}
        self.on_claim: Callable[[SwitchTask], None] = _nothing
        """Told when an edge begins to answer; set by the one who assembles."""
        service.on_states = self._follow

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._service.run())
            while True:
                self._here = here({end.interface for _, end in self._ends()})
                self._service.use(self._here)
                self._follow()
                for task in self._fleet:
                    await self._look(task)
                await asyncio.sleep(LOOK)

    def claim(self, switch: Switch, until: float) -> None:
        """A switch's fence may be claimed until then."""
        for end in switch.fence:
            self._service.allow(end.interface, until)

    def answers(self, switch: Switch) -> bool:
        """Whether this controller has the switch answer; without a fence the switch's flows alone decide that."""
        return not switch.fence or any(self._state(end).claim for end in switch.fence)

    def shown(self, switch: Switch) -> dict[str, FenceStatus] | None:
        """The switch's fences by interface; None: it has none."""
        if not switch.fence or self._intent.value.by_agents:
            return None
        now = self._clock.now()
        return {
            end.interface: FenceStatus(
                state.up,
                state.claim,
                round(now - state.since, 3) if state.up else None,
                round(max(state.until - now, 0.0), 3),
                state.why,
                self._seen.get(end.interface, _Seen()).open,
            )
            for end in switch.fence
            if end.interface in self._here
            for state in [self._state(end)]
        }

    def problem(self, switch: Switch) -> str:
        """What is wrong with a switch's fence, in words; empty: nothing."""
        if self._intent.value.by_agents:
            return ""
        for end in switch.fence:
            if self._seen.get(end.interface, _Seen()).open:
                return f"fence {end.interface}: port {end.port} is live without a claim; set bfd:enable=true on it"
        if switch.fence and not any(end.interface in self._here for end in switch.fence):
            names = ", ".join(end.interface for end in switch.fence)
            return f"fence: no interface {names} here, so nothing is claimed"
        return ""

    def _ends(self) -> Iterator[tuple[Switch, FenceEnd]]:
        """Those at which this controller may claim something: none, where agents do."""
        if self._intent.value.by_agents:
            return iter(())
        return ((switch, end) for switch in self._intent.value.switches for end in switch.fence)

    def _state(self, end: FenceEnd) -> PortState:
        return self._service.states.get(end.interface, _DEAD)

    def _follow(self) -> None:
        """Say what has changed."""
        for switch, end in self._ends():
            state, seen = self._state(end), self._seen.get(end.interface, _Seen())
            speaks = state is not _DEAD and not state.claim
            seen = seen._replace(silent=(seen.silent or self._clock.now()) if speaks else None)
            self._seen[end.interface] = seen
            if state.claim == seen.claim:
                continue
            self._seen[end.interface] = seen._replace(claim=state.claim)
            if not state.claim:
                self._journal.event(
                    "fence_silent", switch=switch.name, interface=end.interface, why=state.why
                )
                continue
            self._journal.event("fence_claimed", switch=switch.name, interface=end.interface)
            task = self._fleet.named(switch.name)
            if task is not None:
                self.on_claim(task)

    async def _look(self, task: SwitchTask) -> None:
        """Whether a port is live on which nothing is claimed, before the question and after it."""
        ends = [end for end in task.switch.fence if end.interface in self._here]
        if not ends or not isinstance(task.driver, Ports):
            return
        silent = {end.port for end in ends if self._is_silent(end)}
        try:
            live = await task.driver.live_ports()
        except SwitchError:
            return
        for end in ends:
            seen = self._seen.get(end.interface, _Seen())
            is_open = end.port in silent & set(live) and self._is_silent(end)
            if is_open and not seen.open:
                self._journal.event(
                    "fence_open", switch=task.switch.name, interface=end.interface, port=end.port
                )
            self._seen[end.interface] = seen._replace(open=is_open)

    def _is_silent(self, end: FenceEnd) -> bool:
        """For so long that the switch has noticed."""
        silent = self._seen.get(end.interface, _Seen()).silent
        return silent is not None and self._clock.now() >= silent + NOTICED


def _nothing(_: SwitchTask) -> None:
    """No part listens."""
