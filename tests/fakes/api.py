"""A controller without switches that serves its API on a Unix socket, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.api.guarding import Guard
from controller.api.listening import Where
from controller.api.messages import fill
from controller.api.server import ApiServer
from controller.api.v1 import resources_pb2 as resources
from controller.app.assembly import App
from controller.client import AsyncClient
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.core.recorder import recorded
from controller.health.judge import Verdict
from controller.health.prober import ProberStats
from controller.health.service import HealthService
from controller.model.document import document
from controller.model.reload import IntentFile
from controller.spec.types import Intent
from controller.tracing.base import NOT_TRACED, Tracing
from tests.fakes.core import Said
from tests.fakes.stores import MemoryStore

SECONDS = 30.0
"""For what does not come, not a measure of speed."""


class _NoProbes:
    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def set_probes(self, probes: object) -> None: ...

    def stats(self) -> ProberStats:
        return ProberStats(0, 0.0, 0.0, 0, 0, 0, 0.0, None)


class Silent(HealthService):
    """No server is ever asked."""

    def __init__(self, take: Callable[[list[Verdict]], None]) -> None:
        super().__init__(take, now=SystemClock().now, prober=lambda results, problem: _NoProbes())

    def set_targets(self, targets: object) -> None: ...


@dataclass
class Face:
    """A controller and a client of it."""

    app: App
    server: ApiServer
    client: AsyncClient
    socket: Path
    said: Said


@asynccontextmanager
async def served(
    folder: Path,
    store: MemoryStore | None = None,
    *,
    file: IntentFile | None = None,
    intent: Intent | None = None,
    guard: Guard | None = None,
    where: Where | None = None,
    tracing: Tracing = NOT_TRACED,
) -> AsyncIterator[Face]:
    """``file``: owns the intent; ``intent``: is applied at the start."""
    store = store or MemoryStore()
    clock, said = SystemClock(), Said()
    journal = Journal(said)
    where = where or Where(folder / "api.sock")
    async with recorded(store.log, "here", clock, journal):
        app = App(file, store, store.loaded(), journal, clock, Silent, tracing=tracing)
        await app.begin()
        server = ApiServer(where, journal, clock, guard)
        await server.start()
        running = asyncio.create_task(app.run(api=server))
        client = AsyncClient(f"unix:{where.socket}")
        try:
            async with asyncio.timeout(SECONDS):
                while server._served is None:
                    await asyncio.sleep(0.005)
            if intent is not None:
                await client.apply(message(intent))
            yield Face(app, server, client, where.socket, said)
        finally:
            await client.close()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await server.stop()


def message(intent: Intent) -> resources.Document:
    """An intent as it is applied."""
    return fill(resources.Document(), document(intent))


def played(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine; it fails if it takes too long."""

    async def bounded() -> None:
        async with asyncio.timeout(2 * SECONDS):
            await play()

    asyncio.run(bounded())
