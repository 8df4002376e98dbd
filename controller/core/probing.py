"""Asks servers whether they live, and keeps what is believed of them. Owns ``verdicts``.

no agents are asked:   own probes ──────────────────────────────────► verdicts
agents are asked:      their votes on a server, by its pool's rule ─► verdicts
                       own probes: how a server begins that no agent has a verdict of; servers that left the intent,
                       which agents do not probe; all, while no agent is heard
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import is_

from controller.clock import Clock
from controller.core.cells import Cell, Readable
from controller.core.differing import Differing
from controller.core.journal import Journal
from controller.core.probeplaces import OWN, PlaceStatus, ProbePlaces
from controller.health.judge import Verdict
from controller.health.places import Seen
from controller.health.result import ProbeResult
from controller.health.service import HealthService
from controller.health.targets import BackendRef, probed_services, targets_of
from controller.plan.pool import UNCONFIRMED, Health
from controller.plan.tables import Tables, Verdicts, probed
from controller.plan.verdicts import Ballot, merged
from controller.spec.health import PlaceRule
from controller.spec.names import probe_key
from controller.spec.types import Intent

ROUTES = 5.0
"""Seconds that the first probes wait for switches that lead to the servers."""
LOOK = 0.5
"""Seconds between looks at whether places fell silent, and see things otherwise."""
_LOOK = 0.1
_OWN_RULE = PlaceRule.ANY
"""Of one voter all rules are the same."""


class Probing:
    """Probes all backends that connections may be on: those of the intent, and those that drain."""

    def __init__(
        self,
        verdicts: Cell[Verdicts],
        intent: Readable[Intent],
        tables: Readable[Tables],
        service: Callable[[Callable[[list[Verdict]], None]], HealthService],
        journal: Journal,
        places: ProbePlaces,
        differing: Differing,
        now: Callable[[], float],
    ) -> None:
        """``now``: seconds of the clock."""
        self.said_down: Callable[[], Mapping[BackendRef, Health]] = dict
        """Servers that say of themselves that they are down; set by the one who assembles."""
        self.check: Callable[[], None] = lambda: None
        """Called before what agents say decides anything: whether this controller stood still; set by the one who
        assembles."""
        self._verdicts = verdicts
        self._intent = intent
        self._tables = tables
        self._journal = journal
        self._places, self._differing, self._now = places, differing, now
        self._service = service(self._take)
        self._asked: tuple[object, ...] = ()
        self._present: dict[BackendRef, tuple[PlaceRule, str | None]] = {}
        """Servers of the intent: their pool's rule, and their site."""
        self._members: frozenset[BackendRef] = frozenset()
        """All servers that are probed."""
        self._unsettled = True
        self._lonely = False
        places.on_change = self._heard
        self._service.seed(
            Verdict(pool, name, each.up, each.since, each.reason)
            for pool, rows in verdicts.value.items()
            for name, each in rows.items()
        )
        self._covered: dict[BackendRef, Health | None] = {}
        """Servers whose own word is their verdict: what probes say of them; None: nothing."""
        for cell in (intent, tables):
            cell.subscribe(self.follow)

    async def run(self, reachable: Callable[[], bool]) -> None:
        """Until cancelled; begins when servers can be reached, or after ``ROUTES`` seconds."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._probe(reachable))

    async def _probe(self, reachable: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(ROUTES):
                while not reachable():
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            pass
        try:
            await self._service.start()
            await asyncio.Event().wait()
        finally:
            await self._service.stop()

    async def _look(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK)

    def look(self) -> None:
        """What time alone changes: places fall silent, are not waited for any more, or differ for long."""
        if not self._places.used:
            self._places.say_missing()
            return
        self.check()
        silent = self._places.look()
        waited, lonely = self._unsettled and self._places.settled, self._places.lonely
        if silent or waited or lonely != self._lonely:
            self._combine(None)
        self._differing.look(self._verdicts.value)

    def follow(self) -> None:
        """Ask the servers that are, or were, in a pool."""
        tables = self._tables.value
        members = tuple(state.members for state in tables.pools.values())
        basis = (self._intent.value, tables.bound, tables.retained, tables.former, *members)
        if len(basis) == len(self._asked) and all(map(is_, basis, self._asked)):
            return
        self._asked = basis
        wanted = probed(self._intent.value, tables)
        targets = targets_of(wanted)
        self._members = frozenset(member for members in targets.values() for member in members)
        self._present = _present(self._intent.value)
        self._service.set_targets(targets)
        self._keep()

    def doubt(self) -> None:
        """Nothing was heard for a while: what counts from when a server was last known to be down begins again."""
        self._service.forget_failures()
        if self._places.used:
            self._places.forget()
            self._unsettled = True
            self._put({ref: _doubted(health) for ref, health in self._known().items()})
        else:
            self._keep()

    @property
    def service(self) -> HealthService:
        """What probes and judges from here, to be looked at."""
        return self._service

    def pending(self) -> int:
        """Backends of which there is no verdict yet."""
        if self._places.used:
            return len(self._members - self._known().keys())
        return len(self._service.pending())

    def problems(self) -> list[str]:
        """Why some verdicts stand still: probes that cannot be asked, or a place from where everything fails."""
        if self._places.used:
            if not self._lonely:
                return []
            return ["no agent's word counts, so this controller's own probes do", *self._own_problems()]
        return self._own_problems()

    def places(self) -> dict[str, PlaceStatus]:
        """From where servers are probed; empty: from here alone."""
        return self._places.shown(self._differing.found)

    def seen(self, ref: BackendRef) -> dict[str, Seen]:
        """What places say of a server, if they differ; empty: they do not."""
        found = self._places.votes(ref) if self._places.used else {}
        return found if len({each.up for each in found.values()}) > 1 else {}

    def views(self) -> dict[str, Mapping[BackendRef, Seen]]:
        """What each place says that counts."""
        return {name: view.verdicts for name, view in self._places.counting()} if self._places.used else {}

    def _own_problems(self) -> list[str]:
        status = self._service.status()
        out = [f"{item.probe.address}: {item.reason}" for item in status.unasked]
        if status.doubted is not None:
            out.append(
                f"all {status.doubted.servers} servers fail at once: this controller's own place is doubted"
            )
        if not status.probing:
            out.append("no prober runs")
        return out

    # -- what is believed -------------------------------------------------------------------------------------

    def _take(self, verdicts: list[Verdict]) -> None:
        """Own probes."""
        if self._places.used:
            self._combine({(v.pool, v.backend) for v in verdicts})
        else:
            self._keep()

    def _heard(self, changed: frozenset[BackendRef] | None) -> None:
        if self._places.used:
            self.check()
            self._combine(changed)

    def _keep(self) -> None:
        """All verdicts, after servers came or went, or are found to be otherwise."""
        if self._places.used:
            self._combine(None)
            return
        self._put({ref: _health(v) for ref, v in self._service.verdicts().items()})

    def _combine(self, changed: Iterable[BackendRef] | None) -> None:
        """Decide on these servers (None: on all)."""
        self._unsettled, self._lonely = not self._places.settled, self._places.lonely
        own, now = self._service.verdicts(), self._now()
        known = self._known()
        made = {ref: health for ref, health in known.items() if ref in self._members}
        for ref in self._members if changed is None else self._members.intersection(changed):
            before = known.get(ref)
            after = self._decided(ref, before, own.get(ref), now)
            if after is None:
                continue
            made[ref] = after
        self._put(made)

    def _decided(
        self, ref: BackendRef, before: Health | None, own: Verdict | None, now: float
    ) -> Health | None:
        rule, site = self._present.get(ref, (_OWN_RULE, None))
        votes = self._places.votes(ref)
        if before is not None and self._unsettled:
            return before
        found = merged(before, Ballot(rule, votes, self._places.of_site(site)), now)
        if found is None:
            return None if own is None else _health(own)
        if votes or own is None or not (self._lonely or ref not in self._present):
            return found
        counts = own.up or own.confirmed != UNCONFIRMED
        seen = {OWN: Seen(own.up, own.reason)} if counts else {}
        return merged(before, Ballot(_OWN_RULE, seen), now)

    def _known(self) -> Mapping[BackendRef, Health]:
        """What probes say, whatever servers say of themselves."""
        known = {
            (pool, name): each for pool, rows in self._verdicts.value.items() for name, each in rows.items()
        }
        for ref, each in self._covered.items():
            if each is None:
                known.pop(ref, None)
            else:
                known[ref] = each
        return known

    def told(self) -> None:
        """Servers say something else of themselves."""
        self._put(self._known())

    def _put(self, verdicts: Mapping[BackendRef, Health]) -> None:
        said = self._said(verdicts)
        self._covered = {ref: verdicts.get(ref) for ref in said}
        made: dict[str, dict[str, Health]] = {}
        for (pool, name), each in {**verdicts, **said}.items():
            made.setdefault(pool, {})[name] = each
        self._say_changes(made)
        old: Verdicts = self._verdicts.value
        kept: Mapping[str, Mapping[str, Health]] = {
            pool: old[pool] if pool in old and old[pool] == rows else rows for pool, rows in made.items()
        }
        self._verdicts.put(kept)

    def _said(self, probed: Mapping[BackendRef, Health]) -> dict[BackendRef, Health]:
        """Verdicts that servers give on themselves: of those that fail anyhow, where they said so first."""
        found = self.said_down()
        return {
            ref: each
            for ref, each in found.items()
            if ref not in probed or probed[ref].up or each.since < probed[ref].since
        }

    def _say_changes(self, made: Mapping[str, Mapping[str, Health]]) -> None:
        old = self._verdicts.value
        for pool, rows in made.items():
            known = old.get(pool, {})
            for name, each in rows.items():
                if name not in known or known[name].up is not each.up:
                    self._say(pool, name, each.up, each.reason)

    def _say(self, pool: str, backend: str, up: bool, reason: str) -> None:
        self._journal.event("verdict", pool=pool, backend=backend, up=up, reason=reason)


def _health(verdict: Verdict) -> Health:
    return Health(verdict.up, verdict.since, verdict.reason, verdict.confirmed)


def _doubted(health: Health) -> Health:
    return health if health.up else replace(health, confirmed=UNCONFIRMED)


def _present(intent: Intent) -> dict[BackendRef, tuple[PlaceRule, str | None]]:
    sites = {switch.name: switch.site for switch in intent.switches}
    homes = {vip.name: vip.owners[0] for vip in intent.vips}
    candidates = {
        (probe_key(zone, service), each.name): (check.places, homes.get(each.vip or "", each.site))
        for zone, service, check in probed_services(intent)
        for each in service.candidates
    }
    return candidates | {
        (pool.name, real.name): (pool.health.places, sites.get(real.at) if real.at is not None else None)
        for pool in intent.pools
        if pool.health is not None
        for real in pool.backends
    }


def probed_by(
    journal: Journal,
    clock: Clock,
    observe: Callable[[list[ProbeResult]], None],
    take: Callable[[list[Verdict]], None],
) -> HealthService:
    """A service that says its problems in the journal. ``observe``: handed all results."""

    def problem(why: str) -> None:
        journal.event("probing_problem", why=why)

    return HealthService(take, now=clock.now, on_problem=problem, observe=observe)
