"""The client program: long-lived echo connections and short requests, logged as JSON lines.

Run as ``python -m topo.demo.load SPEC.json`` in a client's namespace. A line or end-of-file on standard input
ends the load: every connection still open is then proven alive by one more echo, closed, and the program
exits 0. All times are CLOCK_MONOTONIC seconds, which all namespaces of a machine share. Events written
(key ``e``):

========  =============================================================================================
start     ``t client connections``
open      ``id t begin local=[address, port]``
echo      ``id t rtt server`` (t: when it was sent; the first one follows ``open`` at once)
proof     like echo: the last one, asked for at the end
fail      ``id t begin kind during`` (kind: refused unreachable timeout reset eof misdirected garbled)
close     ``id t``
get       ``t connect total listener port server result`` (short request begun at t; connect null: never was)
lag       ``t seconds``: this program itself was late by so much, so its figures are blurred by that
end       ``t``: everything was written
========  =============================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

FLUSH_EVERY = 0.2
"""Seconds between writes of the log, so that a live reader sees it soon and the disk is left alone."""
LAG_NOTED = 0.1


@dataclass(frozen=True)
class Target:
    """A listener to connect to."""

    listener: str
    address: str
    port: int


@dataclass(frozen=True)
class Long:
    """One long-lived connection: ``period`` is the range of seconds between its echoes."""

    id: str
    target: Target
    kind: str
    period: tuple[float, float]


@dataclass(frozen=True)
class Spec:
    """What one client does."""

    client: str
    seed: int
    log: str
    connections: tuple[Long, ...]
    requests: tuple[Target, ...]
    rate: float
    """Short requests per second, in turn over ``requests``; begun on time, whatever became of others."""
    open_over: float = 6.0
    """Seconds over which the long-lived connections are opened."""
    connect_timeout: float = 5.0
    echo_timeout: float = 8.0
    """Long enough for a few retransmissions: a connection is only given up when it is certainly lost."""
    request_timeout: float = 2.0
    """Longer than the kernel's first SYN retransmission, to tell delayed from lost."""

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(self, default=lambda item: item.__dict__)

    @staticmethod
    def parse(text: str) -> Spec:
        """From what ``dump`` wrote."""
        raw = json.loads(text)
        raw["connections"] = tuple(
            Long(one["id"], Target(**one["target"]), one["kind"], (one["period"][0], one["period"][1]))
            for one in raw["connections"]
        )
        raw["requests"] = tuple(Target(**one) for one in raw["requests"])
        return Spec(**raw)


def failure_kind(error: BaseException) -> str:
    """The word the log uses for what went wrong with a socket."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "unreachable"
    return "garbled"


Connect = Callable[[str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""How to connect: by sockets, or in a simulated host."""


class Failed(Exception):
    """A connection did not do what it should; ``kind`` is the log's word for it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Load:
    """Runs one client's spec until ``finish`` is set."""

    def __init__(self, spec: Spec, out: TextIO, connect: Connect = asyncio.open_connection) -> None:
        self._spec = spec
        self._connect = connect
        self._out = out
        self._random = random.Random(f"{spec.seed}/{spec.client}")
        self._pending: list[str] = []
        self.finish = asyncio.Event()

    def _log(self, event: str, **fields: Any) -> None:
        self._pending.append(json.dumps({"e": event, **fields}))

    def _flush(self) -> None:
        if self._pending:
            self._out.write("\n".join(self._pending) + "\n")
            self._out.flush()
            self._pending.clear()

    async def run(self) -> None:
        """Everything, to the end of the log."""
        spec = self._spec
        self._log("start", t=time.monotonic(), client=spec.client, connections=len(spec.connections))
        keeper = asyncio.create_task(self._keep_log())
        step = spec.open_over / max(1, len(spec.connections))
        tasks = [
            asyncio.create_task(self._long(one, number * step)) for number, one in enumerate(spec.connections)
        ]
        if spec.rate > 0 and spec.requests:
            tasks.append(asyncio.create_task(self._requests()))
        try:
            await asyncio.gather(*tasks)
        finally:
            keeper.cancel()
            self._log("end", t=time.monotonic())
            self._flush()

    async def _keep_log(self) -> None:
        due = time.monotonic() + FLUSH_EVERY
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late = time.monotonic() - due
            if late > LAG_NOTED:
                self._log("lag", t=time.monotonic(), seconds=round(late, 4))
            self._flush()
            due = time.monotonic() + FLUSH_EVERY

    async def _idle(self, seconds: float) -> bool:
        """Wait; True as soon as the load is to end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.finish.wait(), seconds)
        return self.finish.is_set()

    # -- long-lived connections

    async def _long(self, one: Long, delay: float) -> None:
        if await self._idle(delay):
            return
        begin = time.monotonic()
        during = "connect"
        used: asyncio.StreamWriter | None = None
        try:
            reader, writer = await asyncio.wait_for(
                self._connect(one.target.address, one.target.port), self._spec.connect_timeout
            )
            used = writer
            local = writer.get_extra_info("sockname")
            self._log("open", id=one.id, t=time.monotonic(), begin=begin, local=[local[0], local[1]])
            during = "echo"
            server = await self._echo("echo", one.id, 0, "", reader, writer)
            number = 1
            while True:
                during = "silence"
                over = await self._silence(reader, self._random.uniform(*one.period))
                during = "proof" if over else "echo"
                server = await self._echo(during, one.id, number, server, reader, writer)
                number += 1
                if over:
                    break
            self._log("close", id=one.id, t=time.monotonic())
        except (OSError, Failed, TimeoutError) as error:
            kind = error.kind if isinstance(error, Failed) else failure_kind(error)
            self._log("fail", id=one.id, t=time.monotonic(), begin=begin, kind=kind, during=during)
        finally:
            if used is not None:
                used.close()

    async def _silence(self, reader: asyncio.StreamReader, seconds: float) -> bool:
        """Say nothing, but notice at once if the connection ends; True if the load is to end."""
        heard = asyncio.create_task(reader.read(1))
        over = asyncio.create_task(self.finish.wait())
        try:
            await asyncio.wait({heard, over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if heard.done():
                raise Failed("garbled" if heard.result() else "eof")
            return over.done()
        finally:
            heard.cancel()
            over.cancel()
            # A cancelled read must have let go of the stream before the next one may begin.
            await asyncio.wait({heard, over})

    async def _echo(
        self,
        event: str,
        id_: str,
        number: int,
        expected: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> str:
        """Send a line, await it behind the server's name; the name. OSError, TimeoutError, Failed."""
        payload = f"{id_}.{number}"
        sent = time.monotonic()
        writer.write(payload.encode() + b"\n")
        line = await asyncio.wait_for(reader.readline(), self._spec.echo_timeout)
        if not line:
            raise Failed("eof")
        text = line.decode(errors="replace").rstrip("\r\n")
        server = text.removesuffix(payload).rstrip(" :")
        if not text.endswith(payload) or not server:
            raise Failed("garbled")
        rtt = time.monotonic() - sent
        self._log(event, id=id_, t=sent, rtt=round(rtt, 5), server=server)
        if expected and server != expected:
            raise Failed("misdirected")
        return server

    # -- short requests

    async def _requests(self) -> None:
        start = time.monotonic()
        running: set[asyncio.Task[None]] = set()
        number = 0
        while not self.finish.is_set():
            target = self._spec.requests[number % len(self._spec.requests)]
            task = asyncio.create_task(self._request(target))
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1
            await asyncio.sleep(max(0.0, start + number / self._spec.rate - time.monotonic()))
        if running:
            await asyncio.wait(running)

    async def _request(self, target: Target) -> None:
        begin = time.monotonic()
        connect: float | None = None
        port, server, result = 0, "", "ok"
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self._spec.request_timeout):
                reader, writer = await self._connect(target.address, target.port)
                connect = round(time.monotonic() - begin, 5)
                port = writer.get_extra_info("sockname")[1]
                host = f"[{target.address}]" if ":" in target.address else target.address
                writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                server, result = _answer(await reader.read(-1))
        except (OSError, TimeoutError) as error:
            result = failure_kind(error)
        finally:
            if writer is not None:
                writer.close()
        total = round(time.monotonic() - begin, 5)
        self._log(
            "get",
            t=begin,
            connect=connect,
            total=total,
            listener=target.listener,
            port=port,
            server=server,
            result=result,
        )


def _answer(raw: bytes) -> tuple[str, str]:
    """(server name, result) of a whole HTTP answer."""
    if not raw:
        return "", "eof"
    head, blank, body = raw.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if not blank or status != [b"200"]:
        return "", "garbled"
    return body.decode(errors="replace").strip(), "ok"


def _watch_input(loop: asyncio.AbstractEventLoop, finish: asyncio.Event) -> None:
    os.read(0, 4096)
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(finish.set)


async def run(spec: Spec, connect: Connect = asyncio.open_connection, program: type[Load] = Load) -> None:
    """Carry out a spec, until standard input says enough."""
    with Path(spec.log).open("w", encoding="utf-8") as out:  # noqa: ASYNC230 - before anything else runs
        load = program(spec, out, connect)
        watcher = threading.Thread(
            target=_watch_input, args=(asyncio.get_running_loop(), load.finish), daemon=True
        )
        watcher.start()
        await load.run()


def main(argv: list[str]) -> int:
    """Entry point; the one argument is the spec file."""
    if len(argv) != 1:
        print("usage: python -m topo.demo.load SPEC.json", file=sys.stderr)
        return 2
    asyncio.run(run(Spec.parse(Path(argv[0]).read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
