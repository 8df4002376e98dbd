"""Which site owns each VIP: where its group belongs by the intent and by orders. Owns ``owners``.

    it belongs elsewhere ─► no site owns it ─► the former site is silent, or its authority ended ─► the next one owns it

Two sites never answer at one moment: the former one's switches have taken back what answers before the new one is
given anything. One that cannot be reached stops by itself when its authority ends; that is counted from the commit
that took the VIP away, since authority was renewed until then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from controller.clock import Clock
from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.core.placing import Placing
from controller.plan.duty import PlanInput
from controller.plan.tables import Tables, served
from controller.sites.causes import Cause
from controller.sites.groups import MacGroup, mac_groups
from controller.sites.placement import Decision
from controller.spec.types import Intent, Vip

LOOK = 0.02
"""Seconds between looks at whether a former owner is silent."""
LATE = 2.0
"""Seconds by which a switch may answer for longer than it was let: OpenFlow counts whole seconds, and begins to when
the flow arrives."""
EXACT = 0.3
"""The same of one that ends at a deadline: by its own clock, or when it misses BFD at its fence."""


class _Leaving(NamedTuple):
    """A VIP that a site gives up."""

    site: str
    """Empty: some site that the intent names for it."""
    since: float
    revision: int
    """Of the last commit in which it owned the VIP, or an older one."""
    until: float | None = None
    """From when its switches are silent whether or not they are heard; None: not known before the next commit."""


class Ownership:
    """Follows the intent; a VIP that drains is owned until it is no more."""

    def __init__(
        self,
        owners: Cell[Mapping[str, str]],
        placing: Placing,
        intent: Readable[Intent],
        tables: Readable[Tables],
        committed: Readable[PlanInput | None],
        revision: Callable[[], int],
        journal: Journal,
        clock: Clock,
    ) -> None:
        """``revision``: of the last commit."""
        self._owners = owners
        self._placing = placing
        self._intent = intent
        self._tables = tables
        self._committed = committed
        self._revision = revision
        self._journal = journal
        self._clock = clock
        self._leaving: dict[str, _Leaving] = {}
        self._next = clock.now()
        """When to look again whether a former owner is silent."""
        self.silent: Callable[[str, str, int], bool] = lambda _vip, _site, _revision: False
        """Whether all switches of a site are known to have taken back their answers for a VIP, since they follow plans
        that are newer than a revision; set by the one who assembles."""
        self.late: Callable[[str], float] = lambda _: LATE
        """Seconds by which edges of a site may answer for longer than they were let; set by the one who assembles."""
        self.leased: Callable[[], Mapping[str, str]] = dict
        """Which site owns each VIP by its lease, where agents own VIPs; set by the one who assembles."""
        self.granted: Callable[[str], float] = lambda _: float("-inf")
        """Until when authority for a VIP was handed out at most, if it was; set by the one who assembles."""
        stored = served(intent.value, tables.value).vips
        self._before = {vip.name: clock.now() + vip.authority for vip in stored}
        """The same of the controller before."""
        for vip in stored:
            if vip.name not in owners.value:  # the controller before ended amid its move
                self._leaving[vip.name] = _Leaving("", clock.now(), revision())
        for cell in (intent, tables):
            cell.subscribe(self._follow)
        committed.subscribe(self._taken)
        placing.orders.subscribe(self._follow)
        placing.changed()
        self._follow()

    def deadline(self) -> float | None:
        """When to look again; None: no VIP is on its way, and none moves by itself."""
        looks = self._placing.deadline()
        return min(
            (at for at in (self._next if self._leaving else None, looks) if at is not None), default=None
        )

    def step(self) -> None:
        """Give VIPs whose former owner is silent to their new homes, and see whether others have to move."""
        now = self._clock.now()
        self._next = now + LOOK
        changed = self._placing.changed()
        arrived = {
            name: one
            for name, one in self._leaving.items()
            if (one.until is not None and now >= one.until) or self._silent(name, one)
        }
        for name in arrived:
            del self._leaving[name]
        if arrived or changed:
            self._follow()
        for name, one in arrived.items():
            to = self._owners.value.get(name)
            if to is not None:
                ms = round(1000 * (now - one.since), 1)
                lapsed = one.until is not None and now >= one.until
                cause = Cause.LAPSED if lapsed else Cause.SILENT
                self._journal.event("vip_moved", cause, vip=name, site=to, former=one.site, unowned_ms=ms)

    def _silent(self, name: str, one: _Leaving) -> bool:
        vips = served(self._intent.value, self._tables.value).vips
        sites = [one.site] if one.site else next((vip.owners for vip in vips if vip.name == name), ())
        return all(self.silent(name, site, one.revision) for site in sites)

    def decisions(self) -> Mapping[str, Decision]:
        """Where each VIP belongs, and why."""
        return {vip: decision for group, decision in self._decided() for vip in group.vips}

    def _decided(self) -> list[tuple[MacGroup, Decision]]:
        intent, owners = served(self._intent.value, self._tables.value), self._owners.value
        return [
            (each, self._placing.decide(each, owners.get(each.vips[0], ""))) for each in mac_groups(intent)
        ]

    def follow_leases(self) -> None:
        """Leases may name other owners."""
        if self._intent.value.by_agents:
            self._follow()

    def _follow(self) -> None:
        if self._intent.value.by_agents:
            self._leaving = {}
            self._owners.put(dict(self.leased()))
            return
        vips = served(self._intent.value, self._tables.value).vips
        decided = self._decided()
        self._placing.decided({group.mac: decision for group, decision in decided})
        belongs = {vip: decision for group, decision in decided for vip in group.vips}
        before, owners = self._owners.value, dict[str, str]()
        for vip in vips:
            owner, home = before.get(vip.name), belongs[vip.name].site
            if owner not in (None, home):
                assert owner is not None
                self._leave(vip, owner, belongs[vip.name])
            elif vip.name not in self._leaving and home:
                owners[vip.name] = home
        names = {vip.name for vip in vips}
        self._leaving = {name: one for name, one in self._leaving.items() if name in names}
        self._owners.put(owners)

    def _leave(self, vip: Vip, owner: str, to: Decision) -> None:
        """A site gives a VIP up."""
        self._leaving[vip.name] = _Leaving(owner, self._clock.now(), self._revision())
        self._journal.event("vip_moves", to.cause, vip=vip.name, site=to.site, former=owner, why=to.text)

    def _taken(self) -> None:
        """A commit: what it took away is not renewed from now on."""
        world = self._committed.value
        assert world is not None
        now = self._clock.now()
        for vip in served(self._intent.value, self._tables.value).vips:
            one = self._leaving.get(vip.name)
            if one is None or one.until is not None or vip.name in world.owners:
                continue
            before = max(self._before.get(vip.name, now), self.granted(vip.name))
            late = max((self.late(site) for site in ([one.site] if one.site else vip.owners)), default=LATE)
            self._leaving[vip.name] = one._replace(until=max(now + vip.authority, before) + late)
