"""Which lb switches edges may use: one that comes back waits until it can do no harm.

    synced ─► links up (or LINKS seconds) ─► no slot moves (or two windows) ─► admitted ─► links opened

A switch that lost its memory does not know connections that were opened on a moving slot while it was away, and would
give their packets to the old backend; so it waits for the window to end. The only switch there is waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from controller.core.fleet import Member
from controller.southbound.errors import SwitchError
from controller.southbound.openflow.driver import OpenFlowLink
from controller.southbound.ovsdb import links
from controller.southbound.ovsdb.client import OvsdbError
from controller.spec.types import Role

if TYPE_CHECKING:
    from controller.core.controller import Controller

LINKS = 5.0
"""Seconds that a switch may wait for its links to other switches."""
_LOOK = 0.1
_AGAIN = 1.0


class Admission:
    """Who waits, and since when."""

    def __init__(self, core: Controller, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._core = core
        self._sleep = sleep
        self._waiting: dict[str, float] = {}

    async def seek(self, member: Member, now: float) -> None:
        """A switch holds its target and wants traffic."""
        name = member.switch.name
        if name in self._core.state.admitted:
            await self.open_links(member)
            return
        if self._others(name):
            await self._links_up(member)
        self._waiting[name] = now
        self.review(now)
        if name in self._waiting:
            self._core.journal.event(
                "held", switch=name, why="slots are moving, and it does not know who is on them"
            )

    def review(self, now: float) -> None:
        """Admit whoever need not wait any longer."""
        for name, since in list(self._waiting.items()):
            if not self._core.is_synced(name):
                del self._waiting[name]
            elif not self._others(name) or not self._moving() or now >= since + 2 * self._window():
                del self._waiting[name]
                self._core.admit(name)

    def bar(self, name: str, why: str) -> None:
        """Edges leave a switch out until it is synced again; never the last one."""
        if name in self._core.state.admitted and self._others(name):
            self._core.state.admit(self._core.state.admitted - {name})
            self._core.journal.event("barred", switch=name, why=why)
            self._core.touch()

    async def open_links(self, member: Member) -> None:
        """Let edges use the links of an admitted switch; again and again while its OVSDB refuses."""
        switch = member.switch
        edges = {s.name for s in self._core.state.intent.switches if Role.EDGE in s.roles}
        ports = {p.number for p in switch.ports if p.to in edges}
        if switch.ovsdb is None or not ports:
            return
        link = member.link
        while isinstance(link, OpenFlowLink) and link.alive and switch.name in self._core.state.admitted:
            try:
                names = await link.session.port_names()
                await links.open_links(switch.ovsdb, sorted(names[n] for n in ports if n in names))
            except (OvsdbError, SwitchError) as error:
                if link.alive and not member.links_shut:
                    self._core.journal.event("links_shut", switch=switch.name, error=str(error))
                member.links_shut = str(error)
                await self._sleep(_AGAIN)
            else:
                member.links_shut = ""
                return

    def _others(self, name: str) -> list[str]:
        """Those that serve, or are not known to be gone, when this one does not."""
        core = self._core
        return [n for n in core.state.admitted if n != name and (core.is_synced(n) or core.awaited(n))]

    def _moving(self) -> bool:
        return any(pool.moving for pool in self._core.state.pools.values())

    def _window(self) -> float:
        return max((pool.transition for pool in self._core.state.intent.pools), default=0.0)

    async def _links_up(self, member: Member) -> None:
        """Wait for the ports that lead to connected switches."""
        here = {s.name for s in self._core.state.intent.switches if s.name in self._core.members}
        wanted = {p.number for p in member.switch.ports if p.to in here}
        for _ in range(int(LINKS / _LOOK)):
            try:
                if wanted <= await member.link.live_ports() and await self._seen(member):
                    return
            except SwitchError:
                return
            await self._sleep(_LOOK)
        self._core.journal.event("links_down", switch=member.switch.name, waited=LINKS)

    async def _seen(self, member: Member) -> bool:
        """Whether Open vSwitch neighbours of a P4 switch have their ports to it up: it knows of its own ports nothing.

        Two Open vSwitch switches see each other by BFD, two P4 switches by hellos: there either end knows.
        """
        if member.switch.p4runtime is None:
            return True
        for name in {port.to for port in member.switch.ports} & set(self._core.members):
            neighbour = self._core.members.get(name)
            link = None if neighbour is None else neighbour.link
            if isinstance(link, OpenFlowLink):
                towards = {port.number for port in link.switch.ports if port.to == member.switch.name}
                with suppress(SwitchError):  # one that goes now is waited for no longer
                    if not towards <= await link.live_ports():
                        return False
        return True
