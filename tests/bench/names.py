"""Names: processor time of an answer at the name server, beside Knot's and gdnsd's, in one run with dnsperf.

Each server has one thread and one zone with a thousand names, of which dnsperf asks one after the other. Ours chooses
between two addresses by health and weight at each question; gdnsd by its weighted plugin; Knot answers what stands in
its zone. Server and dnsperf have a core each; processor time is what the scheduler counts of the server's threads.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from ipaddress import ip_address
from pathlib import Path
from random import Random

import dns.exception
import dns.message
import dns.query

from controller.cli.nameserver import COLLECT
from controller.clock import SystemClock
from controller.exits.names.compiling import compiled
from controller.exits.names.inputs import Inputs, State, state_key
from controller.exits.names.memory import Memory
from controller.exits.names.serve.cookies import Cookies
from controller.exits.names.serve.keys import new_key
from controller.exits.names.serve.limiting import Limits
from controller.exits.names.serve.server import NameServer, Options
from controller.spec.names import Candidate, Policy, Service, Zone
from controller.spec.names import NameServer as Server

NAMES, SECONDS, ROUNDS = 1000, 3, 4
LIMIT = 10**9
"""Answers in a second: the limit is at work, and none is limited."""
WITHIN = 30.0
_SUBNET = "8:00011800cb0071"
"""203.0.113.0/24, as dnsperf takes it."""
ASKED: dict[str, tuple[str, ...]] = {
    "plain": (),
    "EDNS": ("-e",),
    "client subnet": ("-E", _SUBNET),
    "signed": ("-D",),
}
"""Options of dnsperf."""


def run() -> dict[str, object]:
    """Two minutes."""
    missing = [each for each in ("dnsperf", "knotd", "gdnsd", "taskset") if _program(each) is None]
    if missing:
        raise RuntimeError(f"needs {', '.join(missing)}: make bench-packages")
    with tempfile.TemporaryDirectory(prefix="evenkeel-names-") as name:
        folder = Path(name)
        (folder / "asked").write_text("".join(f"www{number}.example.net A\n" for number in range(NAMES)))
        rows = [_row(folder, kind, options) for kind, options in ASKED.items()]
        stall = asyncio.run(_stall(folder))
    return {"names": NAMES, "servers": rows, **stall}


# -- one measurement ----------------------------------------------------------------------------------------------


def _row(folder: Path, kind: str, options: tuple[str, ...]) -> dict[str, object]:
    """The best of some rounds, in which the servers take turns."""
    signed = kind == "signed"
    found: dict[str, list[float]] = {server: [] for server in SERVERS if not signed or server != "gdnsd"}
    for _ in range(ROUNDS):
        for server, each in found.items():
            each.append(_measured(folder, server, signed, options))
    us = {server: min(took) for server, took in found.items()}
    best = min(took for server, took in us.items() if server != "ours")
    row: dict[str, object] = {f"{server}_us": round(took, 1) for server, took in us.items()}
    return {"asked": kind, **row, "rate_of_the_best": round(best / us["ours"], 2)}


def _measured(folder: Path, server: str, signed: bool, options: tuple[str, ...]) -> float:
    """Microseconds of processor time of an answer."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as own,
        SERVERS[server](Path(own), signed) as (process, port),
    ):
        before = _spent(process)
        done = _dnsperf(folder, port, options)
        return 1e6 * (_spent(process) - before) / done


def _dnsperf(folder: Path, port: int, options: tuple[str, ...]) -> int:
    """Ask for some seconds. How many questions were answered."""
    argv = ["taskset", "-c", str(max(os.sched_getaffinity(0))), "dnsperf", "-s", "127.0.0.1", "-p", str(port)]
    argv += ["-d", str(folder / "asked"), "-l", str(SECONDS), "-c", "8", "-q", "1000", *options]
    out = subprocess.run(argv, capture_output=True, text=True, timeout=20 * SECONDS, check=True).stdout
    completed = re.search(r"Queries completed:\s+(\d+)", out)
    codes = re.search(r"Response codes:\s+NOERROR (\d+)", out)
    if completed is None or codes is None or int(codes[1]) < 0.99 * int(completed[1]):
        raise RuntimeError(f"dnsperf: {out}")
    return int(completed[1])


def _spent(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time of all threads of a process, as the scheduler counts them."""
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks) / 1e9


@contextmanager
def _running(argv: list[str], port: int, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """On one core, until it is asked no more."""
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *argv]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait(port, process, folder)
        yield process, port
    finally:
        process.kill()
        process.wait(WITHIN)


def _wait(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + WITHIN
    query = dns.message.make_query("www0.example.net", "A")
    while time.monotonic() < end and process.poll() is None:
        try:
            if dns.query.udp(query, "127.0.0.1", 0.5, port).answer:
                return
        except (dns.exception.DNSException, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"it does not answer: {(folder / 'log').read_text()[-2000:]}")


# -- servers ------------------------------------------------------------------------------------------------------


@contextmanager
def _ours(folder: Path, signed: bool) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = _port()
    argv = [
        sys.executable,
        "-m",
        "tests.bench.names",
        str(port),
        str(folder),
        "signed" if signed else "plain",
    ]
    with _running(argv, port, folder) as made:
        yield made


@contextmanager
def _knot(folder: Path, signed: bool) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = _port()
    (folder / "zone").write_text(_zone(lambda number: f"www{number} 5 A 198.51.100.1"))
    (folder / "knot.conf").write_text(f"""
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    edns-client-subnet: on
database:
    storage: {folder}
policy:
  - id: plain
    single-type-signing: on
zone:
  - domain: example.net
    file: {folder}/zone
    zonefile-sync: -1
    journal-content: none
    dnssec-signing: {"on" if signed else "off"}
    dnssec-policy: plain
""")
    with _running([_program("knotd") or "", "-c", str(folder / "knot.conf")], port, folder) as made:
        yield made


@contextmanager
def _gdnsd(folder: Path, _: bool) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = _port()
    (folder / "zones").mkdir()
    (folder / "zones" / "example.net").write_text(_zone(lambda number: f"www{number} 5 DYNA weighted!two"))
    (folder / "config").write_text(f"""
options => {{ listen => 127.0.0.1:{port}, udp_threads => 1, tcp_threads => 1, run_dir => {folder}/run,
              state_dir => {folder}/state, lock_mem => false }}
plugins => {{ weighted => {{ service_types => up, two => {{ a => [ 198.51.100.1, 3 ], b => [ 198.51.100.2, 1 ] }} }} }}
""")
    for each in ("run", "state"):
        (folder / each).mkdir()
    with _running([_program("gdnsd") or "", "-c", str(folder), "start"], port, folder) as made:
        yield made


Begun = AbstractContextManager[tuple[subprocess.Popen[bytes], int]]
SERVERS: dict[str, Callable[[Path, bool], Begun]] = {"ours": _ours, "knot": _knot, "gdnsd": _gdnsd}


def _zone(row: Callable[[int], str]) -> str:
    head = "$ORIGIN example.net.\n$TTL 300\n@ SOA ns1 admin 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\n"
    return head + "".join(f"{row(number)}\n" for number in range(NAMES))


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


# -- ours ---------------------------------------------------------------------------------------------------------


def inputs(signed: bool, revision: int = 1) -> Inputs:
    """A zone of names that are balanced by health and weight."""
    candidates = tuple(
        Candidate(name, address=ip_address(address), weight=weight)
        for name, address, weight in (("a", "198.51.100.1", 3), ("b", "198.51.100.2", 1))
    )
    chain = (Policy.HEALTH, Policy.WEIGHT)
    services = tuple(Service(f"www{number}", candidates, 5, 1, chain) for number in range(NAMES))
    servers = (Server("ns1", (ip_address("192.0.2.1"),)),)
    zone = Zone("example.net", servers, signed=signed, services=services)
    states = {
        state_key(zone, service.name, each.name): State(
            each.address, up=each.name == "a" or revision % 2 == 1
        )
        for service in services
        for each in candidates
        if each.address is not None
    }
    return Inputs(revision, (zone,), states)


def _server(port: int, folder: Path, signed: bool) -> NameServer:
    keys = folder / "keys"
    if signed and not keys.is_dir():
        new_key(keys, "example.net")
    options = Options((("127.0.0.1", port),), keys=keys if signed else None, limits=Limits(LIMIT))
    return NameServer(options, Cookies(os.urandom(16)), SystemClock())


async def _serve(port: int, folder: Path, signed: bool) -> None:
    gc.set_threshold(*COLLECT)
    server = _server(port, folder, signed)
    await server.start()
    server.put(compiled(inputs(signed), Memory(time.monotonic, Random(1))))
    await server.run()


async def _stall(folder: Path) -> dict[str, object]:
    """How long the loop is held up, in its own processor time, while tables of a signed zone are made again."""
    gc.set_threshold(*COLLECT)
    server, changes = _server(_port(), folder, True), 20
    made = asyncio.Event()
    server.on_tables = lambda _: made.set()
    await server.start()
    running = asyncio.create_task(server.run())
    memory = Memory(time.monotonic, Random(1))
    waits: list[float] = []
    took: list[float] = []
    for revision in range(1, changes + 1):
        content = compiled(inputs(True, revision), memory)
        made.clear()
        began = time.thread_time()
        server.put(content)
        while not made.is_set():
            asked = time.thread_time()
            await asyncio.sleep(0)
            waits.append(time.thread_time() - asked)
        took.append(time.thread_time() - began)
    running.cancel()
    await server.stop()
    waits.sort()
    return {
        "tables_first_ms": round(1000 * took[0]),
        "tables_change_ms_median": round(1000 * sorted(took[1:])[len(took) // 2], 1),
        "turn_ms_p99": round(1000 * waits[int(0.99 * len(waits))], 2),
        "turn_ms_worst": round(1000 * waits[-1], 1),
    }


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "signed"))
