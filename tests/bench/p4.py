"""P4 switches: packets/s of the balancer against plain L2 by mode, entries/s, reports/s, and how full memory gets."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from controller import maglev
from controller.southbound.p4 import events as p4events
from controller.southbound.p4 import pipeline as p4pipeline
from controller.southbound.p4.connections import P4Runtime
from controller.southbound.p4.session import P4Session
from controller.spec.slots import SlotTable
from controller.spec.types import Mode
from p4src.compile import outputs
from p4src.diff import diff
from p4src.ids import Op
from p4src.target import P4Target
from tests.bench import p4carried
from tests.bench import p4frames as frames
from tests.bench import p4scene as scene
from tests.bench.p4memory import occupancy
from tests.bench.p4plot import svg
from tests.bench.rig import ROOT
from topo import netns, state
from topo.p4programs import BMV2

FLOWS = 1000
ROUNDS = 3
SECONDS = 1.5
"""Of packets in each measurement."""
WINDOW = 48
"""Frames on their way at most: the switch is never idle, and BMv2 loses nearly none (of bursts it loses most)."""
_STEP = 16
_LOST = 0.05
"""Seconds without any frame after which those on their way count as lost."""
PORTS = (1, 2)
_PLAIN = ("l2", "")
SLOTS = 1 << 16
REPORTS = 10_000
DEADLINE = 15.0
_CPU_PORT = 510
_PATIENCE = 0.0002
PICTURE = Path(__file__).with_name("plots") / "memory.svg"
CARRIED = PICTURE.with_name("carried.svg")


def run() -> dict[str, object]:
    """Measure every kind of switch that is here, both programs in turn on each; draws the pictures again."""
    if os.geteuid() != 0:
        raise RuntimeError("network namespaces need root")
    kinds = ["embedded", *(["bmv2"] if shutil.which(BMV2) else [])]
    found: dict[str, object] = {}
    if "bmv2" not in kinds:
        found["bmv2"] = None
        found["bmv2_why"] = f"{BMV2} is not on PATH"
    packets, control = [], []
    for kind in kinds:
        packets += _packets(kind)
        control.append(asyncio.run(_control(kind)))
    memory = occupancy()
    PICTURE.write_text(svg(memory))
    carried = [p4carried.carried(share) for share in p4carried.SHARES]
    CARRIED.write_text(p4carried.svg(carried))
    return {
        **found,
        "packets_per_s": packets,
        "control": control,
        "memory": [row._asdict() for row in memory],
        "carried": [row._asdict() for row in carried],
    }


def _packets(kind: str) -> list[dict[str, object]]:
    """One row for each way in which a mode's connections are known, and one for L2.

    Each figure is the median of rounds taken in turn.
    """
    rows: dict[tuple[str, str], list[_Rate]] = {}
    with _switch(kind, "l2") as plain, _switch(kind, "balancer") as ours:
        asyncio.run(_load(ours, scene.target()))
        for _ in range(ROUNDS):
            rows.setdefault(_PLAIN, []).append(plain.throughput(frames.plain(FLOWS)))
            for mode in Mode:
                for slots, port in scene.ways(mode).items():
                    opening, established = frames.connections(port, FLOWS)
                    ours.throughput(opening, passes=2)
                    rows.setdefault((mode, slots), []).append(ours.throughput(established))
    base = _medians(rows[_PLAIN])
    return [
        {
            "switch": kind,
            "program": name,
            "slots": slots,
            "packets_per_s": found.packets_per_s,
            "of_l2": found.packets_per_s / base.packets_per_s,
            "us_per_packet": found.us_per_packet,
            "us_of_l2": found.us_per_packet / base.us_per_packet,
        }
        for (name, slots), found in ((each, _medians(found)) for each, found in rows.items())
    ]


class _Rate(NamedTuple):
    """How fast frames came through."""

    packets_per_s: float
    us_per_packet: float
    """Processor time of the switch: what holds on a machine that has more to do."""


def _medians(found: Sequence[_Rate]) -> _Rate:
    return _Rate(median(each.packets_per_s for each in found), median(each.us_per_packet for each in found))


class _Bench:
    """A switch in a namespace of its own, with a raw socket at the far end of each port's cable."""

    def __init__(self, space: str, address: str, sockets: dict[int, socket.socket], process: int) -> None:
        self.space, self.address, self.sockets, self._process = space, address, sockets, process

    def throughput(self, sent: Sequence[bytes], passes: int = 0) -> _Rate:
        """Frames that come out of port 2; ``passes`` over the frames, or ``SECONDS`` of them if 0.

        Raises RuntimeError when more than a tenth is lost.
        """
        into, begin = self.sockets[1], self._received()
        started, used, count, lost = time.perf_counter(), self._used(), 0, 0
        enough = passes * len(sent) if passes else None
        while count != enough and (enough or time.perf_counter() - started < SECONDS):
            into.send(sent[count % len(sent)])
            count += 1
            if count % _STEP == 0:
                lost += self._wait(begin, count - WINDOW - lost)
        lost += self._wait(begin, count - lost)
        took = time.perf_counter() - started
        if lost > count / 10:
            raise RuntimeError(f"{self.space}: {lost} of {count} frames were lost")
        return _Rate((count - lost) / took, (self._used() - used) / (count - lost) * 1e6)

    def _wait(self, begin: int, enough: int) -> int:
        """Until so many frames came out since ``begin``; how many of them are lost."""
        got, since = self._received() - begin, time.perf_counter()
        while got < enough:
            time.sleep(_PATIENCE)
            news = self._received() - begin
            if news != got:
                got, since = news, time.perf_counter()
            elif time.perf_counter() - since > _LOST:
                return enough - got
        return 0

    def _used(self) -> float:
        """Processor time of the switch, seconds."""
        words = Path(f"/proc/{self._process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def _received(self) -> int:
        with netns.enter(self.space):
            return int(Path("/proc/thread-self/net/dev").read_text().split("far2:")[1].split()[1])


@contextmanager
def _switch(kind: str, program: str) -> Iterator[_Bench]:
    """A running switch; nothing is left of it afterwards. Raises RuntimeError when it does not start."""
    space = f"ekb-{program}-{os.getpid()}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evenkeel-bench-")))
        stack.enter_context(state.space(space))
        with netns.enter(space):
            sockets = {port: stack.enter_context(_cable(port)) for port in PORTS}
            address = f"unix:{folder}/p4"
            log = stack.enter_context((folder / "log").open("wb"))
            process = subprocess.Popen(
                _command(kind, program, address), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        stack.callback(_end, process)
        _await(folder / "p4", process, folder / "log")
        yield _Bench(space, address, sockets, process.pid)


def _command(kind: str, program: str, address: str) -> list[str]:
    own = [BMV2] if kind == "bmv2" else [sys.executable, "-m", "topo.p4switch"]
    ports = [word for port in PORTS for word in ("-i", f"{port}@near{port}")]
    what = ["--no-p4"] if program == "balancer" else [str(outputs(program)[0])]
    return [
        *own, *ports, "--device-id", "1", *what, "--", "--grpc-server-addr", address, "--cpu-port", str(_CPU_PORT)
    ]  # fmt: skip


@contextmanager
def _cable(port: int) -> Iterator[socket.socket]:
    for words in (
        ("link", "add", f"near{port}", "type", "veth", "peer", "name", f"far{port}"),
        ("link", "set", f"near{port}", "up"),
        ("link", "set", f"far{port}", "up"),
    ):
        subprocess.run(["ip", *words], check=True, timeout=DEADLINE)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as far:
        far.bind((f"far{port}", 0))
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        yield far


def _await(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < limit:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return
        time.sleep(0.05)
    raise RuntimeError(f"the switch did not start: {log.read_text(errors='replace')[-500:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


class _Driver:
    """The controller's driver, connected to one switch."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[p4events.Event] = asyncio.Queue()
        self.driver = P4Runtime(self.events.put_nowait, p4pipeline.balancer())

    async def session(self, bench: _Bench) -> P4Session:
        """Its session, once the pipeline is there."""
        self.driver.connect("bench", bench.address, 1, int(time.time()))
        async with asyncio.timeout(DEADLINE):
            while True:
                event = await self.events.get()
                if isinstance(event, p4events.Connected):
                    return event.session


async def _load(bench: _Bench, wanted: P4Target) -> None:
    own = _Driver()
    session = await own.session(bench)
    await session.write(diff((await session.read()).target, wanted))
    await own.driver.close()


async def _control(kind: str) -> dict[str, object]:
    """Entries a second from plan to switch, read-back, and reports that reach the controller."""
    now = maglev.build([maglev.WeightedBackend(f"b{n}", n, 1) for n in range(1, 101)], SLOTS)
    whole = replace(scene.target(REPORTS), slots={scene.POOL: SlotTable(now, np.zeros(SLOTS, np.uint16))})
    with _switch(kind, "balancer") as bench:
        own = _Driver()
        session = await own.session(bench)
        empty = (await session.read()).target
        started = time.perf_counter()
        changes = diff(empty, whole)
        await session.write(changes)
        wrote = time.perf_counter() - started
        started = time.perf_counter()
        found = (await session.read()).target
        read = time.perf_counter() - started
        if len(diff(found, whole)):
            raise RuntimeError(f"{kind}: what was read back is not what was written")
        reports = await _reports(own, session)
        await own.driver.close()
    return {
        "switch": kind,
        "entries": changes.added,
        "write_s": wrote,
        "entries_per_s": changes.added / wrote,
        "read_s": read,
        **reports,
    }


async def _reports(own: _Driver, session: P4Session) -> dict[str, Any]:
    """Packets that each make a digest, injected as fast as the driver can; digests counted as they come."""
    sent = 0
    started = time.perf_counter()
    batch = frames.reported(REPORTS)
    got = 0
    for frame in batch:
        await session.packet_out(frame, op=Op.INJECT, port=1)
        sent += 1
        while not own.events.empty():
            got += isinstance(own.events.get_nowait(), p4events.Report)
    limit = time.perf_counter() + 2
    while got < sent and time.perf_counter() < limit:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                got += isinstance(await own.events.get(), p4events.Report)
    return {"reports_per_s": got / (time.perf_counter() - started), "reports": got, "of": sent}
