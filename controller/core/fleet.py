"""One task for each connected switch: read it, bring it to its target, keep it there.

connect ─► read ─► diff ─► write ─► synced ─┬─ plan changed ─► diff ─► write
                                            ├─ every AUDIT seconds ─► read ─► differs? repair, and say so
                                            └─ every authority/3 ─► renew leases
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from controller.core.journal import Journal
from controller.plan.zones import Timeouts
from controller.southbound.driver import Delta, Link
from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout, WriteRefused
from controller.spec.types import Switch

AUDIT = 2.0
"""Seconds between audits."""
BREATH = 4.0
"""An audit that took long is followed by so many times its length without one."""
RETRY = 1.0
"""Seconds until a switch that refused something is read and tried again."""


class Planner(Protocol):
    """What a switch's task asks of the controller."""

    def target(self, link: Link[Any, Any]) -> tuple[Any, int]:
        """What the switch should hold now, and the version of the pins in it."""
        ...

    def found(self, link: Link[Any, Any], have: Any) -> None:
        """The switch was read for the first time in this session: adopt its pins."""
        ...

    def stale(self, switch: Switch) -> None:
        """The switch came without what it needs: nobody may send it traffic yet."""
        ...

    def synced(self, switch: Switch) -> None:
        """The switch holds its target."""
        ...


@dataclass
class Member:
    """A connected switch and what is known of it."""

    link: Link[Any, Any]
    planner: Planner
    journal: Journal
    renew: Callable[[], float]
    """Seconds between renewals of leases."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    have: Any = None
    """What it holds, in the words of its kind; None: to be read."""
    synced: bool = False
    pins_version: int = -1
    repairs: int = 0
    writes: int = 0
    conflicts: list[str] = field(default_factory=list)
    problem: str = ""
    memory_short: str = ""
    """Why its conntrack could not be told to remember; empty: it was told, or has not to."""
    links_shut: str = ""
    """Why edges could not be let use its links; empty: they may, or its OVSDB is not ours to write."""
    timeouts: list[Timeouts] | None = None
    """What its conntrack was told last; None: nothing yet."""
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is told."""

    async def run(self) -> None:
        """Until the session ends."""
        renewals = asyncio.create_task(self._renew())
        try:
            while self.link.alive:
                try:
                    await self._follow()
                except SwitchGone:
                    return
                except SwitchTimeout as error:
                    self.journal.event("switch_error", switch=self.switch.name, error=str(error))
                    self.link.abort()
                    return
                except SwitchError as error:
                    self.problem = str(error)
                    self.journal.event("switch_error", switch=self.switch.name, error=str(error))
                    self.have = None
                    await asyncio.sleep(RETRY)
        finally:
            renewals.cancel()

    @property
    def switch(self) -> Switch:
        """The switch, as the intent has it now."""
        return self.link.switch

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        if self.have is None:
            await self._first_read()
        next_audit = loop.time() + AUDIT
        while True:
            self.wake.clear()
            await self._converge()
            try:
                async with asyncio.timeout_at(next_audit):
                    await self.wake.wait()
            except TimeoutError:
                began = loop.time()
                await self._audit()
                next_audit = loop.time() + max(AUDIT, BREATH * (loop.time() - began))

    async def _first_read(self) -> None:
        have = await self.link.read()
        if not self.synced:
            self.planner.found(self.link, have)
        self.have = have
        want, _ = self.planner.target(self.link)
        if not self.synced and self.link.lost_all(have, want):
            self.planner.stale(self.switch)

    async def _converge(self) -> None:
        want, version = self.planner.target(self.link)
        changes = self.link.diff(self.have, want)
        if len(changes):
            await self._write(changes, want)
        await self.link.settle()
        self._say_conflicts()
        self.pins_version = version
        if not self.synced:
            self.synced = True
            self.planner.synced(self.switch)

    async def _write(self, changes: Delta, want: Any) -> None:
        started = asyncio.get_running_loop().time()
        self.writes += 1
        try:
            self.have = await self.link.write(changes, want)
        except WriteRefused:
            self.have = None
            raise
        self.problem = ""
        self.journal.event(
            "converged",
            switch=self.switch.name,
            added=changes.added,
            modified=changes.modified,
            deleted=changes.deleted,
            ms=round(1000 * (asyncio.get_running_loop().time() - started), 1),
        )

    async def _audit(self) -> None:
        want, _ = self.planner.target(self.link)
        believed = self.have
        found = await self.link.read()
        if believed is not self.have:
            return
        self.have = found
        strange = self.link.diff(found, want)
        if not len(strange) or believed is None or len(self.link.diff(believed, want)):
            return
        self.repairs += 1
        self.journal.event(
            "repaired",
            switch=self.switch.name,
            missing=strange.added,
            altered=strange.modified,
            strange=strange.deleted,
            what=strange.touched,
        )

    async def _renew(self) -> None:
        while self.link.alive:
            await asyncio.sleep(self.renew())
            if not self.synced:
                continue
            want, _ = self.planner.target(self.link)
            try:
                await self.link.renew(want)
            except SwitchGone:
                return
            except SwitchError as error:
                self.journal.event("switch_error", switch=self.switch.name, error=str(error))

    def _say_conflicts(self) -> None:
        names = self.link.conflicts
        if names and names != self.conflicts:
            self.journal.event("conflict", switch=self.switch.name, count=len(names), first=names[0])
        self.conflicts = names
