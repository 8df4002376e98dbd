"""What the controller that leads knows of agents, and tells them: who owns VIPs by leases, what is not safe where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from controller.core.cells import Readable
from controller.core.journal import Journal
from controller.core.telling import CONFLICTS, UNSYNCED, Telling
from controller.plan.tables import Tables, served
from controller.sites.base import Loaded, Space, StoreError
from controller.sites.groups import PREFIX, mac_groups
from controller.sites.leasestate import Record
from controller.spec.types import Intent

PERIOD = 1.0
"""Seconds between looks at what agents are told."""
AGAIN = 0.5
"""Seconds until a watch that ended is begun again."""


class AgentView:
    """Watches the leases; where no site has agents, there are none."""

    def __init__(
        self, registers: Space, intent: Readable[Intent], tables: Readable[Tables], journal: Journal
    ) -> None:
        self._registers, self._intent, self._tables, self._journal = registers, intent, tables, journal
        self._sites: dict[str, str] = {}
        """Group's key -> the site that owns it."""
        self._told = (
            Telling(
                registers,
                UNSYNCED,
                lambda: {site.name: self.unsynced(site.name) for site in intent.value.sites},
            ),
            Telling(registers, CONFLICTS, lambda: self.conflicts()),
        )
        self.on_change: Callable[[], None] = _nothing
        """Called when another site owns something; set by the one who assembles."""
        self.unsynced: Callable[[str], int] = lambda _: 0
        """What is not safe at a site; set by the one who assembles."""
        self.conflicts: Callable[[], Mapping[str, int]] = dict
        """Frames of other hosts that say they have a VIP, by VIP; set by the one who assembles."""

    def owners(self) -> Mapping[str, str]:
        """Which site owns each VIP; one that none owns is missing."""
        whole = served(self._intent.value, self._tables.value)
        return {
            vip: site
            for group in mac_groups(whole)
            if (site := self._sites.get(group.key, "" if group.moves else group.home))
            for vip in group.vips
        }

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._tell())

    async def _watch(self) -> None:
        since: int | None = None
        while True:
            with suppress(StoreError):
                async for change in self._registers.watch(since):
                    since = change.revision
                    if isinstance(change, Loaded):
                        self._sites = {}
                        self._take({name: stored.data for name, stored in change.values.items()})
                        for each in self._told:
                            each.found(change.values)
                    else:
                        self._take(change.values)
            await asyncio.sleep(AGAIN)

    def _take(self, values: Mapping[str, bytes | None]) -> None:
        before = dict(self._sites)
        for name, data in values.items():
            if not name.startswith(PREFIX):
                continue
            self._sites.pop(name, None)
            with suppress(ValueError):  # the agents say so
                record = None if data is None else Record.decode(name, data)
                if record is not None and record.site and not record.released:
                    self._sites[name] = record.site
        if self._sites != before:
            self.on_change()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            if self._intent.value.by_agents:
                for each in self._told:
                    await each.tell()


def _nothing() -> None:
    """No part listens."""


def agents_refused(shared: bool) -> Callable[[Intent, Intent], list[str]]:
    """Why agents cannot begin or end to own VIPs with an edit. ``shared``: whether the store is one that they share."""

    def rule(old: Intent, new: Intent) -> list[str]:
        if new.by_agents and not shared:
            return [
                "sites have agents, which need a store that they share: run --store etcd://HOST:PORT/PREFIX"
            ]
        if old.by_agents and not new.by_agents:
            return [
                "agents own the VIPs, and cannot be taken away from all sites while they do: stop all agents and "
                "controllers, and begin with another prefix of the store"
            ]
        return []

    return rule
