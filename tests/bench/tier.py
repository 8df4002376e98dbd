"""A layer-7 tier: how long changes of many servers take with a real HAProxy, and what a reload costs under load.

The whole way of the exit: rendered, the file written, commands through the master socket, read back and compared. For
comparison the same commands are sent to the worker's own socket, by nothing but a socket.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.fakes.tier import Client, Rig, Server, free_port, rig, servers, until
from tests.fakes.tierload import Load

SERVERS = 1000
GROWN = 500
RELOADS = 10
ROUNDS = 5


def run() -> dict[str, object]:
    """Milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        changes = asyncio.run(_changes(Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        reloads = asyncio.run(_reloads(Path(folder)))
    return {"changes": changes, "reloads under load": reloads}


@dataclass
class _Many:
    """A tier with a pool of many servers."""

    made: Rig
    port: int
    raw: Path

    def put(self, count: int, weight: int) -> None:
        rows = [
            {"name": f"s{n}", "address": f"127.0.{n // 250}.{1 + n % 250}", "port": 9, "weight": weight}
            for n in range(count)
        ]
        frontend = {"name": "http", "binds": [{"port": self.port}], "pool": "web"}
        lines = [f"stats socket {self.raw} level admin"]
        self.made.put([frontend], [{"name": "web", "servers": rows}], raw_global=lines)

    async def changed(self, count: int, weight: int) -> float:
        """Milliseconds from the new intent, which has been read, until what the process has was read back."""
        self.put(count, weight)
        began = time.perf_counter()
        while (
            not self.made.as_wanted or self.made.item("hap1", "web", f"s{count - 1}").get("weight") != weight
        ):
            await asyncio.sleep(0.001)
        return 1000 * (time.perf_counter() - began)


async def _changes(folder: Path) -> dict[str, Any]:
    async with rig(folder) as made:
        many = _Many(made, free_port(), folder / "own.sock")
        many.put(SERVERS, 1)
        made.run()
        await until(made.config().exists, "the file")
        made.start()
        await made.ready()
        weights = [await many.changed(SERVERS, 2 + n) for n in range(ROUNDS)]
        bare = [await asyncio.to_thread(_bare, many.raw, 100 + n) for n in range(ROUNDS)]
        await many.changed(SERVERS, 1)
        added = await many.changed(SERVERS + GROWN, 1)
        before = len(made.said("tier_changed"))
        many.put(SERVERS, 1)
        began = time.perf_counter()
        await until(
            lambda: (
                sum("is gone" in row["what"] for row in made.said("tier_changed")[before:]) and made.as_wanted
            ),
            "they are gone",
        )
        removed = 1000 * (time.perf_counter() - began)
        return {
            f"{SERVERS} weights, file to read-back, ms": [round(each, 1) for each in weights],
            f"{SERVERS} weights by a bare socket, ms": [round(each, 1) for each in bare],
            f"{GROWN} servers more, ms": round(added, 1),
            f"{GROWN} servers fewer, ms": round(removed, 1),
            "reloads": len(made.said("tier_reloaded")),
        }


def _bare(path: Path, weight: int) -> float:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        one.sendall(b"prompt\n")
        one.recv(100)
        began = time.perf_counter()
        for n in range(SERVERS):
            one.sendall(f"set server web/s{n} weight {weight}\n".encode())
            while not one.recv(1000).endswith(b"> "):
                pass
        return 1000 * (time.perf_counter() - began)


async def _reloads(folder: Path) -> dict[str, Any]:
    port = free_port()
    async with servers("s1", "s2") as them, rig(folder) as made:
        _put(made, port, them, 0)
        made.run()
        await until(made.config().exists, "the file")
        made.start()
        await made.ready()
        client = Client(port)
        await client.ask("/")
        await client.close()
        load = Load([port], 16)
        began = time.perf_counter()
        for number in range(RELOADS):
            _put(made, port, them, number + 1)
            await until(lambda number=number: len(made.said("tier_reloaded")) > number, "a reload")  # type: ignore[misc]
            await asyncio.sleep(0.3)
        seconds = time.perf_counter() - began
        await load.end()
        took = [1000 * row["seconds"] for row in made.said("tier_reloaded")]
        return {
            "reloads": len(took),
            "ms until the new process was read (median, most)": [round(median(took)), round(max(took))],
            "requests": load.total,
            "requests a second": round(load.total / seconds),
            "failed": len(load.failures),
        }


def _put(made: Rig, port: int, them: list[Server], number: int) -> None:
    rows = [{"name": each.name, "address": "127.0.0.1", "port": each.port} for each in them]
    raw = [f"http-request set-header x-number {number}"]
    frontend = {"name": "http", "binds": [{"port": port}], "pool": "web", "raw": raw}
    made.put([frontend], [{"name": "web", "servers": rows}])
