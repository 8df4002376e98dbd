"""The load program against real sockets on loopback: what it logs is what happened, and the ledger agrees."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from topo.demo.ledger import Endpoint, Judgement, Verdict, judge_all
from topo.demo.load import Load, Long, Spec, Target
from topo.demo.records import ClientLog, Connection, Served

ROOT = Path(__file__).parents[2]
LISTENER = "shop/tcp/7000"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class EchoServer:
    """A tiny server that answers lines behind its name and keeps its own log."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.served: list[Served] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        peer, local, opened = (
            writer.get_extra_info("peername"),
            writer.get_extra_info("sockname"),
            time.monotonic(),
        )
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                if line.startswith(b"GET"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + self.name.encode())
                    break
                writer.write(self.name.encode() + b" " + line)
        writer.close()
        self.served.append(
            Served(self.name, (peer[0], peer[1]), (local[0], local[1]), opened, time.monotonic(), "eof")
        )


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer gets a RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def spec(port: int, kinds: list[tuple[str, tuple[float, float]]], rate: float = 0.0) -> Spec:
    target = Target(LISTENER, "127.0.0.1", port)
    return Spec(
        client="c1",
        seed=1,
        log="",
        connections=tuple(Long(f"c1-{n}", target, kind, period) for n, (kind, period) in enumerate(kinds)),
        requests=(target,),
        rate=rate,
        open_over=0.0,
        connect_timeout=2.0,
        echo_timeout=0.4,
        request_timeout=1.0,
    )


def run(plan: Callable[[int], Spec], handler: Handler, meanwhile: Callable[[], Awaitable[None]]) -> ClientLog:
    """Serve, load, let ``meanwhile`` happen, finish; the client's log as read back."""

    async def scenario() -> tuple[Spec, str]:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        wanted = plan(server.sockets[0].getsockname()[1])
        out = io.StringIO()
        load = Load(wanted, out)
        running = asyncio.create_task(load.run())
        await meanwhile()
        load.finish.set()
        await running
        await asyncio.sleep(0.05)
        server.close()
        return wanted, out.getvalue()

    wanted, text = asyncio.run(scenario())
    log = ClientLog(
        "c1", {one.id: Connection(one.id, "c1", LISTENER, one.kind) for one in wanted.connections}
    )
    for line in text.splitlines():
        log.feed(line)
    assert log.ended is not None
    return log


def judge(log: ClientLog, served: list[Served]) -> list[Judgement]:
    port = served[0].local[1]
    endpoint = Endpoint(LISTENER, "dr", "127.0.0.1", port, port)
    return judge_all(log.connections.values(), served, [endpoint], {})


async def a_moment() -> None:
    await asyncio.sleep(0.4)


def test_every_connection_is_echoed_kept_silent_and_proven() -> None:
    server = EchoServer("s1")
    kinds = [("active", (0.05, 0.06)), ("silent", (30.0, 30.0))]
    log = run(lambda port: spec(port, kinds), server.handle, a_moment)
    active, silent = log.connections["c1-0"], log.connections["c1-1"]
    assert len(active.echoes) > 2
    assert len(silent.echoes) == 1
    assert silent.longest_silence() > 0.2
    assert active.proof is not None
    assert [one.verdict for one in judge(log, server.served)] == [Verdict.OK, Verdict.OK]


def test_a_reset_is_noticed_during_silence_at_once() -> None:
    server = EchoServer("s1")

    async def break_it() -> None:
        await asyncio.sleep(0.2)
        reset(server.writers[0])
        await asyncio.sleep(0.2)

    log = run(lambda port: spec(port, [("silent", (30.0, 30.0))]), server.handle, break_it)
    failure = log.connections["c1-0"].failure
    assert failure is not None
    assert (failure.kind, failure.during) == ("reset", "silence")
    assert judge(log, server.served)[0].verdict is Verdict.BROKEN


def test_an_end_of_file_is_noticed() -> None:
    server = EchoServer("s1")

    async def break_it() -> None:
        await asyncio.sleep(0.2)
        server.writers[0].close()
        await asyncio.sleep(0.1)

    log = run(lambda port: spec(port, [("silent", (30.0, 30.0))]), server.handle, break_it)
    failure = log.connections["c1-0"].failure
    assert failure is not None
    assert failure.kind == "eof"


def test_a_server_that_falls_silent_is_a_timeout_of_the_proof() -> None:
    async def mute_after_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"s1 " + await reader.readline())
        await reader.read()
        writer.close()

    log = run(lambda port: spec(port, [("silent", (30.0, 30.0))]), mute_after_one, a_moment)
    failure = log.connections["c1-0"].failure
    assert failure is not None
    assert (failure.kind, failure.during) == ("timeout", "proof")


def test_another_servers_answer_is_misdirected() -> None:
    async def two_faced(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"s1 " + await reader.readline())
        writer.write(b"s2 " + await reader.readline())
        await reader.read()
        writer.close()

    log = run(lambda port: spec(port, [("active", (0.05, 0.05))]), two_faced, a_moment)
    failure = log.connections["c1-0"].failure
    assert failure is not None
    assert failure.kind == "misdirected"


def test_requests_are_begun_on_time_and_say_who_answered() -> None:
    server = EchoServer("s1")
    log = run(lambda port: spec(port, [], rate=50.0), server.handle, a_moment)
    assert len(log.requests) >= 10
    assert {(one.result, one.server) for one in log.requests} == {("ok", "s1")}
    assert all(one.connect is not None and one.port for one in log.requests)


def test_refused_requests_and_connections_are_logged_as_such() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed_port = taken.getsockname()[1]
        log = run(
            lambda _: spec(closed_port, [("active", (0.1, 0.1))], rate=20.0),
            EchoServer("s1").handle,
            a_moment,
        )
    assert {one.result for one in log.requests} == {"refused"}
    failure = log.connections["c1-0"].failure
    assert failure is not None
    assert (failure.kind, failure.during) == ("refused", "connect")
    assert log.connections["c1-0"].opened is None


def test_an_answer_that_is_no_answer_is_garbled() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 503 No\r\n\r\n")
        writer.close()

    log = run(lambda port: spec(port, [("active", (1.0, 1.0))], rate=20.0), nonsense, a_moment)
    assert {one.result for one in log.requests} == {"garbled"}
    failure = log.connections["c1-0"].failure
    assert failure is not None
    assert failure.kind == "garbled"


def test_a_spec_survives_the_way_to_the_program() -> None:
    wanted = spec(7000, [("silent", (42.0, 50.0)), ("active", (0.5, 1.5))], rate=40.0)
    assert Spec.parse(wanted.dump()) == wanted


@pytest.mark.parametrize("ending", [b"finish\n", b""])
def test_the_program_ends_with_proof_when_told_or_left_alone(ending: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        wanted = spec(listening.getsockname()[1], [])
        document = {**json.loads(wanted.dump()), "log": str(tmp_path / "c1.jsonl")}
        (tmp_path / "spec.json").write_text(json.dumps(document))
        done = subprocess.run(
            [sys.executable, "-m", "topo.demo.load", str(tmp_path / "spec.json")],
            input=ending,
            cwd=ROOT,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0
    events = [json.loads(line)["e"] for line in (tmp_path / "c1.jsonl").read_text().splitlines()]
    assert (events[0], events[-1]) == ("start", "end")
