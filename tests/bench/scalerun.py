"""The whole controller in the large case: start-up until all 64 switches are synced, then one weight.

this process   App, with its store, audits and streams; no probes are sent
children       Open vSwitch as ``tests.fakes.openflow`` has it, 16 to a process: its tables cost us nothing
P4             sessions in memory that encode what they are told and hold it: 32 servers would not fit the machine
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from controller.app.assembly import App
from controller.app.beginning import open_file
from controller.cli.main import COLLECT
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.health.judge import Verdict
from controller.health.service import HealthService
from controller.model.load import load_text
from controller.model.sharing import sharing
from controller.sites.store import SqliteStore
from controller.southbound.openflow import connection as openflow
from controller.southbound.p4 import pipeline as p4pipeline
from controller.southbound.p4.batch import waves
from controller.southbound.p4.events import Connected, Event
from controller.southbound.p4.reports import Punted
from controller.southbound.p4.session import P4Session
from controller.southbound.p4.wire import Encoder
from controller.spec.types import Intent, Role
from p4src.ids import Reason
from p4src.target import Changes, Found, P4Target
from tests.bench import bigintent
from tests.bench.verdict import SilentProber

FLOCK = 16
"""Open vSwitches of one child."""
DEADLINE = 240.0
"""Seconds for what takes some tens of them."""
QUIET = 3.0
"""Seconds without a write after which there is none to come: more than an audit's."""
_LOOK = 0.01
_WORTH_A_LINE = {"switch_error", "failure", "switch_down", "repaired", "intent_refused", "link_down"}

Arrive = Callable[[Event], object]


def main(folder: Path) -> None:
    """Print the figures as JSON."""
    gc.set_threshold(*COLLECT)
    try:
        print(json.dumps(asyncio.run(_measure(folder))))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)  # os-ken's threads never end by themselves


async def _measure(folder: Path) -> dict[str, object]:
    text = bigintent.text()
    path = folder / "intent.yaml"
    path.write_text(text)
    began, used = time.monotonic(), time.thread_time()
    file = open_file(path)
    said, clock = _Said(), SystemClock()
    store = SqliteStore(folder / "evenkeel.db")
    app = App(file, store, store.read(), Journal(said, clock.wall), clock, _silent)
    hub = openflow.Hub(asyncio.get_running_loop(), app.controller.handle, app.controller.cookies, lambda: 1)
    openflow.OpenFlowApp.hub = hub
    await app.begin()
    planned = time.monotonic() - began
    assert file.intent is not None
    port = _free_port()
    with _flocks(file.intent, port):
        openflow.serve("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(app.run(folder / "status.json"))]
            holdups = HoldUps()
            tasks.append(group.create_task(holdups.run()))
            connect_p4(app, file.intent)
            ids = [switch.id for switch in file.intent.switches]
            await until(lambda: all(map(app.fleet.is_synced, ids)))
            figures: dict[str, object] = {
                "start_ready_s": round(planned, 2),
                "start_all_synced_s": round(time.monotonic() - began, 2),
                "start_loop_cpu_s": round(time.thread_time() - used, 2),
                "start_longest_hold_up_ms": holdups.take(),
            }
            figures |= await _edit(app, text, said, holdups)
            figures["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            for task in tasks:
                task.cancel()
            return figures


async def _edit(app: App, text: str, said: _Said, holdups: HoldUps) -> dict[str, object]:
    """One backend's weight, from its being accepted until the last switch has confirmed."""
    await until(lambda: time.monotonic() - said.written > QUIET)
    audits = holdups.take()
    other = text.replace("at: leaf0-east}", "at: leaf0-east, weight: 3}", 1)
    new = await asyncio.to_thread(lambda: sharing(load_text(other, "large"), app.state.intent.value))
    holdups.take()
    site = bigintent.SITES[0]
    serve = {s.name for s in new.switches if Role.LB in s.roles and s.site == site}
    said.converged, began, used = set(), time.monotonic(), time.thread_time()
    why = app.intents.propose(new)
    if why:
        raise RuntimeError("; ".join(why))
    await until(lambda: serve <= said.converged)
    await until(lambda: time.monotonic() - said.written > QUIET)
    return {
        "audits_longest_hold_up_ms": audits,
        "weight_accepted_to_last_confirmed_s": round(said.written - began, 3),
        "weight_loop_cpu_s": round(said.used - used, 3),
        "weight_switches_written": len(said.converged),
        "weight_longest_hold_up_ms": holdups.take(),
    }


class _Said:
    """The journal: when a switch confirmed something last."""

    def __init__(self) -> None:
        self.converged: set[str] = set()
        self.written = self.used = 0.0

    def write(self, text: str, /) -> None:
        """Look at one line."""
        event = json.loads(text)
        if event["event"] in _WORTH_A_LINE:
            sys.stderr.write(text)
        if event["event"] == "converged":
            self.converged.add(event["switch"])
            self.written, self.used = time.monotonic(), time.thread_time()


class HoldUps:
    """For how long the loop was held up at most."""

    def __init__(self) -> None:
        self._longest = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_LOOK)
            self._longest = max(self._longest, time.perf_counter() - before - _LOOK)

    def take(self) -> float:
        """Milliseconds since it was asked last."""
        longest, self._longest = self._longest, 0.0
        return round(1e3 * longest, 1)


class InMemory(P4Session):
    """Encodes all that it is told to write, as for a server, and holds it."""

    def __init__(self, name: str, number: int, pipeline: p4pipeline.Pipeline, arrive: Arrive) -> None:
        self.name, self.id, self.term, self.pushed, self.alive, self.missed = name, number, 1, False, True, 0
        self._pipeline, self._encoder = pipeline, Encoder(pipeline)
        self._arrive = arrive
        self.cables: dict[int, tuple[P4Session, int]] = {}
        """The session and the port at the other end of each port that leads to another switch."""
        self._holds = P4Target()

    async def read(self) -> Found:
        """What it was told last."""
        return Found(self._holds, {}, {}, {}, {}, {}, {})

    async def write(self, changes: Changes) -> None:
        """Encode it."""
        for wave in waves(self._pipeline, self._encoder, changes):
            for _ in wave:
                await asyncio.sleep(0)
        self._holds = _changed(self._holds, changes)

    async def packet_out(self, frame: bytes, *, port: int = 0, **_: Any) -> None:
        """What leaves by a port arrives at the other end; only hellos do."""
        if port in self.cables:
            there, at = self.cables[port]
            self._arrive(Punted(there, Reason.HELLO, at, 0, 0, frame))

    async def clock(self) -> int:
        """Ours."""
        return time.monotonic_ns() // 1000

    async def authorize(self, vip: int, seconds: float) -> None:
        """Nothing comes of it."""

    def abort(self) -> None:
        """There is no stream."""


def _changed(holds: P4Target, changes: Changes) -> P4Target:
    """What a switch holds once it was told."""
    entries, slots, multicast = dict(holds.entries), dict(holds.slots), dict(holds.multicast)
    entries |= {key: body for key, body, _ in changes.put}
    multicast |= {group: ports for group, ports, _ in changes.multicast}
    for pool, _, table in changes.slots:
        if table is None:
            slots.pop(pool, None)
        else:
            slots[pool] = table
    for key in changes.gone:
        del entries[key]
    for group in changes.multicast_gone:
        del multicast[group]
    configuration = changes.configuration or holds.configuration
    return P4Target(entries, configuration, {**holds.limits, **changes.limits}, slots, multicast)


def _soon(loop: asyncio.AbstractEventLoop, app: App, event: Event) -> None:
    loop.call_soon(partial(app.controller.handle, event))


def connect_p4(app: App, intent: Intent, kind: type[InMemory] = InMemory) -> None:
    """Connect all P4 switches of an intent, by sessions of a kind."""
    loop, pipeline = asyncio.get_running_loop(), p4pipeline.balancer()
    sessions: dict[str, InMemory] = {}
    for switch in intent.switches:
        if switch.p4runtime is not None:
            arrive = partial(_soon, loop, app)
            sessions[switch.name] = kind(switch.name, switch.id, pipeline, arrive)
    ends = {(s.name, port.to): port.number for s in intent.switches for port in s.ports}
    for (name, to), port in ends.items():
        if name in sessions and to in sessions:
            sessions[name].cables[port] = (sessions[to], ends[to, name])
    for session in sessions.values():
        app.controller.handle(Connected(session))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def _flocks(intent: Intent, port: int) -> Iterator[None]:
    """Open vSwitches in processes of their own; they connect once something listens, and end with us."""
    ids = [str(switch.id) for switch in intent.switches if switch.p4runtime is None]
    command = [sys.executable, "-m", "tests.bench.scaleflock", str(port)]
    children = [
        subprocess.Popen([*command, *ids[at : at + FLOCK]], stdin=subprocess.PIPE)
        for at in range(0, len(ids), FLOCK)
    ]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


async def until(reached: Callable[[], bool]) -> None:
    """Wait. Raises TimeoutError."""
    async with asyncio.timeout(DEADLINE):
        while not reached():
            await asyncio.sleep(_LOOK)


def _silent(take: Callable[[list[Verdict]], None]) -> HealthService:
    """Asks no server: those without a verdict serve."""
    return HealthService(take, now=SystemClock().now, prober=SilentProber)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
