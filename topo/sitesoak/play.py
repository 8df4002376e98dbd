"""Plays faults in a lab of two sites that is up: the demo's controllers, load, recorder and return to health."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from topo import process
from topo.demo.actors import DemoError
from topo.lab import Lab
from topo.relay import BACK, FORTH
from topo.sitedemo.events import DISCOVERY_MS, TAKEOVER_MS, Bounds, Cast, Event, Happened, Scale, Where
from topo.sitedemo.outcome import Observed
from topo.sitedemo.play import Play
from topo.sitesoak.actors import Agent, Controller, clock_of
from topo.sitesoak.faults import (
    BLINDING,
    BOTH,
    CONTROLLERS,
    LEADER,
    OF_AGENTS,
    OF_MEMBERS,
    OF_SITES,
    Episode,
    Fault,
    Kind,
    Setting,
    unowned_ms,
)
from topo.sitesoak.spans import Did, apart, ownerless, seconds
from topo.sitesoak.waits import Waits
from topo.soak import signals, steppedclock

DEAF = (*CONTROLLERS, *OF_MEMBERS, *OF_SITES, Kind.WAN)
"""While these last, and until all is healthy, nothing may have been heard of connections."""
BOTH_WAYS = (FORTH, BACK)
LOOK_EVERY = 1.0
HEALTHY_WITHIN = 240.0
"""Seconds."""
STARVED = 0.2
"""Share of an episode: a fabric whose controllers have so little processor time that they lose it to each other, one
after the other, says nothing of itself."""


@dataclass(frozen=True)
class Note:
    """What is said of an episode besides what the demo says of an event."""

    did: tuple[Did, ...]
    ownerless: float
    """Seconds in which nothing is promised of owners."""
    starved: float
    """Seconds that the busy machine may have added: for so long the controller and the switch that waited longest for a
    processor did so. Or for so long controllers stood still for want of one, all together, since leadership goes from
    one that stands still to the next."""


class SoakPlay(Play):
    """One run."""

    controller, agent = Controller, Agent

    def __init__(self, lab: Lab, scale: Scale, seed: int, nodes: Sequence[str], console: Console) -> None:
        super().__init__(lab, scale, seed, nodes, console)
        self.setting = Setting.of(lab.fabric, self._stage, nodes)
        self.notes: list[Note] = []
        """By episode."""
        self._deaf: list[tuple[float, float]] = []
        self._waits = Waits()
        self._next_look = 0.0

    def soak(self, episodes: Iterable[Episode], seconds: float = float("inf")) -> Observed:
        """Load and episodes, for about so many seconds; all that was seen. What has begun is brought to its end."""

        def body(start: float) -> None:
            for episode in episodes:
                if time.monotonic() - start + episode.lasts > seconds and self._happened:
                    return
                self._episode(episode, start)
                if self._happened[-1].healthy is None:
                    return  # what comes next would be judged for what was before
                self._watch(time.monotonic() + episode.calm)

        seen = self.under_load(body)
        cuts = [span for note in self.notes for span in apart(note.did, self.setting)]
        return replace(seen, deaf=tuple(self._deaf), cuts=tuple(cuts))

    def _look(self) -> None:
        super()._look()
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            pids = {name: one.pids for name, one in self._actors() if isinstance(one, Controller | Agent)}
            folder = self._lab.path / "pids"
            self._waits.look(pids | {name: _alive(folder, name) for name in self._lab.switches})

    # -- one episode

    def _episode(self, episode: Episode, start: float) -> None:
        begin = time.monotonic()
        self._waits.take()
        member, leader = self._lab.members.leader(), self.controllers.leader()
        if leader is None or member is None:
            raise DemoError("no controller leads, or no member of the store does")
        self._say(f"{begin - start:6.1f} s  {episode.title}")
        did, cast = self._done(episode, begin), self._base(leader.node, member)
        undone = time.monotonic()
        why = self._await_health(HEALTHY_WITHIN)
        end = time.monotonic()
        note = Note(
            tuple(did), seconds(ownerless(did, self.setting)), round(self._starved(did, begin, end), 3)
        )
        if why and note.starved > STARVED * (end - begin):
            raise DemoError(
                f"the machine is too busy: controllers had no processor for {note.starved:.0f} s "
                f"of {end - begin:.0f} s, and the fabric did not come back: {why}"
            )
        self.notes.append(note)
        if any(one.fault.kind in DEAF for one in did):
            self._deaf.append((min(one.begin for one in did), end))
        healthy = None if why else end
        happened = self._happened_of(episode, note, cast, (begin, undone, healthy, end), why)
        self._happened.append(happened)
        said = f"not healthy: {why}" if why else f"healthy {end - undone:.1f} s later"
        self._say(f"{end - start:6.1f} s  {said}")

    def _done(self, episode: Episode, begin: float) -> list[Did]:
        """Each fault at its time, and undone at its time."""
        going: list[tuple[Fault, float]] = []
        did: list[Did] = []
        turns = [(one.starts, 0, number) for number, one in enumerate(episode.faults)]
        turns += [(one.starts + one.lasts, 1, number) for number, one in enumerate(episode.faults)]
        whose: dict[int, tuple[Fault, float]] = {}
        for at, undoing, number in sorted(turns):
            self._watch(begin + at)
            if undoing:
                fault, since = whose.pop(number)
                going.remove((fault, since))
                self._undo(fault, [one for one, _ in going])
                did.append(Did(fault, since, time.monotonic()))
            else:
                fault = self._cast_fault(episode.faults[number])
                whose[number] = fault, time.monotonic()
                going.append(whose[number])
                self._do(fault)
        return did

    def _cast_fault(self, fault: Fault) -> Fault:
        """With the name of who plays the part now."""
        if fault.kind in OF_AGENTS and fault.target in self.setting.sites:
            there = [node for node, site in self.setting.agents.items() if site == fault.target]
            return replace(fault, target=self.agents.acting(fault.target) or there[0])
        if fault.target != LEADER:
            return fault
        if fault.kind in OF_MEMBERS:
            running = [name for name in self.setting.members if self._lab.members.running(name)]
            return replace(fault, target=self._lab.members.leader() or running[0])
        leader = self.controllers.leader()
        alive = [node for node, one in self.controllers.all.items() if one.running]
        # Where none leads at this moment, any that is there.
        return replace(
            fault, target=leader.node if leader is not None else (alive or [*self.setting.controllers])[0]
        )

    # -- deeds

    def _do(self, fault: Fault) -> None:
        name, lab, controllers = fault.target, self._lab, self.controllers
        deeds: dict[Kind, Callable[[], None]] = {
            Kind.LINK: lambda: lab.wan.cut(name, _ways(fault)),
            Kind.WAN: lambda: lab.wan.cut(name, _ways(fault)),
            Kind.LINKS: lambda: self._each(lab.fail, self.setting.links),
            Kind.SITE_CUT: lambda: self._each(lab.wan.cut, lab.wan.of_site(name)),
            Kind.KILLED: lambda: controllers.kill([name]),
            Kind.STOPPED: lambda: self._signal(name, signal.SIGSTOP),
            Kind.RESTARTED: lambda: controllers.end([name]),
            Kind.AGENT_KILLED: lambda: self.agents.kill([name]),
            Kind.AGENT_STOPPED: lambda: self._signal_agent(name, signal.SIGSTOP),
            Kind.CLOCK: lambda: self._step(name, float(fault.value)),
            Kind.MEMBERS: lambda: self._each(lab.fail, self._but(name)),
            Kind.MEMBER_FULL: lambda: lab.members.fill(name),
            Kind.SITE: lambda: self._site_dies(name),
        }
        deeds.get(fault.kind, lambda: self._each(lab.fail, self._parts(fault)))()

    def _undo(self, fault: Fault, going: Sequence[Fault]) -> None:
        """What lies in a site that is dead, or cut off, comes back with it."""
        name, lab, controllers = fault.target, self._lab, self.controllers
        dead = {one.target for one in going if one.kind is Kind.SITE}
        away = dead | {one.target for one in going if one.kind is Kind.SITE_CUT}
        joined = [path for path in (*self.setting.links, *self.setting.wans) if not self._of(path, away)]
        deeds: dict[Kind, Callable[[], None]] = {
            Kind.LINK: lambda: self._mend([name], joined),
            Kind.WAN: lambda: self._mend([name], joined),
            Kind.LINKS: lambda: self._mend(self.setting.links, joined),
            Kind.SITE_CUT: lambda: self._mend(lab.wan.of_site(name), joined),
            Kind.KILLED: lambda: controllers.start(self._outside([name], self.setting.controllers, dead)),
            Kind.STOPPED: lambda: self._signal(name, signal.SIGCONT),
            Kind.RESTARTED: lambda: controllers.start(self._outside([name], self.setting.controllers, dead)),
            Kind.AGENT_KILLED: lambda: self.agents.start(self._outside([name], self.setting.agents, dead)),
            Kind.AGENT_STOPPED: lambda: self._signal_agent(name, signal.SIGCONT),
            Kind.CLOCK: lambda: self._step(name, 0.0),
            Kind.MEMBERS: lambda: self._each(
                lab.heal, self._outside(self._but(name), self.setting.members, dead)
            ),
            Kind.MEMBER_FULL: lambda: self._each(
                lab.members.empty, self._outside([name], self.setting.members, dead)
            ),
            Kind.SITE: lambda: self._site_returns(name),
        }
        parts = [part for part in self._parts(fault) if self._lab.fabric.site_of(part) not in dead]
        deeds.get(fault.kind, lambda: self._each(lab.heal, parts))()

    def _parts(self, fault: Fault) -> list[str]:
        """Whom a fault kills that kills nodes."""
        of_site = {
            Kind.SERVERS: self.setting.servers,
            Kind.LBS: self.setting.lbs,
            Kind.EDGES: self.setting.edges,
        }
        if fault.kind in of_site:
            return [name for name, site in of_site[fault.kind].items() if site == fault.target]
        return [fault.target] if fault.kind in (Kind.MEMBER, Kind.SERVER, Kind.LB) else []

    def _but(self, name: str) -> list[str]:
        return [each for each in self.setting.members if each != name]

    def _of(self, path: str, sites: Iterable[str]) -> bool:
        return any(path in self._lab.wan.of_site(site) for site in sites)

    @staticmethod
    def _outside(names: Iterable[str], places: Mapping[str, str], dead: Collection[str]) -> list[str]:
        return [name for name in names if places[name] not in dead]

    @staticmethod
    def _each(deed: Callable[[str], None], names: Iterable[str]) -> None:
        for name in names:
            deed(name)

    def _mend(self, paths: Iterable[str], joined: Iterable[str]) -> None:
        self._each(lambda path: self._lab.wan.cut(path, ()), [path for path in paths if path in joined])

    def _signal(self, node: str, number: signal.Signals) -> None:
        """Unless it has been killed meanwhile."""
        if self.controllers.all[node].running:
            self.controllers.signal([node], number)

    def _signal_agent(self, node: str, number: signal.Signals) -> None:
        if self.agents.all[node].running:
            self.agents.signal([node], number)

    def _step(self, node: str, seconds: float) -> None:
        steppedclock.step(clock_of(self._work, node), seconds)

    def _site_dies(self, site: str) -> None:
        self._lab.fail(site)
        self.controllers.kill(self.controllers.of_site(site))
        self.agents.kill(self.controllers.of_site(site))

    def _site_returns(self, site: str) -> None:
        self._lab.heal(site)
        self.controllers.start(self.controllers.of_site(site))
        self.agents.start(self.controllers.of_site(site))

    # -- what it was

    def _base(self, leader: str, member: str) -> Cast:
        near = self._lab.fabric.site_of(leader)
        far = next(site for site in self._stage.sites if site != near)
        sites = {Where.NEAR: near, Where.FAR: far}
        return Cast("", sites, leader, "", member, ("", ""), self._stage.links, (), ())

    def _happened_of(
        self,
        episode: Episode,
        note: Note,
        cast: Cast,
        times: tuple[float, float, float | None, float],
        why: str,
    ) -> Happened:
        begin, undone, healthy, end = times
        parts = tuple(
            Happened(self._event(one, cast), self._cast_of(one, cast, site), one.begin, one.end, healthy, end)
            for one in note.did
            for site in self._sites_of(one)
        )
        blind = tuple(dict.fromkeys(where for part in parts for where in part.event.blind))
        whole = Event(episode.name, episode.title, (), (), episode.lasts, blind=blind)
        sites = ", ".join(sorted({part.cast.site for part in parts} - {""}))
        bounds = Bounds(unowned=self._bound(note, cast))
        return Happened(
            whole, replace(cast, site=sites), begin, undone, healthy, end, why, parts=parts, bounds=bounds
        )

    def _event(self, did: Did, cast: Cast) -> Event:
        """What the judge is told of one fault. lb switches that are cut off from controllers count as dead: these lead
        no packets there, and have them admitted one by one when they are back."""
        fault = did.fault
        where = next((where for where, site in cast.sites.items() if site == did.site), Where.FAR)
        return Event(
            fault.kind,
            fault.title,
            (),
            (),
            fault.lasts,
            where,
            (where,) if fault.kind in BLINDING else (),
            lbs_die=fault.kind in (Kind.LB, Kind.LBS, Kind.SITE) or self._cuts_off(fault),
            servers_die=fault.kind in (Kind.SERVER, Kind.SERVERS, Kind.SITE),
        )

    def _sites_of(self, did: Did) -> tuple[str, ...]:
        """Those where it was felt: both, if switches of one are cut off from controllers of the other."""
        if self._cuts_off(did.fault):
            return self.setting.sites
        alone = did.fault.kind in (Kind.SERVER, Kind.LB)
        return (self._lab.fabric.site_of(did.fault.target) if alone else did.site,)

    def _cuts_off(self, fault: Fault) -> bool:
        joined = self.setting.wans.get(fault.target, ()) if fault.kind is Kind.WAN else ()
        return fault.kind is Kind.SITE_CUT or (bool(joined) and set(joined) <= set(self.setting.sites))

    def _cast_of(self, did: Did, cast: Cast, site: str) -> Cast:
        """Of one fault, at one site: whom it killed."""
        fault = did.fault
        servers = fault.target if fault.kind is Kind.SERVER else ""
        lbs = fault.target if fault.kind is Kind.LB else ""
        return replace(
            cast,
            site=site,
            servers=(servers,) if servers else self._stage.of_site(self._stage.servers, site),
            lbs=(lbs,) if lbs else self._stage.of_site(self._stage.lbs, site),
        )

    def _bound(self, note: Note, cast: Cast) -> float:
        """Milliseconds for which no site may claim a VIP: what each fault costs, the time in which nobody could own it,
        and for which controllers that nothing had been done to had no processor."""
        found = sum(
            unowned_ms(one.fault, self._led(one, cast), self._scale, self._alone(one)) for one in note.did
        )
        if note.ownerless:
            found += 1000.0 * note.ownerless + TAKEOVER_MS + DISCOVERY_MS + self._scale.gone_ms
        return found + 1000.0 * note.starved

    def _alone(self, did: Did) -> bool:
        """Whether it met the only agent of a site."""
        agents, node = self.setting.agents, did.fault.target
        return did.fault.kind in OF_AGENTS and list(agents.values()).count(agents[node]) == 1

    def _led(self, did: Did, cast: Cast) -> bool:
        if did.fault.kind in OF_SITES:
            return did.site == cast.sites[Where.NEAR]
        return did.fault.target == cast.leader

    def _starved(self, did: Sequence[Did], begin: float, end: float) -> float:
        """See ``Note.starved``."""
        stopped = {one.fault.target for one in did if one.fault.kind is Kind.STOPPED}
        stopped |= {f"agent {one.fault.target}" for one in did if one.fault.kind is Kind.AGENT_STOPPED}
        mine = [
            one
            for one in self._said
            if one["controller"] not in stopped and begin <= signals.when(one) <= end
        ]
        waits = self._waits.take()
        longest = [max((waits.get(name, 0.0) for name in each), default=0.0) for each in self._processes()]
        return max(seconds(signals.starved(mine)), sum(longest))

    def _processes(self) -> tuple[Collection[str], Collection[str]]:
        return [name for name, _ in self._actors()], self._lab.switches

    def _actors(self) -> Iterator[tuple[str, object]]:
        """Controllers and agents, by what their events are said to be from."""
        yield from self.controllers.all.items()
        yield from ((f"agent {node}", one) for node, one in self.agents.all.items())


def _alive(folder: Path, name: str) -> list[int]:
    return [one.pid for one in process.recall(folder, name) if one.alive]


def _ways(fault: Fault) -> tuple[str, ...]:
    return BOTH_WAYS if fault.value == BOTH else (fault.value,)
