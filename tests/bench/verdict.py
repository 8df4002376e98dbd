"""Verdict: from a backend's death (and return) to the last switch's barrier: 500 backends, 65,536 slots, 3 lb switches.

The controller is the real one in a process of its own, with its store, driver and audits, and the switches are real;
only the prober is replaced by one that says what the bench wants, when it wants it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from ruamel.yaml import YAML

from controller.app.assembly import App
from controller.app.beginning import open_file
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.core.state import State
from controller.core.switchtask import AUDIT, SwitchTask
from controller.core.targets import Planned, Targets
from controller.health.judge import Verdict
from controller.health.prober import ProberStats
from controller.health.result import Outcome, ProbeResult
from controller.health.service import HealthService
from controller.health.targets import Probe
from controller.sites.store import SqliteStore
from controller.southbound.driver import AnyDriver
from controller.southbound.openflow import connection as openflow
from controller.southbound.openflow import driver as openflow_driver
from controller.southbound.openflow.session import Session
from flows.diff import Changes, diff
from tests.bench.rig import LISTEN, ROOT, Rig, end, lab, require, topology
from topo import model

BACKENDS = 500
LBS = ("lb1", "lb2", "lb3")
CHANGES = 10
"""Verdicts that are measured: every other one is a death, the rest are returns."""
AUDITED_S = 10.0
"""Seconds over which the share of CPU is taken while nothing changes."""
_DEADLINE = 60.0
_STEPS = ("state", "store", "plan", "diff", "write")


def run() -> dict[str, object]:
    """Measure in a lab of one edge, three lb switches and one leaf; takes about 40 s.

    ``ms`` is from the last failing (or passing) probe result that the controller is handed to the reply to the last
    barrier of the last lb switch. Steps are summed over switches, so they can overlap: ``state`` (judge, Maglev
    table), ``store`` (commits, waited for before anything is planned), ``plan`` (what each switch should hold),
    ``diff``, ``write`` (messages until the barrier reply).
    """
    require("ovs-vswitchd")
    with lab(_plan(), tso=False) as rig:
        start = _start(rig)
        worker = rig.start(
            "ctl",
            [sys.executable, "-m", "tests.bench.verdict", str(rig.lab.intent_path), str(rig.folder / "v.db")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, errors = worker.communicate(timeout=2 * _DEADLINE)
    if worker.returncode:
        raise RuntimeError(f"the controller under test ended: {errors.strip()[-500:]}")
    return {"backends": BACKENDS, "slots": 65536, "lb_switches": len(LBS), **start, **json.loads(out)}


def _plan() -> model.Topology:
    base = model.load("pair")
    rack = model.SubnetSpec.model_validate({"name": "rack1", "prefixes": ["10.1.0.0/16"]})
    parts = {
        "subnets": tuple(rack if subnet.name == rack.name else subnet for subnet in base.subnets),
        "switches": tuple(
            model.SwitchSpec.model_validate({"name": name, "roles": [role]})
            for name, role in (("edge1", "edge"), *((lb, "lb") for lb in LBS), ("leaf1", "leaf"))
        ),
        "links": tuple(pair for name in LBS for pair in (("edge1", name), (name, "leaf1"))),
        "hosts": tuple(host for host in base.hosts if host.name in ("c1", "s1", "ctl")),
    }
    backends = [
        {
            "name": f"b{number}",
            "address": f"10.1.{number >> 8}.{number & 0xFF}",
            "mac": f"02:45:56:03:{number >> 8:02x}:{number & 0xFF:02x}",
            "at": "leaf1",
        }
        for number in range(1, BACKENDS + 1)
    ]
    health = {"type": "tcp", "port": 80, "interval": "1s", "timeout": "500ms", "rise": 1, "fall": 1}
    pool = {"name": "web", "max_backends": BACKENDS, "health": health, "backends": backends}
    listener = {"protocol": "tcp", "port": 80, "pool": "web", "mode": "dr"}
    vip = {"name": "shop", "address": "10.0.0.100", "mac": "02:45:56:00:01:01", "listeners": [listener]}
    return topology(base.model_copy(update=parts), "bvrd", [pool], [vip])


def _start(rig: Rig) -> dict[str, object]:
    """Seconds from the start of ``evenkeel run`` until the empty lb switches hold everything, nothing probed."""
    document = rig.lab.intent_path.read_text()
    unprobed = YAML(typ="safe").load(document)
    del unprobed["pools"][0]["health"]
    intent = rig.folder / "unprobed.yaml"
    with intent.open("w") as file:
        YAML().dump(unprobed, file)
    began = time.monotonic()
    journal = rig.controller(intent)
    journal.wait(
        lambda events: set(LBS) <= {e["switch"] for e in events if e["event"] == "synced"},
        "its lb switches synced",
        _DEADLINE,
    )
    took = {e["switch"]: e["t"] - began for e in journal.events if e["event"] == "synced"}
    writes = [e["ms"] for e in journal.events if e["event"] == "converged" and e["switch"] in LBS]
    end(journal.process)
    return {
        "start_to_last_lb_synced_s": round(max(took[name] for name in LBS), 2),
        "start_first_write_ms": {"median": round(median(writes)), "max": round(max(writes))},
    }


class SilentProber:
    """Says of every target what the bench wants."""

    def __init__(self, take: Callable[[list[ProbeResult]], None], problem: Callable[[str], None]) -> None:
        self.take = take
        self.probes: list[Probe] = []

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    def set_probes(self, probes: Iterable[Probe]) -> None:
        """Remember whom the controller wants to know about, in a fixed order."""
        self.probes = sorted(probes, key=lambda probe: int(probe.address))

    def stats(self) -> ProberStats:
        """No prober runs."""
        return ProberStats(0, 0.0, 0.0, 0, 0, 0, 0.0, None)

    def say(self, probes: Iterable[Probe], outcome: Outcome) -> None:
        """Hand over one result of each."""
        now = time.monotonic()
        self.take(
            [
                ProbeResult(probe, outcome, "" if outcome is Outcome.PASS else "timeout", now, now)
                for probe in probes
            ]
        )


class Spans:
    """Where the time goes: (step, begin, end) of everything that was watched."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float]] = []

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Time one step."""
        began = time.monotonic()
        yield
        self.rows.append((step, began, time.monotonic()))

    def watch(self) -> None:
        """Time storing, planning, diffing, writing and auditing of the controller in this process."""
        commit, target, write, audit = State.commit, Targets.of, Session.write, SwitchTask._audit

        async def timed_commit(state: State) -> int:
            with self.of("store"):
                return await commit(state)

        def timed_target(targets: Targets, driver: AnyDriver) -> Planned:
            with self.of("plan"):
                return target(targets, driver)

        def timed_diff(*arguments: Any) -> Changes:
            with self.of("diff"):
                return diff(*arguments)

        async def timed_write(session: Session, changes: Changes, name: str) -> None:
            # Renewals of leases change nothing and do not count.
            with self.of("write" if changes.added + changes.modified + changes.deleted else "renew"):
                await write(session, changes, name)

        async def timed_audit(task: SwitchTask) -> None:
            with self.of("audit"):
                await audit(task)

        for owner, name, timed in (
            (State, "commit", timed_commit),
            (Targets, "of", timed_target),
            (openflow_driver, "diff", timed_diff),
            (Session, "write", timed_write),
            (SwitchTask, "_audit", timed_audit),
        ):
            setattr(owner, name, timed)

    def since(self, begin: float, step: str) -> list[tuple[float, float]]:
        """(begin, end) of each run of a step that began after ``begin``."""
        return [(start, end) for name, start, end in self.rows if name == step and start >= begin]


async def _measure(app: App, prober: SilentProber, spans: Spans) -> dict[str, object]:
    await _until(lambda: len(app.fleet.synced()) == len(app.state.intent.value.switches))
    prober.say(prober.probes, Outcome.PASS)
    await asyncio.sleep(2 * AUDIT)
    took: list[float] = []
    parts: dict[str, list[float]] = {step: [] for step in _STEPS}
    for change in range(CHANGES):
        began = time.monotonic()
        # All of it runs within the call; what it wakes runs afterwards.
        with spans.of("state"):
            prober.say([prober.probes[change // 2]], Outcome.PASS if change % 2 else Outcome.FAIL)
        await _until(partial(_written, spans, began))
        took.append(max(end for _, end in spans.since(began, "write")) - began)
        for step in _STEPS:
            parts[step].append(
                sum(end - start for start, end in spans.since(began, step) if end <= began + took[-1])
            )
        # Not a whole number of audits, so that changes meet them at every phase.
        await asyncio.sleep(0.37 * AUDIT)
    rows, cpu, began = len(spans.rows), time.process_time(), time.monotonic()
    await asyncio.sleep(AUDITED_S)
    share = (time.process_time() - cpu) / (time.monotonic() - began)
    audits = [end - start for name, start, end in spans.rows[rows:] if name == "audit"]
    return {
        "verdict_to_last_barrier_ms": _summary(took),
        **{f"{step}_ms": _summary(values) for step, values in parts.items()},
        "changes": CHANGES,
        "audit_interval_s": AUDIT,
        "idle_controller_cores": round(share, 3),
        "audit_ms": _summary(audits) if audits else None,
        "audits": len(audits),
        "audited_switches": len(app.fleet.names()),
    }


def _written(spans: Spans, began: float) -> bool:
    return len(spans.since(began, "write")) >= len(LBS)


def _summary(seconds: list[float]) -> dict[str, float]:
    return {"median": round(1e3 * median(seconds), 1), "max": round(1e3 * max(seconds), 1)}


async def _until(enough: Callable[[], bool]) -> None:
    async with asyncio.timeout(_DEADLINE):
        while not enough():
            await asyncio.sleep(0.005)


async def _work(intent: Path, store: Path) -> dict[str, object]:
    """The controller with a prober of the bench's, as ``evenkeel run`` starts it."""
    with store.with_name("journal").open("w") as log:
        probers: list[SilentProber] = []

        def prober(take: Callable[[list[ProbeResult]], None], problem: Callable[[str], None]) -> SilentProber:
            probers.append(SilentProber(take, problem))
            return probers[-1]

        clock = SystemClock()

        def health(take: Callable[[list[Verdict]], None]) -> HealthService:
            return HealthService(take, now=clock.now, prober=prober)

        spans = Spans()
        spans.watch()
        kept = SqliteStore(store)
        app = App(open_file(intent), kept, kept.read(), Journal(log), clock, health)
        core = app.controller
        hub = openflow.Hub(asyncio.get_running_loop(), core.handle, core.cookies, lambda: app.terms.now)
        core.on_switches = hub.switches_changed
        openflow.OpenFlowApp.hub = hub
        await app.begin()
        host, _, port = LISTEN.rpartition(":")
        openflow.serve(host, int(port))
        running = asyncio.create_task(app.run())
        try:
            return await _measure(app, probers[0], spans)
        finally:
            running.cancel()
            await asyncio.wait([running])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_work(Path(sys.argv[1]), Path(sys.argv[2])))), flush=True)
    os._exit(0)  # os-ken's threads cannot be stopped
