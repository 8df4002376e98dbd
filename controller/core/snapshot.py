"""What the controller shows of itself, as typed data. ``status.json`` and all else that shows it read nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from controller.clock import Clock
from controller.core.fences import Fences, FenceStatus
from controller.core.fitting import Fitting
from controller.core.fleet import Fleet
from controller.core.hello import Hellos, LinkStatus
from controller.core.intents import Intents
from controller.core.ownership import Ownership
from controller.core.pinning import Pinning
from controller.core.portwatch import PortWatch
from controller.core.presence import Presence
from controller.core.probing import Probing
from controller.core.rollout import Rollout
from controller.core.state import State
from controller.core.switchtask import SwitchTask
from controller.plan import rehash, tracking, writer
from controller.plan.demand import meter_name
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.plan.pool import PoolState
from controller.plan.progress import Helds
from controller.southbound.driver import Counts
from controller.spec.types import Listener, Pool, Role


@dataclass(frozen=True)
class SwitchStatus:
    """One switch of the intent, or one that is leaving it."""

    connected: bool
    """Its control stream is up."""
    admitted: bool
    """lb switches: edges may use it."""
    synced: bool
    """It holds what it should."""
    push: str
    """``waiting`` for the present P4 program, its ``turn`` to get it, or empty."""
    leaving: bool = False
    """The intent no longer names it: it is emptied."""
    entries: int = 0
    """Flows or table entries, but for slots."""
    repairs: int = 0
    """Audits that found entries other than written, and repaired them."""
    writes: int = 0
    """Times that something was written."""
    unsent: int = 0
    """Packets dropped because the switch took them too slowly."""
    conflicts: tuple[str, ...] = ()
    """Places that we want and other programs hold."""
    drops: Mapping[str, int] | None = None
    """P4: packets dropped, by reason."""
    problem: str = ""
    """What is wrong with it, in words."""
    links: Mapping[str, LinkStatus] | None = None
    """P4: its cables to other P4 switches, by port number."""
    fence: Mapping[str, FenceStatus] | None = None
    """An edge's fences that this controller has an end of, by the interface of that end; null: it has no fence."""


@dataclass(frozen=True)
class BackendStatus:
    """A backend that is, or was, in a pool."""

    id: int
    """Its number on switches."""
    weight: int
    """As the intent has it."""
    slots: int
    """Slots that name it."""
    state: str
    """``normal``, ``drain``, ``move``, ``reset``, or ``removed``."""
    up: bool | None
    """The verdict; null: not probed, or no result yet."""
    reason: str
    """Why the verdict is so."""
    since: float | None
    """Seconds since the verdict changed; null: there is none."""


@dataclass(frozen=True)
class PoolStatus:
    """One pool and protocol, or a listener's own table while it differs from its pool's."""

    backends: Mapping[str, BackendStatus]
    """By name."""
    revision: int
    """Grows with every change of the table."""
    slots: int
    """Slots of the table."""
    spread: str
    """From what the slot of a TCP connection is taken: ``own`` (the hash of the kind of switch), ``datapath`` (that of
    Open vSwitch's datapaths) or ``bits``; empty: not decided before an lb switch has told its hash."""
    rehash: str
    """What a rehash of the pool waits for; empty: none is under way."""
    rehash_in: float | None
    """Seconds until it takes the slots otherwise, if nothing else happens; null: none is, or that depends on
    ``rehash``."""
    moving: int
    """Slots in transition."""
    tracked: int
    """Slots that moved less than ``memory_timeout`` ago, counted from when every lb switch knew (TCP): their
    connections are remembered, those of others are not."""
    settles_in: float | None
    """Seconds until no slot is tracked, if nothing else happens; null: that depends on ``settles_after``."""
    settles_after: str
    """What tracked slots wait for; empty: none is tracked."""
    watched: int
    """(backend, slot) pairs whose connections are reported and pinned."""
    panicked: bool
    """Health is ignored: too much of the pool is down."""
    without_slots: tuple[str, ...] = ()
    """Serving backends whose share of the table rounds to nothing."""
    writer: str | None = None
    """With ``failover``: the one backend that serves; null: all drain, or the pool has no ``failover``."""
    waits_for_command: str | None = None
    """With ``failback: manual``: a backend that lives and is preferred to the writer, and takes over with
    ``evenkeel failback``."""


@dataclass(frozen=True)
class ListenerStatus:
    """One listener."""

    pool: str
    """Key of the pool's status."""
    draining: bool
    """The intent no longer names it: it takes nothing new, and keeps its connections for ``drain_timeout``."""
    backends: Mapping[str, Mapping[str, int]]
    """``packets`` and ``bytes`` by backend, summed over lb switches."""


@dataclass(frozen=True)
class VipStatus:
    """Who answers for a VIP."""

    owner: str | None
    """The site; null: none, while it moves."""
    belongs: str
    """The site where it should be; empty: none can have it."""
    why: str
    """In words."""


@dataclass(frozen=True)
class SiteStatus:
    """A site as an owner of VIPs, as this controller sees it."""

    fit: bool
    """It can serve: VIPs may move there, and stay."""
    conditions: Mapping[str, str]
    """What it needs, by name, as it is; those that fail begin with ``NOT MET``."""
    fit_for: float | None
    """Seconds since it has been fit without a break; null: it is not."""
    unsynced: int
    """Pins that not every connected lb switch of the site holds yet."""
    drained: bool
    """An operator took it out of service."""


@dataclass(frozen=True)
class AtRisk:
    """What would be lost if the worst happened now."""

    moving_slots: Mapping[str, int]
    """By pool: slots that moved within ``transition``."""
    tracked_slots: Mapping[str, int]
    """By pool: slots that another lb switch would decide otherwise for what it does not remember. Connections on them
    are lost with their lb switch if they are not pinned: younger than ``transition``, or silent since they were."""
    pins_refused: int
    """Connections that found the book of pins full."""
    memory_short: tuple[str, ...]
    """lb switches whose conntrack timeouts could not be set."""


@dataclass(frozen=True)
class Snapshot:
    """Everything worth knowing at a glance."""

    at: float
    """Unix seconds."""
    term: int
    """Claims switches; grows with every controller that takes them over."""
    revision: int
    """Of the last commit: the change id of events."""
    store: str
    """Why the store cannot be written; empty: it can."""
    intent_errors: tuple[str, ...]
    """Why the last proposal was refused; the one before it is in force."""
    switches: Mapping[str, SwitchStatus]
    """By name."""
    strangers: tuple[str, ...]
    """Datapath ids that are connected and that the intent does not name."""
    pools: Mapping[str, PoolStatus]
    """By key: pool/protocol, or "listener pool/protocol" for a listener's own."""
    vips: Mapping[str, VipStatus]
    """By name."""
    drained_sites: tuple[str, ...]
    """Sites that operators took out of service: they own nothing."""
    sites: Mapping[str, SiteStatus] | None
    """By name; null: the store is of one machine, so no VIP moves by itself."""
    listeners: Mapping[str, ListenerStatus]
    """By name."""
    pins: int
    """Connections that are pinned."""
    unsynced: int
    """Pins that not every connected lb switch holds yet."""
    at_risk: AtRisk
    """What would be lost if the worst happened now."""
    guard: Mapping[str, int]
    """Packets dropped by each guard, ``listener`` or ``listener prefix``."""
    reports: Mapping[str, int]
    """What switches reported, by kind."""
    hellos: Mapping[str, int]
    """Hellos between P4 switches."""
    probes_pending: int
    """Backends whose first probe is still to come."""
    probe_problems: tuple[str, ...]
    """Why some probes cannot be asked: their verdicts stand still."""
    events_dropped: int
    """Events that the log's reader was too slow for."""

    def as_json(self) -> dict[str, object]:
        """Plain values, keys as named here."""
        return asdict(self)


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


def snapshot(of: Sources) -> Snapshot:
    """The present."""
    world = of.state.committed.value
    assert world is not None, "nothing is shown before the first commit"
    moving = {key: pool.moving for key, pool in world.pools.items() if pool.moving}
    tracked = {key: pool.tracking.differ for key, pool in world.pools.items() if pool.tracking.differ}
    short = tuple(sorted(task.switch.name for task in of.fleet if task.memory_short))
    rules = {pool.name: pool for pool in world.intent.pools if pool.failover is not None}
    reports: Counter[str] = Counter()
    for counts in of.reports():
        reports.update(counts)
    return Snapshot(
        at=of.clock.wall(),
        term=of.state.term.value,
        revision=of.state.revision,
        store=of.state.problem,
        intent_errors=of.intents.errors,
        switches=_switches(of, world),
        strangers=tuple(sorted(of.strangers())),
        pools={key: _pool(of, key, pool, rules) for key, pool in world.pools.items()},
        vips=_vips(of),
        drained_sites=tuple(sorted(of.state.orders.value.drained)),
        sites=_sites(of),
        listeners=_listeners(of, world),
        pins=of.pinning.count,
        unsynced=of.pinning.unsynced(of.fleet.unsynced_version(Role.LB)),
        at_risk=AtRisk(moving, tracked, of.pinning.refused, short),
        guard=_guard(of, world),
        reports=dict(reports),
        hellos=dict(of.hellos.counts),
        probes_pending=of.probing.pending(),
        probe_problems=tuple(of.probing.problems()),
        events_dropped=of.dropped(),
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
    """``rules``: pools with failover."""
    held = np.bincount(pool.now, minlength=1)
    backends = {}
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
        without,
        *_writer(of, rules.get(pool.name)),
    )


def _rehash(of: Sources, key: str, pool: PoolState) -> tuple[str, float | None]:
    """What a rehash waits for, and how long."""
    if pool.rehash is None:
        return "", None
    found = rehash.waits(pool.tracking, pool.rehash, of.helds(key), of.clock.now(), _memory(of, key))
    return found.why, None if found.seconds is None else round(found.seconds, 1)


def _vips(of: Sources) -> dict[str, VipStatus]:
    owners = of.state.owners.value
    return {
        vip: VipStatus(owners.get(vip), decision.site, decision.text)
        for vip, decision in of.ownership.decisions().items()
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
    if pool is None:
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
    found: dict[int, dict[str, Mapping[str, int]]] = {}
    for (listener, backend), (packets, octets) in totals.items():
        if backend in names:
            found.setdefault(listener, {})[names[backend]] = {"packets": packets, "bytes": octets}
    return {
        item.name: ListenerStatus(
            world.state_key(item),
            item.name not in wanted,
            found.get(world.ids.id(Space.LISTENER, item.name), {}),
        )
        for item in world.intent.listeners()
    }


def _guard(of: Sources, world: PlanInput) -> dict[str, int]:
    counters = [task.driver for task in of.fleet if isinstance(task.driver, Counts)]
    out = {}
    for item in world.intent.listeners():
        for name, shown in _guards(item):
            number = world.ids.id(Space.METER, name)
            out[shown] = sum(driver.guard_drops(number) for driver in counters)
    return out


def _guards(item: Listener) -> list[tuple[str, str]]:
    """Names of a listener's meters, and how they are shown."""
    everybody = [] if item.guard.rate is None else [(meter_name(item), item.name)]
    rows = [(meter_name(item, row.prefix), f"{item.name} {row.prefix}") for row in item.guard.prefixes]
    return everybody + rows
