"""What one agent does with every group that its site may own: the rules of leases and placement, put together. Pure.

records, promises, silences ─► views ─┐
facts ─► groups, times, orders ───────┼─► step(now) ─► actions by group, authority by VIP
how fit sites are, who is heard ──────┘
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.agent.facts import Facts
from controller.sites import guards, lease, promise
from controller.sites.groups import MacGroup, mac_groups
from controller.sites.heartbeats import Heartbeats
from controller.sites.lease import Want, Wish
from controller.sites.leasestate import Action, Ask, Me, Record, Reply, Step, View
from controller.sites.orders import situation
from controller.sites.placement import Decision, SiteState, Waiting, decide, patient, wish
from controller.spec.leasetimes import LeaseTimes

STARTING = 3.0
"""Seconds of a life in which a group that no site owns is left to its home: agents of all sites begin together."""
ALONE = 10.0
"""Seconds of authority for VIPs that one site alone may own, which need no lease."""

Act = tuple[str, Action]
"""Key of a group, and what to do."""


class Known(NamedTuple):
    """What a register was seen to hold last."""

    revision: int
    record: Record | None


class Surroundings(NamedTuple):
    """What is known of others at one moment."""

    leader: str
    """The agent that acts for our site; empty: none is ready."""
    states: Mapping[str, SiteState]
    beats: Heartbeats


@dataclass
class _Group:
    """One group that our site may own."""

    group: MacGroup
    view: View
    decision: Decision | None = None
    waiting: Waiting | None = None
    leaving_since: float | None = None
    wished: Wish = field(default_factory=lambda: lease.FOLLOW)


class Owning:
    """All groups."""

    def __init__(self, me: Me, now: float) -> None:
        self.me = me
        self._born = now
        self._facts = Facts()
        self._times = LeaseTimes()
        self._known: dict[str, Known] = {}
        self._start: int | None = None
        """The revision at which all registers were read last; None: not yet."""
        self._groups: dict[str, _Group] = {}
        self._acting = False

    @property
    def times(self) -> LeaseTimes:
        """Of the intent."""
        return self._times

    # -- what is observed -------------------------------------------------------------------------------------

    def follow(self, facts: Facts, now: float) -> list[Act]:
        """Other facts."""
        self._facts, self._times = facts, facts.intent.lease_times
        wanted = mac_groups(facts.intent) if facts.intent.by_agents else ()
        mine = {each.key: each for each in wanted if self.me.site in each.owners}
        self._groups = {key: each for key, each in self._groups.items() if key in mine}
        done: list[Act] = []
        for key, group in mine.items():
            if key in self._groups:
                self._groups[key].group = group
                continue
            self._groups[key] = _Group(group, lease.born(self.me))
            if self._start is not None:
                known = self._known.get(key, Known(self._start, None))
                done += self.observed(key, known.revision, known.record, now)
        return done

    def started(self, records: Mapping[str, Known], revision: int, now: float) -> list[Act]:
        """All registers of leases at one revision: those that are not among them are missing."""
        self._start = revision
        missing = {key: Known(revision, None) for key in (*self._known, *self._groups) if key not in records}
        return [
            act
            for key, known in {**records, **missing}.items()
            for act in self.observed(key, known.revision, known.record, now)
        ]

    def observed(self, key: str, revision: int, record: Record | None, now: float) -> list[Act]:
        """A register of a lease, as a watch or the answer to a put shows it."""
        before = self._known.get(key)
        if before is None or revision > before.revision:
            self._known[key] = Known(revision, record)
        group = self._groups.get(key)
        if group is None:
            return []
        return self._take(key, lease.observed(group.view, self._times, now, revision, record))

    def silenced(self, key: str, now: float) -> list[Act]:
        """No edge of the site answers for a group, and none will by what was sent before."""
        group = self._groups.get(key)
        if group is None or group.view.leaving is None:
            return []
        return self._take(key, lease.silenced(group.view, group.view.leaving.number))

    def asked(self, key: str, question: Ask, now: float) -> list[Act]:
        """Another agent asks for a promise."""
        group = self._groups.get(key)
        if group is None:
            return []
        return self._take(key, lease.asked(group.view, self._times, now, question))

    def promised(self, key: str, reply: Reply, now: float) -> list[Act]:
        """Another agent answers."""
        group = self._groups.get(key)
        if group is None:
            return []
        return self._take(key, lease.promised(group.view, self._times, now, reply))

    def force(self, now: float) -> list[Act]:
        """An operator confirms that all other sites are dead."""
        acts: list[Act] = []
        for key, group in self._groups.items():
            if group.group.moves and not lease.holding(group.view, now):
                acts += self._take(key, lease.force(group.view, self._times, now))
        return acts

    # -- what is due ------------------------------------------------------------------------------------------

    def step(self, around: Surroundings, now: float) -> list[Act]:
        """What every group needs now."""
        self._acting = around.leader == self.me.name
        acts: list[Act] = []
        for key, group in self._groups.items():
            if group.group.moves:
                acts += self._step(key, group, around, now)
        return acts

    def due(self, now: float) -> float:
        """When to step again if nothing is observed before."""
        ends = [now + self._times.renew]
        for group in self._groups.values():
            if group.group.moves:
                ends.append(lease.due(group.view, self._times, now))
                at = None if group.decision is None else group.decision.at
                if at is not None and at > now:
                    ends.append(at)
        return min(ends)

    def free(self, now: float) -> bool:
        """Whether every group could be claimed: a life that begins is bound by promises of the one before."""
        views = (each.view for each in self._groups.values() if each.group.moves)
        return all(view.seen is not None and guards.free(view, now) for view in views)

    def authority(self, now: float) -> dict[str, float]:
        """Until when the site's edges may answer, by VIP."""
        found: dict[str, float] = {}
        for group in self._groups.values():
            if not group.group.moves:
                until = now + ALONE if self._acting else now
            else:
                until = group.view.spoken if group.view.speaking and group.view.leaving is None else now
            if until > now:
                found |= dict.fromkeys(group.group.vips, until)
        return found

    def foreign(self) -> frozenset[str]:
        """VIPs for which the site's edges must hold no flows: another site owns them, none does, or they are given up.

        Those of the others without authority are the affair of another agent of the site, or of one of ours that has
        lapsed: until a newer record is seen, it is not known who owns them.
        """
        found: set[str] = set()
        for group in self._groups.values():
            record = group.view.record
            ours = record is not None and record.site == self.me.site and not record.released
            if group.group.moves and (not ours or group.view.leaving is not None):
                found.update(group.group.vips)
        return frozenset(found)

    def holding(self, now: float) -> frozenset[str]:
        """Keys of groups that are held, and not about to be given away: what beats say."""
        return frozenset(key for key, group in self._groups.items() if lease.holding(group.view, now))

    def leaving(self) -> dict[str, tuple[str, ...]]:
        """Groups whose edges have to fall silent, and their VIPs."""
        groups = ((key, each) for key, each in self._groups.items())
        return {
            key: each.group.vips
            for key, each in groups
            if each.view.leaving is not None and not each.view.leaving.silent
        }

    def shown(self, now: float) -> Iterator[tuple[MacGroup, View, Decision | None]]:
        """All groups, for people."""
        for each in self._groups.values():
            yield each.group, each.view, each.decision

    def records(self) -> Mapping[str, Known]:
        """All leases of the fabric, as they were seen last."""
        return self._known

    # -- how --------------------------------------------------------------------------------------------------

    def _step(self, key: str, group: _Group, around: Surroundings, now: float) -> list[Act]:
        record = group.view.record
        owner = "" if record is None or record.released else record.site
        of = situation(
            group.group,
            self._facts.orders,
            owner,
            around.states,
            self._facts.intent.moves,
            group.waiting,
        )
        decision = group.decision = decide(of, now)
        group.waiting = decision.waiting
        wished = self._wish(group, decision, owner, around, now)
        if group.view.leaving is None and wished.want is not Want.LEAVE:
            group.leaving_since = None
        heard = around.beats.holding(key, self._times, now)
        group.wished = wished
        return self._take(key, lease.poll(group.view, self._times, now, wished, heard))

    def _wish(self, group: _Group, decision: Decision, owner: str, around: Surroundings, now: float) -> Wish:
        view = group.view
        heard = around.beats.heard(self._times, now)
        controllers = {site: self._facts.names_of(site) for site in group.group.owners}
        before = () if view.record is None else view.record.heirs
        heirs = promise.heirs(self.me, controllers, heard, before)
        made = wish(decision, view, around.leader, heirs)
        starts = now < self._born + STARTING and not owner and self.me.site != group.group.home
        if made.want is Want.HOLD and starts:
            return lease.FOLLOW
        if made.want is Want.LEAVE and view.leaving is None and now < view.others:
            # The agent before this one may still have authority: edges would be silent for as long as that lasts.
            return Wish(Want.HOLD, heirs=heirs)
        if made.want is Want.LEAVE and group.leaving_since is None:
            group.leaving_since = now
        return patient(made, group.leaving_since, now)

    def _take(self, key: str, step: Step) -> list[Act]:
        view, actions = step
        self._groups[key].view = view
        return [(key, action) for action in actions]
