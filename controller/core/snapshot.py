"""Takes a snapshot of the controller: from all parts what ``controller.core.shown`` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from controller.clock import Clock
from controller.core.conflicts import Conflicts
from controller.core.fences import Fences
from controller.core.fitting import Fitting
from controller.core.fleet import Fleet
from controller.core.hello import Hellos
from controller.core.intents import Intents
from controller.core.ownership import Ownership
from controller.core.pinning import Pinning
from controller.core.portwatch import PortWatch
from controller.core.presence import Presence
from controller.core.probing import Probing
from controller.core.rollout import Rollout
from controller.core.schedulers import Schedulers
from controller.core.servers import Servers
from controller.core.sessions import Sessions
from controller.core.shown import (
    AtRisk,
    BackendStatus,
    ConnectionsStatus,
    CountedStatus,
    ExitStatus,
    ListenerStatus,
    PoolStatus,
    SiteStatus,
    Snapshot,
    SwitchStatus,
    VipStatus,
)
from controller.core.state import State
from controller.core.switchtask import SwitchTask
from controller.plan import rehash, tracking, writer
from controller.plan.demand import meter_name
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.plan.pool import PoolMember, PoolState
from controller.plan.progress import Helds
from controller.plan.sessions import Live
from controller.plan.standby import group_statuses, subset_statuses
from controller.plan.tuned import AS_CONFIGURED, UNTUNED
from controller.southbound.driver import Counts
from controller.spec.types import Listener, Pool, Role


@dataclass(frozen=True)
class Sources:
    """What a snapshot is taken of."""

    state: State
    fleet: Fleet
    ownership: Ownership
    presence: Presence
    rollout: Rollout
    pinning: Pinning
    probing: Probing
    hellos: Hellos
    ports: PortWatch
    intents: Intents
    reports: Callable[[], Iterable[Mapping[str, int]]]
    strangers: Callable[[], Iterable[str]]
    helds: Helds
    clock: Clock
    dropped: Callable[[], int]
    fences: Fences
    fitting: Fitting | None
    servers: Servers
    schedulers: Schedulers
    sessions: Sessions
    conflicts: Conflicts
    exits: Callable[[], Mapping[str, ExitStatus]]


def snapshot(of: Sources) -> Snapshot:
    """The present."""
    world = of.state.committed.value
    assert world is not None, "nothing is shown before the first commit"
    moving = {key: pool.moving for key, pool in world.pools.items() if pool.moving}
    tracked = {key: pool.tracking.differ for key, pool in world.pools.items() if pool.tracking.differ}
    short = tuple(sorted(task.switch.name for task in of.fleet if task.memory_short))
    rules = {pool.name: pool for pool in world.intent.pools}
    reports: Counter[str] = Counter()
    for counts in of.reports():
        reports.update(counts)
    return Snapshot(
        at=of.clock.wall(),
        term=of.state.term.value,
        revision=of.state.revision,
        store=of.state.problem,
        ahead=0 if of.state.ahead is None else of.state.ahead.values,
        intent_errors=of.intents.errors,
        switches=_switches(of, world),
        strangers=tuple(sorted(of.strangers())),
        pools={key: _pool(of, key, pool, rules) for key, pool in world.pools.items()},
        vips=vip_statuses(of.state.owners.value, of.ownership),
        drained_sites=tuple(sorted(of.state.orders.value.drained)),
        sites=_sites(of),
        listeners=_listeners(of, world),
        pins=of.pinning.count,
        unsynced=of.pinning.unsynced(of.fleet.unsynced_version(Role.LB)),
        at_risk=AtRisk(moving, tracked, of.pinning.refused, short),
        guard=_guard(of, world),
        denied=_denied(of, world),
        reports=dict(reports),
        hellos=dict(of.hellos.counts),
        probes_pending=of.probing.pending(),
        places=of.probing.places(),
        probe_problems=tuple(of.probing.problems()),
        events_dropped=of.dropped(),
        conflicts=of.conflicts.shown(),
        exits=of.exits(),
    )


def _switches(of: Sources, world: PlanInput) -> dict[str, SwitchStatus]:
    ids = {task.switch.name: task.switch.id for task in of.fleet}
    ids |= {switch.name: switch.id for switch in world.intent.switches}
    return {name: _switch(of, world, number) for name, number in ids.items()}


def _switch(of: Sources, world: PlanInput, number: int) -> SwitchStatus:
    task, push = of.fleet.get(number), of.rollout.shown(number)
    admitted = of.presence.is_admitted(number)
    if task is None:
        named = world.intent.switch(number)
        fence = of.fences.shown(named) if named is not None else None
        return SwitchStatus(push == "waiting", admitted, False, push, fence=fence)
    driver = task.driver
    return SwitchStatus(
        True,
        admitted,
        task.synced,
        push,
        task.leaving,
        driver.size(task.have) if task.have else 0,
        task.repairs,
        task.writes,
        task.unsent,
        tuple(task.conflicts),
        dict(driver.drops) if isinstance(driver, Counts) else None,
        _problem(of, task),
        of.hellos.shown(task.switch),
        of.fences.shown(task.switch),
    )


def _problem(of: Sources, task: SwitchTask) -> str:
    return (
        task.problem
        or (f"hash_differs: {task.unlike}" if task.unlike else "")
        or task.links_shut
        or task.memory_short
        or (f"fence: {task.fence_unwatched}" if task.fence_unwatched else "")
        or of.fences.problem(task.switch)
        or of.hellos.problem(task.switch)
        or of.ports.problem(task.switch)
    )


def _pool(of: Sources, key: str, pool: PoolState, rules: Mapping[str, Pool]) -> PoolStatus:
    """``rules``: pools of the intent."""
    held = np.bincount(pool.now, minlength=1)
    backends = {}
    tuned = of.state.tables.value.tuned.get(pool.name, UNTUNED)
    for member in pool.members:
        name = member.backend.name
        verdict = of.state.verdicts.value.get(member.origin or pool.name, {}).get(name)
        backends[name] = BackendStatus(
            member.id,
            member.backend.weight,
            int(held[member.id]) if member.id < len(held) else 0,
            "removed" if member.removed else pool.fates[member.id].value,
            None if verdict is None else verdict.up,
            "" if verdict is None else verdict.reason,
            None if verdict is None else round(of.clock.now() - verdict.since, 1),
            member.backend.group,
            member.backend.zone,
            _subset(rules.get(pool.name), member),
            _seen(of, member.origin or pool.name, name),
            round(float(tuned.get(name, AS_CONFIGURED).factor), 4),
            tuned.get(name, AS_CONFIGURED).why,
            _rounded(of.schedulers.measured(pool.name, name)),
            None if member.removed else of.servers.shown((pool.name, name)),
        )
    serving = {each.name for each in pool.serving}
    without = tuple(name for name, each in backends.items() if name in serving and not each.slots)
    return PoolStatus(
        backends,
        pool.revision,
        len(pool.now),
        pool.spread or "",
        *_rehash(of, key, pool),
        pool.moving,
        pool.tracking.tracks,
        *_settles(of, key, pool),
        len(pool.watched),
        pool.panicked,
        pool.behind,
        without,
        group_statuses(pool, rules.get(pool.name), of.state.verdicts.value.get(pool.name, {})),
        subset_statuses(pool, rules.get(pool.name), of.state.verdicts.value.get(pool.name, {})),
        *_scheduler(of, rules.get(pool.name)),
        *_writer(of, rules.get(pool.name)),
    )


def _subset(pool: Pool | None, member: PoolMember) -> str | None:
    return None if pool is None or member.removed else pool.subset_of(member.backend)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _scheduler(of: Sources, pool: Pool | None) -> tuple[str, str]:
    """By what backends share, and why that waits."""
    if pool is None:
        return "weighted", ""
    return pool.scheduler.value, of.schedulers.waits(pool.name)


def _seen(of: Sources, pool: str, backend: str) -> dict[str, str] | None:
    """Who saw what, if places differ."""
    found = of.probing.seen((pool, backend))
    return {place: "up" if each.up else f"down: {each.reason}" for place, each in found.items()} or None


def _rehash(of: Sources, key: str, pool: PoolState) -> tuple[str, float | None]:
    """What a rehash waits for, and how long."""
    if pool.rehash is None:
        return "", None
    found = rehash.waits(pool.tracking, pool.rehash, of.helds(key), of.clock.now(), _memory(of, key))
    return found.why, None if found.seconds is None else round(found.seconds, 1)


def vip_statuses(owners: Mapping[str, str], ownership: Ownership) -> dict[str, VipStatus]:
    """Where VIPs are, and why."""
    return {
        vip: VipStatus(owners.get(vip), decision.site, decision.text, decision.cause.value)
        for vip, decision in ownership.decisions().items()
    }


def _sites(of: Sources) -> dict[str, SiteStatus] | None:
    if of.fitting is None:
        return None
    now, drained = of.clock.now(), of.state.orders.value.drained
    return {
        site: SiteStatus(
            fit=state.fitness.fit,
            conditions={
                each.name.value: each.value if each.met else f"NOT MET: {each.value}"
                for each in state.fitness.conditions
            },
            fit_for=round(state.fitness.for_seconds(now), 1) if state.fitness.fit else None,
            unsynced=state.unsynced,
            drained=site in drained,
        )
        for site, state in of.fitting.states.items()
    }


def _memory(of: Sources, key: str) -> float:
    world = of.state.committed.value
    return (0.0 if world is None else world.memory[key]) + tracking.MARGIN


def _settles(of: Sources, key: str, pool: PoolState) -> tuple[float | None, str]:
    """When no slot is tracked any more, and what it waits for."""
    found = tracking.waits(pool.tracking, of.helds(key), of.clock.now(), _memory(of, key))
    return None if found.seconds is None else round(found.seconds, 1), found.why


def _writer(of: Sources, pool: Pool | None) -> tuple[str | None, str | None]:
    """The writer, and who waits for a command."""
    if pool is None or pool.failover is None:
        return None, None
    name = of.state.tables.value.writers.get(pool.name)
    return name, writer.waiting(pool, name, of.state.verdicts.value.get(pool.name, {}))


def _listeners(of: Sources, world: PlanInput) -> dict[str, ListenerStatus]:
    totals: dict[tuple[int, int], tuple[int, int]] = {}
    for task in of.fleet:
        if Role.LB not in task.switch.roles or not isinstance(task.driver, Counts):
            continue
        for pair, (packets, octets) in task.driver.packets.items():
            old = totals.get(pair, (0, 0))
            totals[pair] = (old[0] + packets, old[1] + octets)
    wanted = {item.name for item in of.state.intent.value.listeners()}
    names = {number: name for name, number in world.ids.ids(Space.BACKEND).items()}
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for (listener, backend), (packets, octets) in totals.items():
        if backend in names:
            found.setdefault(listener, {})[names[backend]] = packets, octets
    return {
        item.name: ListenerStatus(
            world.state_key(item),
            item.name not in wanted,
            {
                name: CountedStatus(*counts, _connections(of.sessions.live(item.name, name)))
                for name, counts in found.get(world.ids.id(Space.LISTENER, item.name), {}).items()
            },
        )
        for item in world.intent.listeners()
    }


def _connections(live: Live | None) -> ConnectionsStatus | None:
    if live is None:
        return None
    rounded = (round(value, 1) for value in (live.live, live.error, live.rate))
    return ConnectionsStatus(live.opened, live.ended, *rounded)


def _guard(of: Sources, world: PlanInput) -> dict[str, int]:
    counters = [task.driver for task in of.fleet if isinstance(task.driver, Counts)]
    out = {}
    for item in world.intent.listeners():
        for name, shown in _guards(item):
            number = world.ids.id(Space.METER, name)
            out[shown] = sum(driver.guard_drops(number) for driver in counters)
    return out


def _denied(of: Sources, world: PlanInput) -> dict[str, int]:
    counters = [task.driver for task in of.fleet if isinstance(task.driver, Counts)]
    listed = [item for vip in world.intent.vips for item in vip.listeners if vip.access_of(item)]
    numbers = {item.name: world.ids.id(Space.LISTENER, item.name) for item in listed}
    return {
        name: sum(driver.denied.get(number, 0) for driver in counters) for name, number in numbers.items()
    }


def _guards(item: Listener) -> list[tuple[str, str]]:
    """Names of a listener's meters, and how they are shown."""
    everybody = [] if item.guard.rate is None else [(meter_name(item), item.name)]
    rows = [(meter_name(item, row.prefix), f"{item.name} {row.prefix}") for row in item.guard.prefixes]
    return everybody + rows
