"""One speaker: keeps its engine as it should be, looks at it from time to time, and says what changes.

wake (plan changed, engine gone, time) ─► plan ─► engine.apply ─► neighbours ─► status, events
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.clock import Clock
from controller.core.journal import Journal
from controller.exits.routes.frr.config import Edit
from controller.exits.routes.frr.engine import Frr, Outcome, Plan
from controller.exits.routes.frr.lines import cost_of
from controller.exits.routes.frr.state import Met
from controller.exits.routes.frr.vty import EngineError
from controller.exits.routes.holding import Announcement, Spacing
from controller.exits.routes.rules import attributes, prefix_of, speaks
from controller.sites.causes import Cause
from controller.spec.routes import Routes, Speaker
from controller.spec.types import Intent

LOOK = 2.0
"""Seconds between looks at what the engine has, and at its neighbours."""
RETRY = 0.5
"""Seconds until an engine that does not answer is tried again."""
OSPF_APART = 1.2
"""Seconds between two changes of one VIP that OSPF is told: see ``Spacing``."""
SHOWN_EDITS = 5
"""Differences that an event names."""


@dataclass
class Standing:
    """How a speaker is."""

    synced: bool = False
    problem: str = ""
    writes: int = 0
    repairs: int = 0
    met: list[Met] = field(default_factory=list)
    waits: tuple[str, ...] = ()
    """Prefixes of which OSPF is told later."""


class SpeakerTask:
    """Drives one engine."""

    def __init__(self, speaker: Speaker, journal: Journal, clock: Clock, see: Callable[[], Intent]) -> None:
        """``see``: the intent now."""
        self.speaker = speaker
        self.standing = Standing()
        self._journal = journal
        self._clock = clock
        self._see = see
        self._wanted: Mapping[str, Announcement] = {}
        self._in_use = False
        self._engine = Frr(Path(speaker.sockets))
        self._spacing = Spacing(OSPF_APART)
        self._wake = asyncio.Event()
        self._written: Plan | None = None
        """The plan that the engine was known to hold."""
        self._said: set[str] = set()
        """Problems that were said, and last."""
        self._retired = False

    def follow(self, speaker: Speaker, wanted: Mapping[str, Announcement], in_use: bool) -> None:
        """This is to be announced from now on. ``in_use``: whether its lb switch is."""
        if speaker.sockets != self.speaker.sockets:
            self._engine.close()
            self._engine = Frr(Path(speaker.sockets))
            self._written = None
        if (speaker, wanted, in_use) != (self.speaker, self._wanted, self._in_use):
            self.speaker, self._wanted, self._in_use = speaker, wanted, in_use
            self._wake.set()

    def retire(self) -> None:
        """The intent does not name it any more: its engine is emptied, once, and the task ends."""
        self._retired, self._wanted = True, {}
        self._wake.set()

    def is_heard(self, version: int) -> bool:
        """Whether some router hears what is announced of an IP version."""
        ospf = "ospf" if version == 4 else "ospf6"
        versions = {
            str(n.address): n.address.version
            for n in (self.speaker.bgp.neighbors if self.speaker.bgp else ())
        }
        return any(
            met.up
            and (met.protocol == ospf or (met.protocol == "bgp" and versions.get(met.neighbor) == version))
            for met in self.standing.met
        )

    async def run(self) -> None:
        """Until cancelled, or retired and emptied."""
        try:
            while True:
                self._wake.clear()
                last = self._retired
                wait = await self._turn()
                if last:
                    return
                await self._sleep(wait)
        finally:
            self._engine.close()

    async def _sleep(self, seconds: float) -> None:
        """Until woken, or a daemon is gone, or so many seconds have passed."""
        gone = asyncio.create_task(self._engine.gone())
        wake = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({gone, wake}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, wake):
                task.cancel()

    async def _turn(self) -> float:
        """One look at the engine and what follows from it; seconds until the next one."""
        plan, again = self._plan()
        restarted = bool(self._engine.lost)
        outcome = await self._engine.apply(plan)
        try:
            met = await self._engine.met(plan.speaker)
        except EngineError as error:
            met = [each._replace(up=False, state="unknown") for each in self.standing.met]
            outcome.problems.append(str(error))
        self._show(plan, outcome, restarted)
        self._show_neighbors(met)
        if outcome.problems:
            return RETRY
        return LOOK if again is None else max(min(LOOK, again - self._clock.now()), 0.0)

    def _plan(self) -> tuple[Plan, float | None]:
        """What the engine is to have now, and when that changes by time alone."""
        intent, speaker = self._see(), self.speaker
        routes = intent.routes
        if self._retired:
            speaker = Speaker(speaker.name, speaker.switch, speaker.sockets, speaker.router_id)
            return Plan(speaker, (), (), (), {}, routes.max_vips, routes.bfd), None
        costs = {each.prefix: cost_of(each) for each in self._wanted.values()}
        spaced, again = self._spacing.step(costs if speaker.ospf else {}, self._clock.now())
        self.standing.waits = tuple(
            sorted(p for p in costs.keys() | spaced.keys() if costs.get(p) != spaced.get(p))
        )
        if not speaker.ospf:
            self.standing.waits = ()
        plan = Plan(
            speaker,
            possible_prefixes(intent, speaker),
            tuple(sorted({*possible_costs(intent, speaker), *spaced.values()})),
            tuple(self._wanted[name] for name in sorted(self._wanted)),
            spaced,
            routes.max_vips,
            routes.bfd,
            self._in_use,
        )
        return plan, again

    def _show(self, plan: Plan, outcome: Outcome, restarted: bool) -> None:
        now, was = self.standing, self._written
        problem = "; ".join(outcome.problems)
        new = [each for each in outcome.problems if each not in self._said]
        self._said = set(outcome.problems)
        if new:
            self._journal.event("speaker_problem", speaker=self.speaker.name, why="; ".join(new))
        if not problem and now.problem:
            self._journal.event("speaker_recovered", speaker=self.speaker.name)
        if outcome.edits:
            now.writes += 1
            if was is not None and (restarted or now.problem or plan == was):
                now.repairs += 1
                self._say_repair(outcome.edits, restarted or bool(now.problem))
        now.problem, now.synced = problem, not problem
        self._written = None if problem and was is None else plan

    def _say_repair(self, edits: Mapping[str, list[Edit]], restarted: bool) -> None:
        for daemon, found in edits.items():
            self._journal.event(
                "speaker_repaired",
                Cause.EMPTY if restarted else Cause.AUDIT,
                speaker=self.speaker.name,
                daemon=daemon,
                count=len(found),
                edits=[str(each) for each in found[:SHOWN_EDITS]],
            )

    def _show_neighbors(self, met: list[Met]) -> None:
        before = {(m.protocol, m.neighbor): m.up for m in self.standing.met}
        now = {(m.protocol, m.neighbor): m.up for m in met}
        for (protocol, neighbor), up in sorted(
            (now | dict.fromkeys(before.keys() - now.keys(), False)).items()
        ):
            if up != before.get((protocol, neighbor), False):
                self._journal.event(
                    "speaker_neighbor",
                    speaker=self.speaker.name,
                    protocol=protocol,
                    neighbor=neighbor,
                    up=up,
                )
        self.standing.met = met


def possible_prefixes(intent: Intent, speaker: Speaker) -> tuple[str, ...]:
    """All that may ever be announced at a speaker."""
    site = _site(intent, speaker)
    mine = (v for v in intent.vips if intent.routes.vip(v.name) and site in v.owners)
    return tuple(prefix_of(vip) for vip in mine if speaks(speaker, vip.address.version))


def possible_costs(intent: Intent, speaker: Speaker) -> set[int]:
    """All metrics that OSPF may say at a speaker: at every step that its place may be from the best."""
    routes: Routes = intent.routes
    site, found = _site(intent, speaker), set[int]()
    for vip in intent.vips:
        own = routes.vip(vip.name)
        if own is not None and site in vip.owners:
            steps = vip.owners.index(site)
            found |= {attributes(routes, own, each).cost for each in (steps, steps + 1)}
    return found


def _site(intent: Intent, speaker: Speaker) -> str:
    switch = intent.switch_named(speaker.switch)
    return "" if switch is None else switch.site
