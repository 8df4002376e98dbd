"""What one pin costs the controller's event loop, beside pins by the ten thousand: for each kind, on fake switches.

The driver, its session and the stream are real, the switch at the other end keeps tables and does nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar

from controller.plan.duty import PlanInput, duty
from controller.plan.p4needs import p4_needs
from controller.southbound.openflow.driver import OpenFlowDriver
from controller.southbound.p4.driver import P4Driver
from controller.spec.types import Switch
from flows.diff import diff as flow_diff
from flows.entries import Target
from flows.tables import Placed
from p4src import pipeline
from p4src.diff import diff as p4_diff
from p4src.target import P4Target
from tests.bench import repin
from tests.fakes import whole
from tests.fakes.control import control
from tests.fakes.openflow import FakeSwitch
from tests.fakes.p4driven import driven
from tests.fakes.p4switches import EmbeddedSwitch
from topo import model

PINS = 50_000
ROUNDS = 300
"""New pins that are measured one by one."""
WHOLE = 5
"""Times that all is planned and compared at once."""
_LB = "lb1"
_DEADLINE = 600.0
_LOOK = 0.005
"""Seconds between two looks at whether the loop is held up."""
T = TypeVar("T")
_PinDriver = Any


def measure() -> list[dict[str, object]]:
    """Figures of each kind of switch; some minutes."""
    return [_openflow(), asyncio.run(_p4())]


def _openflow() -> dict[str, object]:
    world = _world("ovs")
    switch = _switch(world)
    rig = control()
    rig.expect(switch.id, switch.placement.cookie)
    fake = FakeSwitch(switch.id, rig.port)
    fake.connect()
    try:
        session = rig.session(switch.id)
        link = OpenFlowDriver(switch, session, lambda: dict.fromkeys((1, 2), 65_536))
        _fill(fake, link, world)
        figures = rig.start(_measure(link, world)).result(_DEADLINE)
    finally:
        fake.hang_up()
    placed = Placed(switch.placement)

    def at_once() -> Callable[[], object]:
        have = whole.target(duty(world, switch))
        plain = Target(dict(have.flows), have.groups, have.meters, have.slots)
        return lambda: flow_diff(placed, plain, whole.target(duty(world, switch)))

    return _figures("ovs", figures, at_once(), world)


def _fill(fake: FakeSwitch, link: OpenFlowDriver, world: PlanInput) -> None:
    """Let the switch hold its plan; written over the stream, its tables would fill too slowly for a deadline."""
    for phase in link.diff(Target(), link.plan(world)).phases:
        for message in (*phase.messages, *(row.tobytes() for rows in phase.bulk for row in rows)):
            if fake.tables.apply(message) is not None:
                raise RuntimeError("the fake switch refuses its plan")


async def _p4() -> dict[str, object]:
    world = _world("embedded")
    switch = _switch(world)
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedSwitch(Path(folder))
        server.start()
        try:
            async with driven() as rig:
                session = await rig.session(server)
                link = P4Driver(switch, session, repin.SECRET, lambda _: set())
                figures = await _measure(link, world)
        finally:
            server.stop()

    def planned() -> P4Target:
        what = duty(world, switch)
        return pipeline.target(what, p4_needs(world, switch, what, repin.SECRET))

    have = planned()
    return _figures("p4", figures, lambda: p4_diff(have, planned()), world)


def _figures(
    kind: str, measured: dict[str, Any], at_once: Callable[[], object], world: PlanInput
) -> dict[str, object]:
    took = []
    for _ in range(WHOLE):
        repin.report(world, len(world.pins.pins))
        began = time.thread_time()
        at_once()
        took.append(time.thread_time() - began)
    old = 1e3 * median(took)
    loop = measured.pop("loop")
    return {
        "kind": kind,
        "pins": PINS,
        **{f"loop_{name}": figure for name, figure in _spread(loop).items()},
        **{f"gone_{name}": figure for name, figure in _spread(measured.pop("gone")).items()},
        "at_once_ms": round(old, 1),
        "times_less": round(old / (1e3 * median(loop))),
        **measured,
    }


def _spread(seconds: list[float]) -> dict[str, float]:
    return {
        "median_ms": round(1e3 * median(seconds), 3),
        "p99_ms": round(1e3 * quantiles(seconds, n=100)[-1], 3),
    }


async def _measure(link: _PinDriver, world: PlanInput) -> dict[str, Any]:
    """Bring a switch to its plan, then time pins in the thread of this loop."""
    have = await link.read()
    want = link.plan(world)
    have = await link.write(link.diff(have, want), want)
    took: list[float] = []
    gone: list[float] = []
    with _steady():
        for number in range(PINS, PINS + ROUNDS):
            have = await _one(link, world, have, took, lambda: repin.report(world, number))  # noqa: B023
        for key in list(world.pins.pins)[:ROUNDS]:
            pin = world.pins.pins[key]
            have = await _one(link, world, have, gone, lambda: world.pins.stale(pin.id))  # noqa: B023
    began = time.perf_counter()
    (found, held), _ = await asyncio.gather(_watched(link.read), asyncio.sleep(0))
    audit = time.perf_counter() - began
    before = time.thread_time()
    left = len(link.diff(found, link.with_pins(world)))
    compared = time.thread_time() - before
    if left or link.size(found) != link.size(have):
        raise RuntimeError(f"the switch does not hold what was written: {left} differences")
    return {
        "loop": took,
        "gone": gone,
        "audit_s": round(audit, 2),
        "audit_held_up_ms": round(1e3 * held, 1),
        "audit_diff_ms": round(1e3 * compared, 3),
    }


async def _one(
    link: _PinDriver, world: PlanInput, have: Any, took: list[float], report: Callable[[], object]
) -> Any:
    """From a report to the confirmed write: what it cost this thread."""
    began = time.thread_time()
    report()
    want = link.with_pins(world)
    changes = link.diff(have, want)
    have = await link.write(changes, want)
    took.append(time.thread_time() - began)
    if not 1 <= len(changes) <= 3:
        raise RuntimeError(f"one pin changed {len(changes)} entries")
    return have


async def _watched(work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    """The result, and for how long (seconds) the loop was held up at most meanwhile."""
    longest, going = 0.0, True

    async def look() -> None:
        nonlocal longest
        while going:
            before = time.perf_counter()
            await asyncio.sleep(_LOOK)
            longest = max(longest, time.perf_counter() - before - _LOOK)

    watcher = asyncio.create_task(look())
    try:
        return await work(), longest
    finally:
        going = False
        await watcher


@contextmanager
def _steady() -> Iterator[None]:
    """What is there stays: the collector need not look at it while pins are timed, as in a controller that settled."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _world(kind: model.SwitchKind) -> PlanInput:
    world = repin.lab_world(kind)
    for number in range(PINS):
        repin.report(world, number)
    return world


def _switch(world: PlanInput) -> Switch:
    return next(each for each in world.intent.switches if each.name == _LB)
