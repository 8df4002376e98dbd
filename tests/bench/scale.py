"""The large case: 1,000 VIPs, 500 pools of 10, 64 switches of two kinds: check, first plans, memory, one weight.

First planning and comparing alone, without the core's tasks or any switch. Seconds are of processor time, but for
``check_wall_s``, so that a busy machine tells the same. Then the whole controller beside switches that are not there
(``scalerun``), in a process of its own: there seconds are of the clock, but for ``_cpu_s``.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from controller import maglev
from controller.cli.main import COLLECT
from controller.model.load import load_text
from controller.model.sharing import sharing
from controller.plan.duties import Duties
from controller.plan.duty import PlanInput
from controller.plan.flowplan import FlowPlan
from controller.plan.p4needs import Needs
from controller.plan.p4plan import P4Plan
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from controller.spec.types import Intent, Switch
from flows.diff import diff as flow_diff
from flows.entries import Target
from flows.tables import Placed
from p4src.diff import diff as p4_diff
from p4src.spec import Secret
from p4src.target import P4Target
from tests.bench import bigintent
from tests.fakes import worlds

_SECRET = Secret.of(bytes(20))
_TOLD = 2000
"""Characters of what went wrong."""
T = TypeVar("T")


def run() -> dict[str, object]:
    """Measure in this process and in children; two minutes."""
    text = bigintent.text()
    figures: dict[str, object] = {
        "vips": bigintent.VIPS,
        "pools": bigintent.POOLS,
        "switches": bigintent.EDGES + bigintent.LBS + bigintent.LEAFS,
        **_check(text),
    }
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT)
    try:
        figures |= _plan(text)
    finally:
        gc.set_threshold(*before)
    return figures | {f"run_{name}": value for name, value in _run().items()}


def _check(text: str) -> dict[str, object]:
    """``evenkeel check`` as an operator runs it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "intent.yaml"
        path.write_text(text)
        used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "controller", "check", str(path)], check=True, capture_output=True
        )
        wall, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return {"check_s": round(cpu, 2), "check_wall_s": round(wall, 2)}


def _run() -> dict[str, object]:
    """The whole controller. Raises RuntimeError with what it wrote last if it does not get there."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.scalerun", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the controller was not measured: {done.stderr[-_TOLD:]}")
    figures: dict[str, object] = json.loads(done.stdout)
    return figures


def _plan(text: str) -> dict[str, object]:
    maglev.warm()
    intent, pins = load_text(text, "large"), PinBook()
    tables, first = _timed(lambda: worlds.step(Tables(), worlds.NOTHING, intent, {}, 0.0))
    plans = {switch.name: _plan_of(switch) for switch in intent.switches}
    world = worlds.world(intent, tables, pins)
    _, planned = _timed(lambda: [plan.follow(world, s) for s, plan in _each(intent, plans)])
    entries = sum(plan.size() for plan in plans.values())
    other = text.replace("at: leaf0-east}", "at: leaf0-east, weight: 3}", 1)
    loaded, again = _timed(lambda: sharing(load_text(other, "large"), intent))
    stepped, step = _timed(lambda: worlds.step(tables, intent, loaded, {}, 1.0))
    changed, change = _timed(lambda: _follow(loaded, stepped, pins, plans))
    if not changed:
        raise RuntimeError("a weight changed nothing")
    return {
        "first_tables_s": round(first, 2),
        "first_plans_s": round(planned, 2),
        "entries": entries,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "weight_load_s": round(again, 2),
        "weight_tables_s": round(step, 3),
        "weight_plans_and_diffs_s": round(change, 3),
        "weight_messages": changed,
    }


def _follow(intent: Intent, tables: Tables, pins: PinBook, plans: dict[str, _Plan]) -> int:
    world = worlds.world(intent, tables, pins)
    return sum(plan.follow(world, switch) for switch, plan in _each(intent, plans))


def _each(intent: Intent, plans: dict[str, _Plan]) -> list[tuple[Switch, _Plan]]:
    return [(switch, plans[switch.name]) for switch in intent.switches]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.thread_time()
    return work(), time.thread_time() - began


class _Flows:
    """Plans an Open vSwitch, and compares with what it was told before."""

    def __init__(self, switch: Switch) -> None:
        self._placed = Placed(switch.placement)
        self._plan, self._have = FlowPlan(), Target()

    def follow(self, world: PlanInput, switch: Switch) -> int:
        """How much would be written."""
        have, self._have = self._have, self._plan.target(world, switch)
        return len(flow_diff(self._placed, have, self._have))

    def size(self) -> int:
        """Flows, but for slots."""
        return len(self._have.flows)


class _Entries:
    """The same for a P4 switch."""

    def __init__(self) -> None:
        self._plan, self._duties, self._needs, self._have = P4Plan(), Duties(), Needs(), P4Target()

    def follow(self, world: PlanInput, switch: Switch) -> int:
        """How much would be written."""
        what = self._duties.of(world, switch)
        needs = self._needs.of(world, switch, what, _SECRET)
        have, self._have = self._have, self._plan.target(world, what, needs)
        return len(p4_diff(have, self._have))

    def size(self) -> int:
        """Entries, but for slots."""
        return len(self._have.entries)


_Plan = _Flows | _Entries


def _plan_of(switch: Switch) -> _Plan:
    return _Flows(switch) if switch.p4runtime is None else _Entries()
