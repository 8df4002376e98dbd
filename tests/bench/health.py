"""Health checks: CPU, memory and lateness for 10,000 TCP targets at 1 s, and HAProxy's for as many."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

TARGETS = 10_000
WARM_UP = 3.0
"""Seconds after which every target was asked at least twice."""
WINDOW = 15.0
"""Seconds that are measured."""
_START_LIMIT = 60.0
_SOCKETS_BESIDE = 200
_TICKS = os.sysconf("SC_CLK_TCK")


def run() -> dict[str, object]:
    """CPU (cores), memory and lateness of ours, and of HAProxy with as many checks, on loopback only.

    ``cores`` are CPU seconds per second, user and system, children included; ``prober`` is the probing
    process, ``controller`` the judging in the process that owns it. ``asked_per_s`` is counted by the
    kernel as connections opened; ``judged_after`` is from the end of a probe (the oldest of each batch)
    to its judgement. Takes about a minute.
    """
    count = min(TARGETS, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - _SOCKETS_BESIDE)
    server = subprocess.Popen(
        [sys.executable, __file__, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        if not select.select([server.stdout], [], [], _START_LIMIT)[0]:
            raise RuntimeError(f"the bench's server did not listen within {_START_LIMIT:g} s")
        port = int(server.stdout.readline())
        ours = asyncio.run(_ours(count, port))
        theirs = _haproxy(count, port)
    finally:
        server.kill()
        server.communicate()
    ratio = None
    if "cores" in theirs:
        ratio = round(float(str(ours["cores"])) / float(str(theirs["cores"])), 2)
    return {
        "targets": count,
        "interval_s": 1.0,
        "window_s": WINDOW,
        "evenkeel": ours,
        "haproxy": theirs,
        "cores_ratio": ratio,
    }


def _address(number: int) -> str:
    return f"127.77.{number // 250}.{number % 250 + 1}"


async def _ours(count: int, port: int) -> dict[str, object]:
    from controller.health.prober import Prober
    from controller.health.result import ProbeResult
    from controller.health.service import HealthService, Verdict
    from controller.health.targets import Probe, Target
    from controller.spec.health import ProbeKind

    changes: list[Verdict] = []
    memory_before = _memory_mb(os.getpid())
    delays: list[float] = []

    def prober(take: Callable[[list[ProbeResult]], None], problem: Callable[[str], None]) -> Prober:
        def timed(results: list[ProbeResult]) -> None:
            take(results)
            delays.append(time.monotonic() - results[0].finished)

        return Prober(timed, problem)

    service = HealthService(changes.extend, prober=prober, now=time.monotonic)
    await service.start()
    try:
        service.set_targets(
            {
                Target(Probe(ProbeKind.TCP, IPv4Address(_address(n)), port)): frozenset({("bench", f"b{n}")})
                for n in range(count)
            }
        )
        await asyncio.sleep(WARM_UP)
        pid = service.stats().pid
        assert pid is not None
        delays.clear()
        started, opened, own, child = time.monotonic(), _opened(), time.process_time(), _cpu(pid)
        await asyncio.sleep(WINDOW)
        own, child = time.process_time() - own, _cpu(pid) - child
        opened, took = _opened() - opened, time.monotonic() - started
        stats, memory = service.stats(), _memory_mb(pid)
        up = sum(verdict.up for verdict in service.verdicts().values())
    finally:
        await service.stop()
    return {
        "cores": round((own + child) / took, 3),
        "prober_cores": round(child / took, 3),
        "controller_cores": round(own / took, 3),
        "memory_mb": memory,
        "controller_memory_mb": round(_memory_mb(os.getpid()) - memory_before, 1),
        "asked_per_s": round(opened / took),
        "lateness_p50_ms": round(stats.p50_lateness * 1000, 1),
        "lateness_p99_ms": round(stats.p99_lateness * 1000, 1),
        "judged_after_p99_ms": round(sorted(delays)[len(delays) * 99 // 100] * 1000, 1),
        "results_dropped": stats.dropped,
        "up": up,
        "false_verdicts": len(changes) - count,
    }


def _haproxy(count: int, port: int) -> dict[str, object]:
    binary = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        return {"skipped": "haproxy is not installed (Debian package haproxy)"}
    with tempfile.TemporaryDirectory(prefix="evenkeel-bench-") as folder:
        control = Path(folder) / "control"
        config = Path(folder) / "haproxy.cfg"
        config.write_text(_haproxy_config(count, port, control))
        process = subprocess.Popen([binary, "-db", "-f", str(config)], stderr=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + _START_LIMIT
            while not control.exists() or _up(control) == 0:
                if process.poll() is not None:
                    assert process.stderr is not None
                    return {"skipped": f"haproxy ended: {process.stderr.read().strip()[-300:]}"}
                if time.monotonic() > deadline:
                    return {"skipped": f"haproxy was not ready within {_START_LIMIT:g} s"}
                time.sleep(0.2)
            time.sleep(WARM_UP)
            started, opened, cpu = time.monotonic(), _opened(), _cpu(process.pid)
            time.sleep(WINDOW)
            cpu, opened, took = _cpu(process.pid) - cpu, _opened() - opened, time.monotonic() - started
            return {
                "cores": round(cpu / took, 3),
                "memory_mb": _memory_mb(process.pid),
                "asked_per_s": round(opened / took),
                "up": _up(control),
            }
        finally:
            process.kill()
            process.communicate()


def _haproxy_config(count: int, port: int, control: Path) -> str:
    servers = "\n".join(
        f"  server s{n} {_address(n)}:{port} check inter 1s rise 2 fall 3" for n in range(count)
    )
    return (
        f"global\n  nbthread 1\n  maxconn 100\n  stats socket {control} level admin\n"
        "defaults\n  mode tcp\n  timeout connect 500ms\n  timeout check 500ms\n"
        "  timeout client 1s\n  timeout server 1s\n"
        f"listen bench\n  bind unix@{control}.front\n{servers}\n"
    )


def _up(control: Path) -> int:
    """Servers that HAProxy has found up by a check (``L4OK``); 0 while it does not answer."""
    with socket.socket(socket.AF_UNIX) as sock, suppress(OSError):
        sock.settimeout(5.0)
        sock.connect(str(control))
        sock.sendall(b"show stat bench 4 -1\n")
        answer = bytearray()
        while data := sock.recv(1 << 16):
            answer += data
        return answer.count(b"L4OK,")  # "* L4OK" while the next check is under way
    return 0


def _cpu(pid: int) -> float:
    """CPU seconds of a process so far, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS


def _memory_mb(pid: int) -> float:
    """Resident memory in 10^6 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


def _opened() -> int:
    """TCP connections opened in this network namespace so far."""
    names, values = [
        line.split()
        for line in Path("/proc/self/net/snmp").read_text().splitlines()
        if line.startswith("Tcp:")
    ]
    return int(values[names.index("ActiveOpens")])


def serve(count: int) -> None:
    """Listen on ``count`` addresses of 127.0.0.0/8, print the port; accept and close until stdin ends."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    poller, listeners, port = select.epoll(), dict[int, socket.socket](), 0
    for number in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((_address(number), port))
        port = sock.getsockname()[1]
        sock.listen(16)
        sock.setblocking(False)
        listeners[sock.fileno()] = sock
        poller.register(sock.fileno(), select.EPOLLIN)
    print(port, flush=True)
    poller.register(0, select.EPOLLIN)
    while True:
        for fd, _ in poller.poll():
            if fd == 0:
                return
            with suppress(OSError):
                listeners[fd].accept()[0].close()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
