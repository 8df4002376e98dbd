"""Knows which cables of Open vSwitch lb switches, to where servers are, carry nothing: the switches say it of ports.

    stream up, or a port changed ─► the switch is asked for its ports ─► not live: dead at once
                                                                         live again for STEADY seconds: alive

An Open vSwitch calls a port live while its link is up and, where BFD runs, the neighbour behind it answers. An lb
switch sends what it balances straight to the port of its server, so that it knows no way around: edges have to leave
it out (``dead_links``), as one that does not reach all servers. Its cables to edges are watched by the edges' own BFD.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Set
from dataclasses import dataclass

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.journal import Journal
from controller.core.switchtask import SwitchTask
from controller.plan.paths import End
from controller.southbound.driver import Ports
from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout
from controller.spec.kinds import Protocol
from controller.spec.types import Intent, Role, Switch

STEADY = 1.0
"""Seconds for which a port that was lost has to be live until it is used again: a flapping cable stays down."""

Place = tuple[int, int]
"""Id of a switch, number of a port."""


@dataclass
class _Port:
    """What is known of one port."""

    dead: bool = False
    known: bool = False
    """Whether it was ever live since its switch's stream came up."""
    live_since: float | None = None
    """Of a dead one: since when it is live again."""


class PortWatch:
    """The watched ports of all switches. Belongs to the event loop."""

    def __init__(
        self, intent: Readable[Intent], journal: Journal, clock: Clock, dead: Iterable[tuple[str, int]] = ()
    ) -> None:
        """``dead``: ports that were when they were last looked at; believed until their switch is heard."""
        self._wanted = intent
        self._journal = journal
        self._clock = clock
        self._intent: Intent | None = None
        self._watched: dict[Place, tuple[End, str]] = {}
        """With the switch that each leads to."""
        self._wakes: dict[int, asyncio.Event] = {}
        """By switch whose stream is up."""
        ids = {switch.name: switch.id for switch in intent.value.switches}
        self._ports = {(ids[name], port): _Port(dead=True) for name, port in dead if name in ids}

    # -- what happens ---------------------------------------------------------------------------------------

    def changed(self, number: int) -> None:
        """A switch says that something changed about its ports."""
        wake = self._wakes.get(number)
        if wake is not None:
            wake.set()

    async def follow(self, task: SwitchTask) -> None:
        """Look at a switch's ports now and whenever they change; until its stream ends."""
        number, driver = task.switch.id, task.driver
        if not isinstance(driver, Ports) or not _watches(task.switch):
            return
        for place, port in self._ports.items():
            if place[0] == number:
                port.known = False
        wake = self._wakes[number] = asyncio.Event()
        while True:
            wake.clear()
            try:
                self.look(number, await driver.live_ports())
            except (SwitchGone, SwitchTimeout):
                raise
            except SwitchError as error:
                self._journal.event("switch_error", switch=task.switch.name, error=str(error))
                return
            await wake.wait()

    def look(self, number: int, live: Set[int]) -> None:
        """These ports of a switch are live, all others are not."""
        self._attend()
        now = self._clock.now()
        for place in [place for place in self._watched if place[0] == number]:
            port = self._ports.setdefault(place, _Port())
            if place[1] not in live:
                port.live_since = None
                if not port.dead:
                    port.dead = True
                    self._say(place, up=False)
                continue
            if port.dead and port.live_since is None:
                port.live_since = now if port.known else now - STEADY
            port.known = True

    # -- what follows ---------------------------------------------------------------------------------------

    def dead(self) -> frozenset[End]:
        """Ports that lead nowhere now, by the present names of their switches."""
        self._attend()
        found, now = [], self._clock.now()
        for place, (end, _) in self._watched.items():
            port = self._ports.get(place)
            if port is None or not port.dead:
                continue
            if port.live_since is not None and now >= port.live_since + STEADY:
                port.dead, port.live_since = False, None
                self._say(place, up=True)
            else:
                found.append(end)
        return frozenset(found)

    def problem(self, switch: Switch) -> str:
        """Which of the switch's cables carry nothing, in words; empty: all do."""
        lost = [
            f"{end.port} ({to})" for place, (end, to) in self._watched.items() if self._lost(place, switch)
        ]
        return f"nothing gets through at port {', '.join(lost)}" if lost else ""

    def _lost(self, place: Place, switch: Switch) -> bool:
        port = self._ports.get(place)
        return place[0] == switch.id and port is not None and port.dead

    def _attend(self) -> None:
        """Take notice of another intent."""
        intent = self._wanted.value
        if intent is self._intent:
            return
        self._intent = intent
        names = {switch.name for switch in intent.switches}
        behind = {real.at for pool in intent.pools for real in pool.backends if real.at} & names
        self._watched = {
            (switch.id, port.number): (End(switch.name, port.number), port.to)
            for switch in intent.switches
            if _watches(switch)
            for port in switch.ports
            if port.to in behind
        }
        for place in self._ports.keys() - self._watched.keys():
            del self._ports[place]

    def _say(self, place: Place, *, up: bool) -> None:
        end, to = self._watched[place]
        what = "link_up" if up else "link_down"
        self._journal.event(what, switch=end.switch, port=end.port, to=to, missed=None)


def _watches(switch: Switch) -> bool:
    return switch.of_kind.protocol is Protocol.OPENFLOW and Role.LB in switch.roles
