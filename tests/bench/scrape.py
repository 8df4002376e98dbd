"""Metrics: a scrape of 1,000 backends on 16 lb switches, beside a client library with as many series; the loop's lag.

The controller is whole, but for its switches, which hold what they are told in memory, and its prober. What scrapes is
a process of its own, as Prometheus is. The library (prometheus-client) holds the same series in the same process, and
renders them in the event loop.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from controller.app.assembly import App
from controller.app.beginning import open_file
from controller.cli.main import COLLECT
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.health.judge import Verdict
from controller.health.result import Outcome, ProbeResult
from controller.health.service import HealthService
from controller.metrics.exposed import Exposed
from controller.metrics.server import served
from controller.plan.ids import Space
from controller.sites.store import SqliteStore
from controller.spec.types import Role
from p4src.target import Found
from tests.bench.scalerun import HoldUps, InMemory, connect_p4, until
from tests.bench.verdict import SilentProber

POOLS, SERVERS, LBS = 10, 100, 16
"""Servers are those of one pool, and each is in one."""
ROUNDS = 20
PAUSE = 0.1
"""Seconds between two scrapes."""


def run() -> dict[str, object]:
    """Half a minute."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT)
    try:
        with tempfile.TemporaryDirectory(prefix="evenkeel-scrape-") as folder:
            return asyncio.run(_measure(Path(folder)))
    finally:
        gc.set_threshold(*before)


def text() -> str:
    """The intent: one edge, the lb switches, one leaf."""
    return "\n".join(_lines()) + "\n"


class _Counting(InMemory):
    """A switch that has sent something to each backend."""

    counts: Mapping[tuple[int, int], tuple[int, int]] = {}

    async def read(self) -> Found:
        """What it was told last, and counters."""
        found = await super().read()
        return found._replace(
            packets=dict(self.counts), sessions=dict.fromkeys(self.counts, (1234567, 1234000))
        )


async def _measure(folder: Path) -> dict[str, object]:
    path = folder / "intent.yaml"
    path.write_text(text())
    probers: list[SilentProber] = []
    clock = SystemClock()
    store = SqliteStore(folder / "evenkeel.db")
    journal = Journal(_Nowhere(), clock.wall)
    app = App(open_file(path), store, store.read(), journal, clock, lambda take: _health(take, probers))
    exposed = Exposed(app.observations, clock, lambda: 0)
    await app.begin()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(app.run(folder / "status.json"))
        holdups = HoldUps()
        watching = group.create_task(holdups.run())
        with exposed.serves(app):
            async with served(exposed, journal, ("127.0.0.1", 0)) as port:
                figures = await _figures(app, probers[0], port, holdups)
        running.cancel()
        watching.cancel()
    return figures


async def _figures(app: App, prober: SilentProber, port: int, holdups: HoldUps) -> dict[str, object]:
    intent = app.state.intent.value
    connect_p4(app, intent, _Counting)
    await until(lambda: all(app.fleet.is_synced(switch.id) for switch in intent.switches))
    prober.say(prober.probes, Outcome.PASS)
    pairs = _pairs(app)
    for task in app.fleet:
        if Role.LB in task.switch.roles:
            assert isinstance(task.driver.session, _Counting)
            task.driver.session.counts = pairs
    await until(lambda: app.shown()[0].probes_pending == 0)
    whole = await _scrapes(port, 1)
    while whole.text.count("evenkeel_backend_packets_total{") < len(pairs) * LBS:
        await asyncio.sleep(1.0)  # until audits have read all counters
        whole = await _scrapes(port, 1)
    holdups.take()
    began = time.monotonic()
    plain = await _scrapes(port, ROUNDS)
    while_scraped = holdups.take()
    took = time.monotonic() - began
    await asyncio.sleep(took)
    quiet = holdups.take()
    zipped = await _scrapes(port, ROUNDS, "gzip")
    library = _Library(whole.text)
    await asyncio.sleep(PAUSE)
    holdups.take()
    rendered = [await library.rendered() for _ in range(ROUNDS // 4)]
    return {
        "backends": POOLS * SERVERS,
        "lb_switches": LBS,
        "series": library.series,
        "mib": round(len(whole.text) / 2**20, 2),
        "scrape_median_ms": _ms(median(plain.seconds)),
        "scrape_worst_ms": _ms(max(plain.seconds)),
        "gzip_median_ms": _ms(median(zipped.seconds)),
        "library_median_ms": _ms(median(rendered)),
        "scrape_to_library": round(median(plain.seconds) / median(rendered), 2),
        "hold_up_while_scraped_worst_ms": while_scraped,
        "hold_up_without_worst_ms": quiet,
        "hold_up_library_worst_ms": holdups.take(),
    }


def _pairs(app: App) -> dict[tuple[int, int], tuple[int, int]]:
    """Counters of a switch: each backend for its listener."""
    world = app.state.committed.value
    assert world is not None
    found = {}
    for item in world.intent.listeners():
        listener = world.ids.id(Space.LISTENER, item.name)
        for place, backend in enumerate(world.intent.pool(item.pool).backends):
            found[listener, world.ids.id(Space.BACKEND, backend.name)] = (
                123_456_789 + place,
                98_765_432_100 + place,
            )
    return found


@dataclass(frozen=True)
class _Scrapes:
    """What a client saw."""

    seconds: list[float]
    """Each, from the request to the last byte."""
    text: str


async def _scrapes(port: int, count: int, encoding: str = "identity") -> _Scrapes:
    """Scrape, one after the other on one connection, from another process."""
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _CLIENT,
        str(port),
        str(count),
        str(PAUSE),
        encoding,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await client.communicate()
    if client.returncode:
        raise RuntimeError("the scrapes failed")
    seconds, _, body = out.partition(b"\n")
    text = "" if encoding == "gzip" else body.decode()
    return _Scrapes(json.loads(seconds), text)


_CLIENT = """
import http.client, json, sys, time
port, count, pause, encoding = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
client, took = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
for _ in range(count):
    time.sleep(pause)
    began = time.perf_counter()
    client.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
    answer = client.getresponse()
    body = answer.read()
    took.append(time.perf_counter() - began)
    assert answer.status == 200, body
sys.stdout.buffer.write(json.dumps(took).encode() + b"\\n" + body)
"""


class _Library:
    """The client library, with the series of a text."""

    def __init__(self, text: str) -> None:
        self.registry = CollectorRegistry()
        self.series = 0
        known: dict[str, Gauge] = {}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                names = sorted(each.labels)
                known.setdefault(each.name, Gauge(each.name, family.documentation, names, registry=None))
                gauge = known[each.name]
                (gauge.labels(*(each.labels[name] for name in names)) if names else gauge).set(each.value)
                self.series += 1
        for gauge in known.values():
            self.registry.register(gauge)

    async def rendered(self) -> float:
        """Seconds of the event loop."""
        await asyncio.sleep(PAUSE)
        began = time.perf_counter()
        generate_latest(self.registry)
        return time.perf_counter() - began


def _ms(seconds: float) -> float:
    return round(1e3 * seconds, 1)


def _health(take: Callable[[list[Verdict]], None], made: list[SilentProber]) -> HealthService:
    def prober(results: Callable[[list[ProbeResult]], None], problem: Callable[[str], None]) -> SilentProber:
        made.append(SilentProber(results, problem))
        return made[-1]

    return HealthService(take, now=SystemClock().now, prober=prober)


def _lines() -> Iterator[str]:
    lbs = [f"lb{n}" for n in range(LBS)]
    yield "sites: [{name: east, subnets: [{name: all, prefixes: [10.0.0.0/8]}]}]"
    yield "switches:"
    yield from _switch(
        "edge0", "edge", 1, ["segment", *lbs], [_route("10.1.0.0/16", lbs), _route(_ALL, ["segment"])]
    )
    for n, name in enumerate(lbs):
        routes = [_route("10.1.0.0/16", ["leaf0"]), _route(_ALL, ["edge0"])]
        yield from _switch(name, "lb", 16 + n, ["edge0", "leaf0"], routes)
    served = [(pool, place) for pool in range(POOLS) for place in range(SERVERS)]
    routes = [f'{{to: {_address(*each)}, via: [s0-0], mac: "{_mac(3, *each)}"}}' for each in served]
    yield from _switch("leaf0", "leaf", 2, [*lbs, "s0-0"], [*routes, _route(_ALL, lbs)])
    yield "pools:"
    for pool in range(POOLS):
        yield f"  - name: p{pool}"
        yield f"    max_backends: {SERVERS}"
        yield "    health: {type: tcp, port: 80, interval: 2s}"
        yield "    backends:"
        for place in range(SERVERS):
            where = f'address: {_address(pool, place)}, mac: "{_mac(3, pool, place)}", at: leaf0'
            yield f"      - {{name: s{pool}-{place}, {where}}}"
    yield "vips:"
    for pool in range(POOLS):
        yield f'  - {{name: v{pool}, address: 10.0.0.{1 + pool}, mac: "{_mac(1, 0, pool)}", owners: [east],'
        yield f"     listeners: [{{protocol: tcp, port: 80, pool: p{pool}, mode: dr}}]}}"


_ALL = "0.0.0.0/0"


def _switch(name: str, role: str, number: int, ports: list[str], routes: list[str]) -> Iterator[str]:
    shown = ", ".join(f"{place}: {to}" for place, to in enumerate(ports, 1))
    yield f"  - {{name: {name}, site: east, kind: embedded, id: {number}, roles: [{role}],"
    yield f'     mac: "{_mac(2, 0, number)}", gateway_mac: "02:45:56:00:00:fe", ports: {{{shown}}},'
    yield f"     p4runtime: 127.0.0.1:{20000 + number}, routes: [{', '.join(routes)}]}}"


def _address(pool: int, place: int) -> str:
    return f"10.1.{pool}.{1 + place}"


def _mac(kind: int, pool: int, place: int) -> str:
    return f"02:45:56:{kind:02x}:{pool:02x}:{place:02x}"


def _route(to: str, via: list[str]) -> str:
    return f"{{to: {to}, via: [{', '.join(via)}]}}"


class _Nowhere:
    """A journal that goes nowhere."""

    def write(self, text: str, /) -> None:
        """Forget it."""
