"""A layer-7 tier for tests: real HAProxy processes that the exit drives, real servers behind, real clients before."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from controller.clock import Clock, SystemClock
from controller.core.journal import Journal
from controller.core.shown import ExitStatus
from controller.exits.base import Around, Seen
from controller.exits.tier.exit import TierExit
from controller.exits.tier.master import MasterSocket
from controller.model.plain import load_plain
from controller.plan.tables import Tables
from controller.spec.tier import Tier
from controller.spec.types import Intent

needs_haproxy = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="needs the program haproxy: apt-get install haproxy"
)
LOOK = 0.1
"""Seconds between looks of the exit."""
PATIENCE = 60.0
"""Seconds that anything awaited may take on a busy machine."""
Plain = dict[str, Any]
INSTANCES = ("hap1", "hap2")


P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine, in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def until(true: Callable[[], object], what: str = "") -> None:
    """Wait for something to become true."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not true():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE:g} s: {what}") from None


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What a ``Server`` says of the request."""
        return json.loads(self.body)

    @property
    def server(self) -> str:
        """Who answered."""
        return str(self.json["server"])

    @property
    def cookie(self) -> str:
        """Name and value of the cookie that was set."""
        return self.headers.get("set-cookie", "").partition(";")[0]


class Client:
    """One connection that is kept."""

    def __init__(self, port: int, tls: Any = None, host: str = "127.0.0.1") -> None:
        self.port, self._tls, self._host = port, tls, host
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection, opened if there is none."""
        if self._streams is None:
            name = "shop.example.org" if self._tls is not None else None
            self._streams = await asyncio.open_connection(
                self._host, self.port, ssl=self._tls, server_hostname=name
            )
        return self._streams

    async def ask(
        self,
        path: str = "/",
        method: str = "GET",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. Raises OSError or EOFError when the connection ends before the answer does."""
        reader, writer = await self.open()
        said = {"Host": "shop.example.org", **(headers or {})}
        if body or method == "POST":
            said["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        answer = await _answer(reader)
        if answer.headers.get("connection") == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(OSError):
                await self._streams[1].wait_closed()
        self._streams = None


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *rows = head.splitlines()
    headers = {row.partition(":")[0].lower(): row.partition(":")[2].strip() for row in rows if row}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(first.split()[1]), headers, body)


async def ask(port: int, path: str = "/", **options: Any) -> Answer:
    """One request by a connection of its own."""
    client = Client(port)
    try:
        async with asyncio.timeout(PATIENCE):
            return await client.ask(path, **options)
    finally:
        await client.close()


@dataclass
class Server:
    """An HTTP server that says what it was asked; it can be slow, ill, or not there."""

    name: str
    proxy: bool = False
    """Connections begin with a header of the PROXY protocol, version 2."""
    port: int = 0
    ill: bool = False
    """It takes requests and ends connections without an answer; probes of ``/health`` pass."""
    status: int = 200
    asked: int = 0
    """Requests but for probes."""
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    """Requests of ``/hold`` are answered once this is set."""
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        """Listen, on the port of before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and cut those that are open."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            source = await _proxied(reader) if self.proxy else ""
            while await self._one(reader, writer, source):
                pass
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *rows = head.splitlines()
        headers = {row.partition(":")[0].lower(): row.partition(":")[2].strip() for row in rows if row}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = first.split()
        probe = path == "/health"
        if not probe:
            self.asked += 1
            if self.ill:
                return False
            if path.startswith("/hold"):
                await self.hold.wait()
        said = {"server": self.name, "path": path, "method": method, "headers": headers, "source": source}
        text = json.dumps(said | {"body": body.decode()}).encode()
        status = 200 if probe else self.status
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        return True


async def _proxied(reader: asyncio.StreamReader) -> str:
    """The client's address, from a header of PROXY v2; empty: the balancer speaks for itself."""
    head = await reader.readexactly(16)
    assert head[:12] == b"\r\n\r\n\x00\r\nQUIT\n", head
    rest = await reader.readexactly(int.from_bytes(head[14:16], "big"))
    return socket.inet_ntoa(rest[:4]) if head[12] & 0xF and head[13] >> 4 == 1 else ""


def pool(name: str, servers: list[Server], weights: Mapping[str, int] | None = None, **more: Any) -> Plain:
    """A pool of a tier, probed quickly."""
    rows = [
        {
            "name": each.name,
            "address": "127.0.0.1",
            "port": each.port,
            "weight": (weights or {}).get(each.name, 10),
        }
        for each in servers
    ]
    health = {
        "type": "http",
        "path": "/health",
        "interval": "200ms",
        "timeout": "200ms",
        "rise": 1,
        "fall": 2,
    }
    return {"name": name, "health": health, "servers": rows} | more


class Rig:
    """HAProxy processes and the exit that drives them."""

    def __init__(self, folder: Path, instances: int = 1, clock: Clock | None = None) -> None:
        self.folder, self.names = folder, INSTANCES[:instances]
        self.masters = {name: f"unix:{folder / name}.sock" for name in self.names}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.events = io.StringIO()
        self._wakes: list[Callable[[], None]] = []
        self._intent = Intent((), (), (), ())
        self.front: list[Plain] = [
            {"name": name, "address": f"10.99.0.{i + 1}"} for i, name in enumerate(self.names)
        ]
        self._clock = clock or SystemClock()
        self.exit = self._made()
        self._task: asyncio.Task[None] | None = None

    def _made(self) -> TierExit:
        return TierExit(Around(self._see, self._wakes.append, Journal(self.events), self._clock), LOOK)

    async def again(self) -> None:
        """The exit ends, and another one begins."""
        await self._end_task()
        self._wakes.clear()
        self.exit = self._made()
        self.run()

    def _see(self) -> Seen:
        none: frozenset[str] = frozenset()
        return Seen(0, self._intent, Tables(), {}, {}, none, none, none, None)

    def config(self, name: str = "hap1") -> Path:
        """The file of an instance."""
        return self.folder / f"{name}.cfg"

    def master(self, name: str = "hap1") -> str:
        """The master socket of an instance."""
        return self.masters[name]

    @property
    def tier(self) -> Tier:
        """The tier of the present intent."""
        return self._intent.tiers[0]

    def put(self, frontends: list[Plain], pools: list[Plain], **more: Any) -> None:
        """Another intent, with one tier."""
        instances = [
            {"name": name, "master": self.master(name), "config": str(self.config(name))}
            for name in self.names
        ]
        tier = {"name": "web", "instances": instances, "frontends": frontends, "pools": pools} | more
        self.put_plain({"tiers": [tier]})

    def put_plain(self, more: Plain) -> None:
        """Another intent."""
        whole = {"sites": [{"name": "east"}], "switches": [], "vips": []}
        self._intent = load_plain(whole | {"pools": [{"name": "front", "backends": self.front}]} | more)
        for wake in self._wakes:
            wake()

    def run(self) -> None:
        """Let the exit run."""
        self._task = asyncio.get_running_loop().create_task(self.exit.run())

    def start(self, name: str = "hap1") -> None:
        """Start a HAProxy as a service manager would."""
        log = (self.folder / f"{name}.log").open("ab")
        socket_path = self.master(name).removeprefix("unix:").removeprefix("tcp:")
        command = ["haproxy", "-W", "-S", socket_path, "-f", str(self.config(name))]
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()

    def kill(self, name: str = "hap1") -> None:
        """End a HAProxy with all of its processes."""
        process = self.processes.pop(name)
        process.terminate()
        process.wait(PATIENCE)

    @property
    def shown(self) -> ExitStatus:
        """The status of the exit."""
        found = self.exit.shown()
        assert found is not None
        return found

    def said(self, event: str) -> list[Plain]:
        """Events of a kind, in order."""
        rows = [json.loads(line) for line in self.events.getvalue().splitlines()]
        return [row for row in rows if row["event"] == event]

    async def ready(self) -> None:
        """Until everything is as the intent says."""
        await asyncio.sleep(0)
        await until(lambda: self.as_wanted, f"{self.shown.problem or 'synced'}: {dict(self.shown.items)}")

    @property
    def as_wanted(self) -> bool:
        """Whether every process was seen to be what the present intent says."""
        return self.exit.settled

    def item(self, *names: str) -> Mapping[str, Any]:
        """A row of the status."""
        return self.shown.items.get("/".join(("web", *names)), {})

    async def close(self) -> None:
        """End everything."""
        await self._end_task()
        for name in list(self.processes):
            self.kill(name)

    async def _end_task(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


async def by_hand(made: Rig, command: str) -> None:
    """What an operator does at the master socket."""
    socket_of = await MasterSocket.open(made.master())
    if command == "reload":
        await socket_of.tell(command)
    else:
        await socket_of.ask(command)
    await socket_of.close()


@contextlib.asynccontextmanager
async def rig(folder: Path, instances: int = 1, clock: Clock | None = None) -> AsyncIterator[Rig]:
    """A rig that is ended whatever happens. The HAProxy processes are yet to be started."""
    made = Rig(folder, instances, clock)
    try:
        yield made
    finally:
        await made.close()


@contextlib.asynccontextmanager
async def servers(*names: str, proxy: bool = False) -> AsyncIterator[list[Server]]:
    """Servers that listen."""
    made = [Server(name, proxy) for name in names]
    for each in made:
        await each.start()
    try:
        yield made
    finally:
        for each in made:
            await each.stop()
