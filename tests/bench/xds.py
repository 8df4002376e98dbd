"""Discovery (xDS): 10,000 servers and 1,000 clients: a verdict to the last client, all servers to all, a restart.

The exit as the controller runs it, on a socket; what it sees is made here. Clients are another process, each has a
connection of its own, reads all and answers each response. Beside it a bare server of grpc.aio in the same process that
writes as many octets to as many streams.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from controller.cli.run import TURN
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.exits.base import Around, Seen
from controller.exits.xds.book import EMPTY, Inputs, Maker
from controller.exits.xds.exit import DiscoveryExit
from controller.exits.xds.kinds import Kind
from controller.exits.xds.wire import SERVICE
from controller.plan.members import Health
from controller.plan.tables import Tables
from controller.spec.discovery import Discovery, Service, ServiceRoute, Target
from controller.spec.types import Backend, Intent, Pool, Role, Site, Switch
from tests.bench.scalerun import HoldUps
from tests.fakes.process import free_port

ROOT = Path(__file__).resolve().parents[2]
SERVICES, SERVERS, CLIENTS, ROUNDS = 16, 625, 1000, 10
WITHIN = 300.0
"""Seconds for a step."""


@dataclass
class World:
    """What the exit sees."""

    address: str
    wakes: list[Callable[[], None]] = field(default_factory=list)
    serves: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        names = [f"svc{number}" for number in range(SERVICES)]
        self.names = names
        sites = "east", "west"
        leaves = tuple(
            Switch(
                f"leaf-{site}", "ovs", number, site, frozenset({Role.LEAF}), f"02:45:56:01:00:{number:02x}"
            )
            for number, site in enumerate(sites, 1)
        )
        pools = tuple(Pool(name, _backends(index), max_backends=655) for index, name in enumerate(names))
        services = tuple(Service(name, 8080, (ServiceRoute(to=(Target(name),)),)) for name in names)
        discovery = Discovery(self.address, services)
        self.intent = Intent(tuple(map(Site, sites)), leaves, pools, (), discovery=discovery)
        self.verdicts = {
            pool.name: {real.name: Health(True, 0.0) for real in pool.backends} for pool in pools
        }
        self._round = 0

    def see(self) -> Seen:
        """It, now."""
        none: frozenset[str] = frozenset()
        return Seen(1, self.intent, Tables(), dict(self.verdicts), {}, none, none, none, None)

    def flip(self, *names: str) -> float:
        """Another verdict on a server of each of these pools; when, by the monotonic clock."""
        self._round += 1
        for name in names:
            rows = self.verdicts[name]
            server = sorted(rows)[self._round % SERVERS]
            self.verdicts[name] = {**rows, server: Health(not rows[server].up, 0.0)}
        now = time.monotonic()
        for wake in self.wakes:
            wake()
        return now

    def around(self) -> Around:
        """For the exit."""
        return Around(self.see, self.wakes.append, Journal(self), SystemClock())

    def write(self, text: str, /) -> None:
        """Of the journal it is of interest that the server listens."""
        if "discovery_serves" in text:
            self.serves.set()


def _backends(pool: int) -> tuple[Backend, ...]:
    first = int(IPv4Address("10.64.0.0")) + (pool << 12)
    return tuple(
        Backend(
            f"p{pool}s{n}", (IPv4Address(first + n),), at=f"leaf-{('east', 'west')[n % 2]}", weight=1 + n % 4
        )
        for n in range(SERVERS)
    )


@dataclass
class Clients:
    """The other process."""

    process: asyncio.subprocess.Process

    async def do(self, line: str) -> dict[str, Any]:
        """What it says when that is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        async with asyncio.timeout(WITHIN):
            said = await self.process.stdout.readline()
        if not said:
            raise RuntimeError("the clients ended")
        found: dict[str, Any] = json.loads(said)
        return found


@asynccontextmanager
async def _clients(address: str) -> AsyncIterator[Clients]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.xdsclients", address),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Clients(process)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _exit(world: World) -> AsyncIterator[DiscoveryExit]:
    world.wakes.clear()
    world.serves.clear()
    made = DiscoveryExit(world.around())
    task = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(WITHIN):
            await world.serves.wait()
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])


def run() -> dict[str, object]:
    """A minute or two."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        return asyncio.run(_measure())
    finally:
        sys.setswitchinterval(before)


async def _measure() -> dict[str, object]:
    world = World(f"127.0.0.1:{free_port()}")
    figures: dict[str, object] = {"servers": SERVICES * SERVERS, "clients": CLIENTS, **_made(world)}
    holds = HoldUps()
    watching = asyncio.create_task(holds.run())
    async with _clients(world.address) as clients:
        async with _exit(world):
            figures["one_service_each"] = await _one_each(world, clients, holds)
        async with _exit(world) as made:
            figures["restart"] = await _restart(made, clients)
        async with _exit(world):
            figures["all_servers_each"] = await _whole(world, clients, holds)
    figures["bare"] = await _bare(figures["all_servers_each"]["megabytes"])  # type: ignore[index]
    watching.cancel()
    figures["memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return figures


def _made(world: World) -> dict[str, float]:
    """Processor time of books: the first one, and after a verdict."""
    maker, took = Maker(), []
    book = EMPTY
    for number in range(1 + ROUNDS):
        if number:
            world.flip(world.names[number])
        seen, began = world.see(), time.process_time()
        book = maker.make(Inputs(1, seen.intent, seen.tables, seen.verdicts, seen.drained), book, 0.0)
        took.append(1e3 * (time.process_time() - began))
    return {"book_ms": round(took[0], 1), "book_after_a_verdict_ms": round(median(took[1:]), 1)}


async def _one_each(world: World, clients: Clients, holds: HoldUps) -> dict[str, object]:
    began = time.monotonic()
    await clients.do(f"connect {CLIENTS} {' '.join(world.names)}")
    served = await clients.do(f"expect {4 * CLIENTS}")
    connected = {"all_served_s": round(served["at"] - began, 2), "held_up_ms": holds.take()}
    one, every = [], []
    for number in range(ROUNDS):
        name = world.names[number]
        asked = len(range(number, CLIENTS, SERVICES))
        one.append(await _flipped(world, clients, asked, name))
    for _ in range(ROUNDS):
        every.append(await _flipped(world, clients, CLIENTS, *world.names))  # noqa: PERF401
    return {
        **connected,
        "verdict_to_the_last_of_62_ms": _spread(one),
        "sixteen_verdicts_to_the_last_of_all_ms": _spread(every),
        "held_up_by_verdicts_ms": holds.take(),
    }


async def _flipped(world: World, clients: Clients, count: int, *names: str) -> float:
    """Milliseconds from verdicts to the last of so many responses."""
    began = world.flip(*names)
    found = await clients.do(f"expect {count}")
    return float(1e3 * (found["at"] - began))


async def _restart(made: DiscoveryExit, clients: Clients) -> dict[str, object]:
    """All come back at once. They left with the server."""
    await clients.do("leave")
    began = time.monotonic()
    await clients.do(f"connect {CLIENTS} {' '.join(f'svc{n}' for n in range(SERVICES))}")
    while (status := made.shown()) is None or status.items["*"]["unchanged"] != 4 * CLIENTS:
        if time.monotonic() > began + WITHIN:
            raise RuntimeError(f"not all came back: {status and status.items['*']}")
        await asyncio.sleep(0.05)
    taken: dict[str, object] = {"all_back_s": round(time.monotonic() - began, 2), "responses": status.writes}
    await clients.do("leave")
    return taken


async def _whole(world: World, clients: Clients, holds: HoldUps) -> dict[str, Any]:
    """All clients ask for all servers; that they had others before counts as nothing."""
    holds.take()
    began, processor = time.monotonic(), time.process_time()
    await clients.do(f"whole {CLIENTS} {' '.join(world.names)}")
    found = await clients.do(f"expect {4 * CLIENTS}")
    took = found["at"] - began
    out = {
        "all_served_s": round(took, 2),
        "processor_s": round(time.process_time() - processor, 2),
        "megabytes": round(found["octets"] / 1e6, 1),
        "held_up_ms": holds.take(),
    }
    rounds = [await _flipped(world, clients, CLIENTS, world.names[n]) for n in range(ROUNDS)]
    return {**out, "verdict_to_the_last_of_all_ms": _spread(rounds), "held_up_by_verdicts_ms": holds.take()}


async def _bare(megabytes: float) -> dict[str, object]:
    """A server that writes as much to each of as many clients, and does nothing else."""
    address, octets = f"127.0.0.1:{free_port()}", b"\x1a\x00" * int(megabytes * 1e6 / CLIENTS / 2)
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))

    async def serve(requests: AsyncIterator[Any], context: Any) -> None:
        count = 0
        async for _ in requests:
            count += 1
            if count <= len(Kind):
                await context.write(octets if count == len(Kind) else b"")

    handler = grpc.stream_stream_rpc_method_handler(serve)
    table = {"StreamAggregatedResources": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, table),))
    server.add_insecure_port(address)
    await server.start()
    try:
        async with _clients(address) as clients:
            began, processor = time.monotonic(), time.process_time()
            await clients.do(f"whole {CLIENTS} none")
            found = await clients.do(f"expect {4 * CLIENTS}")
            return {
                "all_served_s": round(found["at"] - began, 2),
                "processor_s": round(time.process_time() - processor, 2),
            }
    finally:
        await server.stop(0)


def _spread(rounds: list[float]) -> dict[str, float]:
    return {"median": round(median(rounds), 1), "worst": round(max(rounds), 1)}
