"""Which site owns each VIP: where its group belongs by the intent and by orders. Owns ``owners``.

    it belongs elsewhere ─► no site owns it ─► the former site is silent, or its authority ended ─► the next one owns it

Two sites never answer at one moment: the former one's switches have taken back what answers before the new one is
given anything. One that cannot be reached stops by itself when its authority ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from controller.clock import Clock
from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.plan.tables import Tables, served
from controller.sites.causes import Cause
from controller.sites.groups import mac_groups
from controller.sites.orders import Orders, place
from controller.sites.placement import Decision
from controller.spec.types import Intent

LOOK = 0.02
"""Seconds between looks at whether a former owner is silent."""
LATE = 2.0
"""Seconds by which a switch may answer for longer than it was let: OpenFlow counts whole seconds, and begins to when
the flow arrives."""


class _Leaving(NamedTuple):
    """A VIP that a site gives up."""

    site: str
    """Empty: some site that the intent names for it."""
    since: float
    revision: int
    """Of the last commit in which it owned the VIP, or an older one."""
    until: float
    """From when its switches are silent whether or not they are heard."""


class Ownership:
    """Follows the intent; a VIP that drains is owned until it is no more."""

    def __init__(
        self,
        owners: Cell[Mapping[str, str]],
        orders: Readable[Orders],
        intent: Readable[Intent],
        tables: Readable[Tables],
        revision: Callable[[], int],
        journal: Journal,
        clock: Clock,
    ) -> None:
        """``revision``: of the last commit."""
        self._owners = owners
        self._orders = orders
        self._intent = intent
        self._tables = tables
        self._revision = revision
        self._journal = journal
        self._clock = clock
        self._leaving: dict[str, _Leaving] = {}
        self._next = clock.now()
        """When to look again whether a former owner is silent."""
        self.silent: Callable[[str, str, int], bool] = lambda _vip, _site, _revision: False
        """Whether all switches of a site are known to have taken back their answers for a VIP, since they follow plans
        that are newer than a revision; set by the one who assembles."""
        now = clock.now()
        for vip in served(intent.value, tables.value).vips:
            if vip.name not in owners.value:  # the controller before ended amid its move
                until = now + vip.authority + LATE
                self._leaving[vip.name] = _Leaving("", now, revision(), until)
        for cell in (intent, tables, orders):
            cell.subscribe(self._follow)
        self._follow()

    def deadline(self) -> float | None:
        """When to look again; None: no VIP is on its way."""
        return self._next if self._leaving else None

    def step(self) -> None:
        """Give VIPs whose former owner is silent to their new homes."""
        now = self._clock.now()
        self._next = now + LOOK
        arrived = {
            name: one for name, one in self._leaving.items() if now >= one.until or self._silent(name, one)
        }
        for name in arrived:
            del self._leaving[name]
        if not arrived:
            return
        self._follow()
        for name, one in arrived.items():
            to = self._owners.value.get(name)
            if to is not None:
                ms = round(1000 * (now - one.since), 1)
                cause = Cause.LAPSED if now >= one.until else Cause.SILENT
                self._journal.event("vip_moved", cause, vip=name, site=to, former=one.site, unowned_ms=ms)

    def _silent(self, name: str, one: _Leaving) -> bool:
        vips = served(self._intent.value, self._tables.value).vips
        sites = [one.site] if one.site else next((vip.owners for vip in vips if vip.name == name), ())
        return all(self.silent(name, site, one.revision) for site in sites)

    def decisions(self) -> Mapping[str, Decision]:
        """Where each VIP belongs, and why."""
        intent, owners = served(self._intent.value, self._tables.value), self._owners.value
        return {
            vip: decision
            for group in mac_groups(intent)
            for decision in (place(group, self._orders.value, owners.get(group.vips[0], "")),)
            for vip in group.vips
        }

    def _follow(self) -> None:
        vips = served(self._intent.value, self._tables.value).vips
        now, before, belongs = self._clock.now(), self._owners.value, self.decisions()
        owners: dict[str, str] = {}
        for vip in vips:
            owner, home = before.get(vip.name), belongs[vip.name].site
            if owner not in (None, home):
                assert owner is not None
                until = now + vip.authority + LATE
                self._leaving[vip.name] = _Leaving(owner, now, self._revision(), until)
                cause = belongs[vip.name].cause
                self._journal.event("vip_moves", cause, vip=vip.name, site=home, former=owner)
            elif vip.name not in self._leaving and home:
                owners[vip.name] = home
        self._leaving = {name: one for name, one in self._leaving.items() if name in {v.name for v in vips}}
        self._owners.put(owners)
