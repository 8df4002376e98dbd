"""Calls to a server on a socket, by a process of its own: ``python -m tests.bench.apiload SOCKET KIND RATE SECONDS``.

KIND: ``echo``, ``get`` or ``weights``. RATE: calls a second, begun in time whether others have ended; 0: 32 at a time,
as many as come to it. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import grpc

from controller.client import calls
from controller.client.calls import Call

AT_A_TIME = 32
BACKENDS, PRIME = 100, 53
"""Have no common divisor, so that a backend's weight is another one each time."""
ECHO = "/bench/Echo"
SETTLED = 30.0
"""Seconds for calls to be answered once no more are begun."""


def call_of(kind: str, number: int) -> tuple[str, bytes]:
    """Method and request."""
    backend = f"pools/web/backends/s{number % BACKENDS}"
    made: Call[Any] = calls.set_weights({backend: 1 + number % PRIME}, False, "")
    if kind == "get":
        made = calls.get(backend)
    return (ECHO if kind == "echo" else made.path), made.request.SerializeToString()


class Load:
    """Calls, and how long each took."""

    def __init__(self, channel: Any, kind: str) -> None:
        self._channel, self._kind = channel, kind
        self._number = int(perf_counter()) * BACKENDS
        self.took: list[float] = []
        self.failed: list[str] = []

    async def one(self, due: float | None = None) -> None:
        """A call; ``due``: when it should have begun, from which it is counted."""
        self._number += 1
        method, octets = call_of(self._kind, self._number)
        began = perf_counter() if due is None else due
        try:
            await self._channel.unary_unary(method, None, None)(octets, timeout=SETTLED)
        except grpc.aio.AioRpcError as error:
            self.failed.append(f"{error.code().name}: {error.details()}")
        else:
            self.took.append(perf_counter() - began)

    async def closed(self, seconds: float) -> None:
        """Each of some callers begins the next call when the one before is answered."""
        end = perf_counter() + seconds

        async def caller() -> None:
            while perf_counter() < end:
                await self.one()

        await _all(caller() for _ in range(AT_A_TIME))

    async def paced(self, rate: float, seconds: float) -> None:
        """Calls begin in time."""
        start, tasks = perf_counter(), []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            if (pause := due - perf_counter()) > 0:
                await asyncio.sleep(pause)
            tasks.append(asyncio.ensure_future(self.one(due)))
        await _all(tasks)


async def _all(tasks: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*tasks)


async def main(socket: str, kind: str, rate: float, seconds: float) -> dict[str, object]:
    """The figures."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(f"unix:{socket}", options) as channel:
        warm = Load(channel, kind)
        await _all(warm.one() for _ in range(AT_A_TIME))
        load = Load(channel, kind)
        began = perf_counter()
        run: Callable[[], Awaitable[None]] = (
            (lambda: load.paced(rate, seconds)) if rate else (lambda: load.closed(seconds))
        )
        await run()
        took = perf_counter() - began
    return {
        "calls": len(load.took),
        "failed": len(load.failed),
        "why": load.failed[:1],
        "per_s": round(len(load.took) / took, 1),
        "p50_ms": round(1e3 * median(load.took or [0.0]), 2),
        "p99_ms": round(1e3 * quantiles(load.took or [0.0, 0.0], n=100)[-1], 2),
        "worst_ms": round(1e3 * max(load.took, default=0.0), 2),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))))
