"""Figures become text. Pure, and run beside the event loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from controller.core.events import EVENTS
from controller.core.shown import ListenerStatus, PoolStatus, Scalar, Snapshot
from controller.health.engine import LATENESS_STEP
from controller.metrics import families as all_of
from controller.metrics import tiers
from controller.metrics.discovery import of_discovery
from controller.metrics.figures import Figures, ProcessFigures, Serving
from controller.metrics.histogram import MILLISECONDS, distribution
from controller.metrics.observations import DRIFT, Observed
from controller.metrics.routes import routes
from controller.metrics.text import Row, Text, escaped, labels


def rendered(figures: Figures, plain: bool = False) -> bytes:
    """All metrics as text; ``plain``: in the older format."""
    text = Text(plain)
    _controller(text, figures)
    _observed(text, figures.observed)
    serving = figures.serving
    if serving is not None:
        shown = serving.snapshot
        _state(text, serving)
        _places(text, serving)
        _exits(text, serving)
        routes(text, shown.exits.get("routes"))
        tiers.rows(text, shown.exits)
        _switches(text, serving)
        _switch_parts(text, shown)
        _traffic(text, serving)
        _pools(text, shown, figures.observed)
        _backends(text, serving)
        _probes(text, serving)
    return text.whole()


def table_labels(key: str) -> dict[str, str]:
    """Labels of a pool by its key: ``pool/protocol``, after the listener if the table is its own."""
    listener, _, name = key.rpartition(" ")
    pool, _, protocol = name.rpartition("/")
    return {"pool": pool, "protocol": protocol, "listener": listener}


def _controller(text: Text, of: Figures) -> None:
    standing = of.standing
    text.rows(all_of.BUILD, [(labels(version=of.version), 1)])
    text.value(all_of.LEADER, int(standing.leads))
    text.value(all_of.READY, int(standing.ready))
    text.value(all_of.LEASE, standing.lease)
    if standing.name and not standing.leads:
        text.rows(all_of.STANDBY, [(labels(controller=standing.name, leader=standing.leader), 1)])
    text.value(all_of.STORE, int(standing.store))
    text.value(all_of.DROPPED, of.dropped)
    of_process(text, of.process)


def of_process(text: Text, of: ProcessFigures) -> None:
    """What any program shows of its process."""
    text.value(all_of.CPU, of.cpu)
    text.value(all_of.MEMORY, of.memory)
    text.value(all_of.FILES, of.files)
    text.value(all_of.FILES_MOST, of.files_most)
    text.value(all_of.BEGAN, of.began)
    ends = ((labels(option=option, file=file), end) for (option, file), end in of.certificates.items())
    text.rows(all_of.CERTIFICATE, ends)


def of_events(text: Text, known: Iterable[str], counts: Mapping[str, int]) -> None:
    """How often each event was said; those that are ``known`` are there from the start."""
    events = {**dict.fromkeys(known, 0), **counts}
    text.rows(all_of.EVENTS, ((labels(event=name), count) for name, count in sorted(events.items())))


def _observed(text: Text, of: Observed) -> None:
    text.histograms(all_of.LAG, [("", of.lag)])
    text.histograms(all_of.COMMIT, [("", of.commits)])
    of_events(text, EVENTS, of.events)
    text.rows(all_of.SPANS, ((labels(outcome=name), count) for name, count in of.spans.items()))
    text.histograms(all_of.PROBE, ((labels(outcome=name), each) for name, each in of.probes.items()))
    text.value(all_of.UNASKED, of.unasked)


def _state(text: Text, of: Serving) -> None:
    shown = of.snapshot
    text.value(all_of.TERM, shown.term)
    text.value(all_of.REVISION, shown.revision)
    text.value(all_of.AHEAD, shown.ahead)
    text.value(all_of.INTENT, int(bool(shown.intent_errors)))
    text.value(all_of.SHOWN, round(of.age, 3))
    text.value(all_of.PINS, shown.pins)
    text.value(all_of.UNSYNCED, shown.unsynced)
    text.value(all_of.REFUSED, shown.at_risk.pins_refused)
    text.rows(all_of.REPORTS, ((labels(report=kind), count) for kind, count in sorted(shown.reports.items())))
    text.rows(all_of.HELLOS, ((labels(hello=kind), count) for kind, count in shown.hellos.items()))
    text.value(all_of.STRANGERS, len(shown.strangers))
    text.value(all_of.MEMORY_SHORT, len(shown.at_risk.memory_short))


def _places(text: Text, of: Serving) -> None:
    """Sites and VIPs."""
    vips = of.snapshot.vips
    text.rows(
        all_of.OWNER,
        (
            (labels(vip=name, site=site), int(each.owner == site))
            for name, each in vips.items()
            for site in of.sites
        ),
    )
    text.rows(
        all_of.AWAY,
        ((labels(vip=name), int((each.owner or "") != each.belongs)) for name, each in vips.items()),
    )
    text.rows(all_of.AUTHORITY, ((labels(vip=name), round(left, 3)) for name, left in of.authority.items()))
    others = of.snapshot.conflicts
    text.rows(all_of.VIP_CONFLICTS, ((labels(vip=name), len(others.get(name, ()))) for name in vips))
    text.rows(all_of.VIP_CONFLICT_FRAMES, ((labels(vip=name), of.conflicts.get(name, 0)) for name in vips))
    sites = of.snapshot.sites or {}
    named = [(labels(site=name), each) for name, each in sites.items()]
    text.rows(all_of.FIT, ((name, int(each.fit)) for name, each in named))
    text.rows(
        all_of.CONDITION,
        ((labels(site=site, condition=name), int(met)) for (site, name), met in of.conditions.items()),
    )
    text.rows(all_of.SITE_UNSYNCED, ((name, each.unsynced) for name, each in named))
    drained = of.snapshot.drained_sites
    text.rows(all_of.DRAINED, ((labels(site=name), int(name in drained)) for name in of.sites))


def _exits(text: Text, of: Serving) -> None:
    """What goes beside the switches."""
    named = [(labels(exit=name), each) for name, each in of.snapshot.exits.items()]
    text.rows(all_of.EXIT_SYNCED, ((name, int(each.synced)) for name, each in named))
    text.rows(all_of.EXIT_PROBLEM, ((name, int(bool(each.problem))) for name, each in named))
    text.rows(all_of.EXIT_WRITES, ((name, each.writes) for name, each in named))
    text.rows(all_of.EXIT_REPAIRS, ((name, each.repairs) for name, each in named))
    names = of.snapshot.exits.get("names")
    items = [] if names is None else [(labels(name=name), each) for name, each in names.items.items()]
    text.rows(all_of.NAME_CANDIDATES, ((name, _number(each["candidates"])) for name, each in items))
    text.rows(all_of.NAME_LIVE, ((name, _number(each["live"])) for name, each in items))
    of_discovery(text, of.snapshot.exits.get("discovery"))


def _number(of: Scalar) -> float:
    return float(of) if isinstance(of, int | float) else 0.0


def _switches(text: Text, of: Serving) -> None:
    shown, facts = of.snapshot.switches, of.facts
    text.rows(
        all_of.SWITCH,
        (
            (labels(switch=name, site=each.site, kind=each.kind, roles=each.roles), 1)
            for name, each in facts.items()
        ),
    )
    rows = [(labels(switch=name), each) for name, each in shown.items()]
    text.rows(all_of.CONNECTED, ((name, int(each.connected)) for name, each in rows))
    text.rows(
        all_of.ADMITTED,
        (
            (labels(switch=name), int(each.admitted))
            for name, each in shown.items()
            if name in facts and facts[name].serves
        ),
    )
    text.rows(all_of.SYNCED, ((name, int(each.synced)) for name, each in rows))
    text.rows(all_of.LEAVING, ((name, int(each.leaving)) for name, each in rows))
    text.rows(all_of.PROBLEM, ((name, int(bool(each.problem))) for name, each in rows))
    text.rows(all_of.ENTRIES, ((name, each.entries) for name, each in rows))
    text.rows(all_of.CONFLICTS, ((name, len(each.conflicts)) for name, each in rows))
    text.rows(all_of.UNSENT, ((name, each.unsent) for name, each in rows if each.connected))
    text.rows(all_of.LOST, ((labels(switch=name), each.lost_reports) for name, each in of.switches.items()))


def _switch_parts(text: Text, shown: Snapshot) -> None:
    """Drops, cables and fences."""
    switches = shown.switches.items()
    text.rows(
        all_of.SWITCH_DROPS,
        (
            (labels(switch=name, reason=reason), count)
            for name, each in switches
            for reason, count in (each.drops or {}).items()
        ),
    )
    text.rows(
        all_of.LINK,
        (
            (labels(switch=name, port=port, to=link.to), int(link.up and not link.dead))
            for name, each in switches
            for port, link in (each.links or {}).items()
        ),
    )
    fences = [
        (labels(switch=name, interface=interface), fence)
        for name, each in switches
        for interface, fence in (each.fence or {}).items()
    ]
    text.rows(all_of.FENCE, ((name, int(fence.claim)) for name, fence in fences))
    text.rows(all_of.FENCE_OPEN, ((name, int(fence.open)) for name, fence in fences))


def _traffic(text: Text, of: Serving) -> None:
    shown = of.snapshot.listeners
    vips = {name: of.vips.get(name, "") for name in shown}
    text.rows(
        all_of.LISTENER,
        ((labels(listener=name, vip=vips[name], **_served_by(each.pool)), 1) for name, each in shown.items()),
    )
    text.rows(
        all_of.LISTENER_DRAINS, ((labels(listener=name), int(each.draining)) for name, each in shown.items())
    )
    pairs = list(_pairs(of))
    text.rows(all_of.PACKETS, ((row, packets) for row, (packets, _) in pairs))
    text.rows(all_of.BYTES, ((row, octets) for row, (_, octets) in pairs))
    _connections(text, shown, vips)
    text.rows(
        all_of.GUARD,
        (
            (labels(switch=name, vip=vips.get(listener, ""), listener=listener, prefix=prefix), count)
            for name, each in of.switches.items()
            for (listener, prefix), count in each.guards.items()
        ),
    )
    text.rows(
        all_of.DENIED,
        (
            (labels(switch=name, vip=vips.get(listener, ""), listener=listener), count)
            for name, each in of.switches.items()
            for listener, count in each.denied.items()
        ),
    )


def _connections(text: Text, shown: Mapping[str, ListenerStatus], vips: Mapping[str, str]) -> None:
    rows = [
        (f'{listener},backend="{escaped(backend)}"', counted.connections)
        for name, each in shown.items()
        for listener in (labels(vip=vips[name], listener=name),)
        for backend, counted in each.backends.items()
        if counted.connections is not None
    ]
    text.rows(all_of.OPENED, ((row, each.opened) for row, each in rows))
    text.rows(all_of.ENDED, ((row, each.ended) for row, each in rows))
    text.rows(all_of.LIVE, ((row, each.live) for row, each in rows))
    text.rows(all_of.LIVE_ERROR, ((row, each.error) for row, each in rows))


def _served_by(key: str) -> dict[str, str]:
    found = table_labels(key)
    return {"pool": found["pool"], "protocol": found["protocol"]}


def _pairs(of: Serving) -> Iterator[tuple[str, tuple[int, int]]]:
    """What each lb switch sent to each backend for each listener: most of all series."""
    listeners = {
        number: labels(vip=of.vips.get(name, ""), listener=name) for number, name in of.listeners.items()
    }
    backends = {number: f'backend="{escaped(name)}"' for number, name in of.backends.items()}
    for name, each in of.switches.items():
        switch = labels(switch=name)
        for (listener, backend), counts in (each.packets or {}).items():
            if listener in listeners and backend in backends:
                yield f"{switch},{listeners[listener]},{backends[backend]}", counts


def _pools(text: Text, shown: Snapshot, observed: Observed) -> None:
    rows = [(labels(**table_labels(key)), key, pool) for key, pool in shown.pools.items()]
    counted = [(name, *_counted(pool)) for name, _, pool in rows]
    text.rows(all_of.BACKENDS, ((name, serving) for name, serving, _ in counted))
    text.rows(all_of.DOWN, ((name, down) for name, _, down in counted))
    text.rows(all_of.PANICKED, ((name, int(pool.panicked)) for name, _, pool in rows))
    text.rows(all_of.SLOTS, ((name, pool.slots) for name, _, pool in rows))
    text.rows(all_of.MOVING, ((name, pool.moving) for name, _, pool in rows))
    text.rows(
        all_of.SPLIT,
        (
            (f'{name},subset="{escaped(subset)}"', each.share)
            for name, _, pool in rows
            for subset, each in pool.split.items()
        ),
    )
    text.rows(all_of.TRACKED, ((name, pool.tracked) for name, _, pool in rows))
    text.rows(all_of.MOVED, ((name, observed.moved.get(key, 0)) for name, key, _ in rows))
    text.rows(all_of.WATCHED, ((name, pool.watched) for name, _, pool in rows))
    of_switches = [each for each in observed.writes.items() if each[0] in shown.switches]
    text.histograms(all_of.WRITE, ((labels(switch=name), each) for name, each in of_switches))
    text.rows(
        all_of.DRIFT,
        (
            (labels(switch=name, drift=kind), observed.repaired.get((name, kind), 0))
            for name in shown.switches
            for kind in DRIFT
        ),
    )


def _counted(pool: PoolStatus) -> tuple[int, int]:
    """Backends that have a weight, and those of them that are down."""
    wanted = [each for each in pool.backends.values() if each.weight and each.state != "removed"]
    return len(wanted), sum(each.up is False for each in wanted)


def _backends(text: Text, of: Serving) -> None:
    rows = [
        (f'{table},backend="{escaped(name)}"', each)
        for key, pool in of.snapshot.pools.items()
        for table in (labels(**table_labels(key)),)
        for name, each in pool.backends.items()
    ]
    text.rows(all_of.WEIGHT, ((row, each.weight) for row, each in rows))
    text.rows(all_of.FACTOR, ((row, each.factor) for row, each in rows))
    _agents(text, of)
    text.rows(all_of.BACKEND_SLOTS, ((row, each.slots) for row, each in rows))
    text.rows(all_of.STATE, ((f'{row},state="{each.state}"', 1) for row, each in rows))
    text.rows(all_of.UP, _verdicts(of.snapshot))
    text.rows(
        all_of.LATENCY,
        (
            (labels(pool=pool, backend=backend), round(seconds, 6))
            for (pool, backend), seconds in of.latencies.items()
        ),
    )


def _agents(text: Text, of: Serving) -> None:
    """Of servers that are asked about themselves, once for each pool."""
    found = {
        (table_labels(key)["pool"], name): each.agent
        for key, pool in of.snapshot.pools.items()
        for name, each in pool.backends.items()
        if each.agent is not None
    }
    rows = [(labels(pool=pool, backend=name), each) for (pool, name), each in found.items()]
    text.rows(
        all_of.SERVER_CONNECTIONS,
        ((row, each.connections) for row, each in rows if each.connections is not None),
    )
    text.rows(
        all_of.SERVER_AGE, ((row, round(each.age + of.age, 3)) for row, each in rows if each.age is not None)
    )
    text.rows(all_of.SERVER_SILENT, ((row, int(each.silent)) for row, each in rows))


def _verdicts(shown: Snapshot) -> Iterable[Row]:
    """One for each backend of a pool, whatever number of tables it is in."""
    found: dict[tuple[str, str], bool] = {}
    for key, pool in shown.pools.items():
        for name, each in pool.backends.items():
            if each.up is not None and each.state != "removed":
                found[table_labels(key)["pool"], name] = each.up
    return ((labels(pool=pool, backend=name), int(up)) for (pool, name), up in found.items())


def _probes(text: Text, of: Serving) -> None:
    stats = of.prober
    late = distribution(stats.lateness, LATENESS_STEP, MILLISECONDS)
    text.histograms(all_of.LATENESS, [("", late)])
    text.value(all_of.LOST_RESULTS, stats.dropped)
    text.value(all_of.RESTARTS, stats.restarts)
    text.value(all_of.PENDING, of.snapshot.probes_pending)
    text.value(all_of.PROBLEMS, len(of.snapshot.probe_problems))
    _probe_places(text, of)


def _probe_places(text: Text, of: Serving) -> None:
    places = of.snapshot.places
    text.rows(
        all_of.PLACE_COUNTS,
        ((labels(place=name, site=each.site), int(each.counts)) for name, each in places.items()),
    )
    text.rows(
        all_of.PLACE_UP,
        (
            (labels(place=name, site=places[name].site, pool=pool, backend=backend), int(seen.up))
            for name, verdicts in of.views.items()
            if name in places
            for (pool, backend), seen in verdicts.items()
        ),
    )
    text.rows(
        all_of.PLACE_DIFFERS,
        (
            (labels(place=name, site=each.site, pool=pool), len(servers))
            for name, each in places.items()
            for pool, servers in each.differs.items()
        ),
    )
