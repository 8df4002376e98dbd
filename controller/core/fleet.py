"""One task for each connected switch: read it, bring it to its target, keep it there.

connect ─► read ─► diff ─► write ─► synced ─┬─ plan changed ─► diff ─► write
                                            ├─ every AUDIT seconds ─► read ─► differs? repair, and say so
                                            └─ every authority/3 ─► renew leases
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from controller.core.journal import Journal
from controller.model.types import Role, Switch
from controller.plan.diff import Changes, describe, diff, leases
from controller.plan.duty import Timeouts
from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout, WriteRefused
from controller.southbound.readback import Readback
from controller.southbound.session import Session
from flows.entries import FlowKey, Target
from flows.tables import Placed

AUDIT = 2.0
"""Seconds between audits."""
RETRY = 1.0
"""Seconds until a switch that refused something is read and tried again."""


class Planner(Protocol):
    """What a switch's task asks of the controller."""

    def target(self, switch: Switch) -> tuple[Target, int]:
        """What the switch should hold now, and the version of the pins in it."""
        ...

    def pool_slots(self) -> dict[int, int]:
        """Number of slots by pool number."""
        ...

    def found(self, switch: Switch, readback: Readback) -> None:
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

    switch: Switch
    session: Session
    planner: Planner
    journal: Journal
    renew: Callable[[], float]
    """Seconds between renewals of leases."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    have: Target | None = None
    foreign: frozenset[FlowKey] = frozenset()
    """Places in our tables that others hold."""
    packets: dict[int, tuple[int, int]] = field(default_factory=dict)
    drops: dict[int, int] = field(default_factory=dict)
    """Packets dropped by meter id, as of the last audit."""
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
            while self.session.alive:
                try:
                    await self._follow()
                except SwitchGone:
                    return
                except SwitchTimeout as error:
                    self.journal.event("switch_error", switch=self.switch.name, error=str(error))
                    self.session.abort()
                    return
                except SwitchError as error:
                    self.problem = str(error)
                    self.journal.event("switch_error", switch=self.switch.name, error=str(error))
                    self.have = None
                    await asyncio.sleep(RETRY)
        finally:
            renewals.cancel()

    @property
    def placed(self) -> Placed:
        """The pipeline as placed on this switch."""
        return Placed(self.switch.placement)

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
                await self._audit()
                next_audit = loop.time() + AUDIT

    async def _first_read(self) -> None:
        found = await self._read()
        if not self.synced:
            self.planner.found(self.switch, found)
        self.have = found.target
        if not self.synced and not self._holds_claims(found):
            self.planner.stale(self.switch)

    def _holds_claims(self, found: Readback) -> bool:
        """False for a switch that lost everything; to lack some of a newer intent is no reason to leave it."""
        want, _ = self.planner.target(self.switch)
        entry = self.placed.entry
        claims = [key for key, body in want.flows.items() if key.table == entry and not body.hard]
        return not claims or any(key in found.target.flows for key in claims)

    async def _read(self) -> Readback:
        found = await self.session.read(self.placed, self.planner.pool_slots())
        self.packets = found.packets
        self.foreign = found.foreign
        return found

    async def _converge(self) -> None:
        want, version = self.planner.target(self.switch)
        assert self.have is not None
        changes = diff(self.placed, self.have, want, self.foreign)
        if len(changes):
            await self._write(changes, want)
        self._say_conflicts(changes)
        self.pins_version = version
        if not self.synced:
            self.synced = True
            self.planner.synced(self.switch)

    async def _write(self, changes: Changes, want: Target) -> None:
        started = asyncio.get_running_loop().time()
        self.writes += 1
        try:
            await self.session.write(changes, self.switch.name)
        except WriteRefused:
            self.have = None
            raise
        self.problem = ""
        taken = {key: body for key, body in want.flows.items() if key not in changes.conflicts}
        self.have = replace(want, flows=taken) if changes.conflicts else want
        self.journal.event(
            "converged",
            switch=self.switch.name,
            added=changes.added,
            modified=changes.modified,
            deleted=changes.deleted,
            ms=round(1000 * (asyncio.get_running_loop().time() - started), 1),
        )

    async def _audit(self) -> None:
        want, _ = self.planner.target(self.switch)
        if Role.LB in self.switch.roles:
            self.drops = await self.session.meter_drops()
        believed = self.have
        found = await self._read()
        if believed is not self.have:
            return
        self.have = found.target
        strange = diff(self.placed, found.target, want, self.foreign)
        if not len(strange) or believed is None:
            return
        if len(diff(self.placed, believed, want, self.foreign)):
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
        while self.session.alive:
            await asyncio.sleep(self.renew())
            if not self.synced:
                continue
            want, _ = self.planner.target(self.switch)
            try:
                await self.session.write(leases(want, self.foreign), self.switch.name)
            except SwitchGone:
                return
            except SwitchError as error:
                self.journal.event("switch_error", switch=self.switch.name, error=str(error))

    def _say_conflicts(self, changes: Changes) -> None:
        names = [describe(key) for key in changes.conflicts]
        if names and names != self.conflicts:
            self.journal.event("conflict", switch=self.switch.name, count=len(names), first=names[0])
        self.conflicts = names
