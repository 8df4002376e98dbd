"""The API: calls a second and p99 beside a bare server of the same process, and 1,000 weight changes a second.

A controller on SQLite with an audit log and a pool of 100 backends, without switches; a bare grpc.aio server, which
sends back what it gets, in its event loop; the caller is another process. Rounds are taken in turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from controller.api.guarding import Guard
from controller.api.listening import Where
from controller.api.server import ApiServer
from controller.app.assembly import App
from controller.cli.run import TURN
from controller.client import AsyncClient
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.core.recorder import recorded
from controller.model.load import load_text
from controller.security.audit import AuditLog
from controller.sites.store import SqliteStore
from tests.bench.apiload import BACKENDS, ECHO
from tests.fakes.api import Silent, message

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, SECONDS = 3, 3.0
RATE, MINUTE = 1000.0, 60.0
INTENT = """\
sites: [{name: east}]
switches:
  - {name: lb1, kind: ovs, id: 0x21, roles: [edge, lb, leaf], mac: 02:45:56:01:00:21, ports: {1: segment}}
pools:
  - name: web
    max_backends: 100
    backends:
%s
vips:
  - name: shop
    address: 10.0.0.100
    mac: 02:45:56:00:01:01
    listeners: [{protocol: tcp, port: 80, pool: web, mode: nat}]
"""


class _Lines:
    def write(self, text: str, /) -> None:
        """Nothing is shown."""


@dataclass
class _Bench:
    server: ApiServer
    socket: Path
    echo: Path

    async def load(self, kind: str, rate: float, seconds: float) -> dict[str, Any]:
        """Figures of one run, with the processor time of this process a call."""
        path = str(self.echo if kind == "echo" else self.socket)
        before = _processor()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.apiload", path, kind, str(rate), str(seconds)),
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"the load ended with {process.returncode}")
        found: dict[str, Any] = json.loads(out)
        if found["failed"] and not rate:
            raise RuntimeError(f"{found['failed']} calls failed: {found['why']}")
        if not found["calls"]:
            raise RuntimeError(f"no call was answered: {found['why']}")
        found["cpu_ms"] = 1e3 * (_processor() - before) / found["calls"]
        return found


def run() -> dict[str, object]:
    """Two minutes."""
    sys.setswitchinterval(TURN)  # as "evenkeel run" does
    with tempfile.TemporaryDirectory(prefix="evenkeel-api-") as name:
        return asyncio.run(_measured(Path(name)))


async def _measured(folder: Path) -> dict[str, object]:
    async with _served(folder) as bench:
        rows: dict[str, list[dict[str, Any]]] = {"echo": [], "get": [], "weights": []}
        for _ in range(ROUNDS):
            for kind, found in rows.items():
                found.append(await bench.load(kind, 0.0, SECONDS))
        figures: dict[str, object] = {"load": round(os.getloadavg()[0], 1)}
        for kind, found in rows.items():
            for key in ("per_s", "p99_ms", "cpu_ms"):
                figures[f"{kind}_{key}"] = round(median(row[key] for row in found), 2)
                pairs = zip(found, rows["echo"], strict=True)
                if kind != "echo":
                    ratio = median(one[key] / bare[key] for one, bare in pairs)
                    figures[f"{kind}_{key.partition('_')[0]}_of_echo"] = round(ratio, 2)
        return {**figures, **await _minute(bench)}


async def _minute(bench: _Bench) -> dict[str, object]:
    """1,000 changes a second; the same of the bare server for some seconds before."""
    bare = await bench.load("echo", RATE, SECONDS)
    await bench.load("weights", RATE, MINUTE / 4)  # what is kept for ten minutes grows with the first of them
    assert bench.server._served is not None
    proposals, memory = bench.server._served.proposals, _memory()
    made = proposals.proposed
    found = await bench.load("weights", RATE, MINUTE)
    return {
        "paced_rate": RATE,
        "paced_answered": found["calls"],
        "paced_refused": found["failed"],
        "paced_why_refused": found["why"],
        "paced_p50_ms": found["p50_ms"],
        "paced_p99_ms": found["p99_ms"],
        "paced_worst_ms": found["worst_ms"],
        "paced_echo_p99_ms": bare["p99_ms"],
        "paced_p99_of_echo": round(found["p99_ms"] / bare["p99_ms"], 2),
        "paced_cpu_ms": round(found["cpu_ms"], 3),
        "paced_proposals_per_s": round((proposals.proposed - made) / MINUTE, 1),
        "memory_before_mib": round(memory, 1),
        "memory_after_mib": round(_memory(), 1),
        "memory_octets_a_call": round((_memory() - memory) * 2**20 / found["calls"]),
    }


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[_Bench]:
    clock, journal = SystemClock(), Journal(_Lines())
    store = SqliteStore(folder / "state.db")
    audit = AuditLog(folder / "audit.log", clock)
    server = ApiServer(Where(folder / "api.sock"), journal, clock, Guard(audit=audit))
    with closing(store), closing(audit):
        async with recorded(store.log, "here", clock, journal), _echoing(folder / "echo.sock"):
            app = App(None, store, store.read(), journal, clock, Silent)
            await app.begin()
            await server.start()
            running = asyncio.create_task(app.run(api=server))
            try:
                async with AsyncClient(f"unix:{folder}/api.sock") as client:
                    await client.apply(message(load_text(_intent(), "bench")))
                yield _Bench(server, folder / "api.sock", folder / "echo.sock")
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
                await server.stop()


@asynccontextmanager
async def _echoing(socket: Path) -> AsyncIterator[None]:
    async def echo(request: bytes, context: Any) -> bytes:
        return request

    service, _, method = ECHO[1:].partition("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(echo)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


def _intent() -> str:
    rows = (
        f"      - {{name: s{n}, address: 10.1.0.{n + 1}, mac: '02:45:56:02:00:{n + 1:02x}'}}"
        for n in range(BACKENDS)
    )
    return INTENT % "\n".join(rows)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory() -> float:
    """MiB that are resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
