"""Stands between a driver and a switch, and can stop passing anything on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from tests.fakes.p4switches import Startable


@contextlib.asynccontextmanager
async def relay(switch: Startable, listener: socket.socket) -> AsyncIterator[asyncio.Event]:
    """Stands between; while the event is clear, connections stay open and nothing passes."""
    passing = asyncio.Event()
    passing.set()
    tasks: set[asyncio.Task[None]] = set()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await passing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(switch.address.removeprefix("unix:"))
        for pair in ((reader, there[1]), (there[0], writer)):
            tasks.add(asyncio.create_task(copy(*pair)))

    for _ in range(100):
        if Path(switch.address.removeprefix("unix:")).exists():
            break
        await asyncio.sleep(0.05)
    server = await asyncio.start_server(accept, sock=listener)
    try:
        yield passing
    finally:
        server.close()
        for task in tasks:
            task.cancel()
