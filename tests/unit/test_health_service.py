"""What the prober process promises: results arrive, its death is repaired, it does not outlive its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from controller.health import prober as prober_module
from controller.health.prober import Prober
from controller.health.result import Outcome, ProbeResult
from controller.health.service import HealthService
from controller.health.targets import Policy, Probe, Target
from controller.health.wire import Change, Message, Unpacker, pack
from controller.spec.health import ProbeKind

LIMIT = 60.0
"""Seconds after which a test gives up; nothing is expected to come near."""

ROOT = Path(__file__).resolve().parents[2]


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, LIMIT))


async def eventually(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.01)


async def close_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def listen(port: int = 0) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(close_at_once, "127.0.0.1", port)
    return server, server.sockets[0].getsockname()[1]


def tcp(port: int, interval: float = 0.05) -> Probe:
    return Probe(ProbeKind.TCP, ip_address("127.0.0.1"), port, interval, timeout=5.0)


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_server_that_goes_and_returns_is_judged_down_and_up() -> None:
    async def main() -> None:
        seen: list[tuple[bool, str]] = []
        health = HealthService(
            lambda verdicts: seen.extend((v.up, v.reason) for v in verdicts), now=time.monotonic
        )
        server, port = await listen()
        health.set_targets({Target(tcp(port), Policy(2, 3)): frozenset({("web", "s1")})})
        await health.start()
        await eventually(lambda: len(seen) == 1)
        server.close()
        await eventually(lambda: len(seen) == 2)
        server, _ = await listen(port)
        await eventually(lambda: len(seen) == 3)
        await health.stop()
        server.close()
        assert seen == [
            (True, "passed 1 time in a row"),
            (False, "connect refused"),
            (True, "passed 2 times in a row"),
        ]

    run(main())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_prober_that_dies_or_hangs_is_replaced_and_goes_on(
    how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober_module, "_SILENT_BEATS", 3)

    async def main() -> None:
        problems: list[str] = []
        results: list[ProbeResult] = []
        server, port = await listen()
        prober = Prober(results.extend, problems.append)
        prober.set_probes([tcp(port)])
        await prober.start()
        await eventually(lambda: results)
        first = prober.stats().pid
        assert first is not None
        os.kill(first, how)
        await eventually(lambda: prober.stats().pid not in (None, first))
        assert not alive(first)
        results.clear()
        await eventually(lambda: results)
        stats = prober.stats()
        await prober.stop()
        server.close()
        assert stats.restarts == 1
        assert len(problems) == 1
        assert ("signal 9" if how is signal.SIGKILL else "silent") in problems[0]

    run(main())


def test_targets_can_change_while_probing() -> None:
    async def main() -> None:
        results: list[ProbeResult] = []
        (one, first), (two, second) = await listen(), await listen()
        prober = Prober(results.extend)
        await prober.start()
        prober.set_probes([tcp(first)])
        await eventually(lambda: results)
        prober.set_probes([tcp(second)])
        results.clear()
        await eventually(lambda: len(results) >= 3)
        await prober.stop()
        for server in (one, two):
            server.close()
        assert {result.probe.port for result in results} == {second}
        assert {result.outcome for result in results} == {Outcome.PASS}

    run(main())


def test_stop_leaves_no_process_and_no_further_results() -> None:
    async def main() -> None:
        results: list[ProbeResult] = []
        server, port = await listen()
        prober = Prober(results.extend)
        prober.set_probes([tcp(port)])
        await prober.start()
        await eventually(lambda: results)
        pid = prober.stats().pid
        assert pid is not None
        await prober.stop()
        results.clear()
        assert not alive(pid)
        await asyncio.sleep(0.2)
        server.close()
        assert results == []

    run(main())


def test_fault_in_the_receiver_does_not_end_probing(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        calls: list[int] = []

        def receive(results: list[ProbeResult]) -> None:
            calls.append(len(results))
            raise ValueError("receiver's own")

        server, port = await listen()
        prober = Prober(receive)
        prober.set_probes([tcp(port)])
        await prober.start()
        await eventually(lambda: len(calls) >= 3)
        restarts = prober.stats().restarts
        await prober.stop()
        server.close()
        assert restarts == 0

    run(main())
    assert "receiver's own" in caplog.text


def test_start_says_why_there_is_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    async def main() -> None:
        with pytest.raises(FileNotFoundError, match="/nowhere/python"):
            await Prober(lambda results: None).start()

    run(main())


def test_prober_ends_when_its_parent_is_killed() -> None:
    script = (
        "import asyncio\n"
        "from controller.health.prober import Prober\n"
        "async def main():\n"
        "    prober = Prober(lambda results: None)\n"
        "    await prober.start()\n"
        "    print(prober.stats().pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + LIMIT
    while alive(child):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_messages_survive_any_cut() -> None:
    messages: list[Message] = [Change(((1, tcp(80)),), (2,)), [(1, 0, "", 1.0, 2.0)], []]
    wire = b"".join(pack(message) for message in messages)
    unpacker = Unpacker()
    got = [message for at in range(len(wire)) for message in unpacker.feed(wire[at : at + 1])]
    assert got == messages
