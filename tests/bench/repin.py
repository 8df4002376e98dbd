"""Plan: what one new pin costs the controller for each P4 lb switch, and planning all again, by pins already held.

Neither the switch nor the network is in it: from the report that was understood to the changes that will be written.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from statistics import median
from time import perf_counter

from controller.model.load import load_text
from controller.plan.duty import PlanInput, listener_number, switch_spec_without_pins
from controller.plan.p4needs import p4_needs
from controller.plan.p4plan import P4Plan
from controller.plan.pins import PinBook, PinKey
from controller.plan.tables import Tables
from controller.spec.types import Mode, Protocol
from p4src.diff import diff
from p4src.spec import Secret
from p4src.target import P4Target
from tests.fakes import worlds
from topo import intent, model
from topo.plan import plan

PINS = (0, 1_000, 10_000, 50_000)
ROUNDS = 50
BACKENDS = 655
"""At most: a pool of 65,536 slots."""
SECRET = Secret.of(bytes(20))


def run() -> dict[str, object]:
    """Measure lb1 of the demo's lab; a few seconds."""
    return {"slots": 65_536, "by_pins": [_measure(count) for count in PINS]}


def _measure(count: int) -> dict[str, object]:
    world = lab_world("embedded")
    for number in range(count):
        report(world, number)
    continued = P4Plan()
    began = perf_counter()
    have = _all(continued, world)
    first = perf_counter() - began
    again, took = [], []
    for number in range(count, count + ROUNDS):
        began = perf_counter()
        have = _all(continued, world)
        again.append(perf_counter() - began)
        report(world, number)
        began = perf_counter()
        want = continued.with_pins(world)
        changes = diff(have, want)
        took.append(perf_counter() - began)
        if len(changes) != 1:
            raise RuntimeError(f"a new pin changed {len(changes)} entries")
        have = want
    return {
        "pins": count,
        "entries": len(have.entries),
        "new_pin_ms": round(1e3 * median(took), 3),
        "plan_first_ms": round(1e3 * first, 1),
        "plan_again_ms": round(1e3 * median(again), 2),
    }


def lab_world(kind: model.SwitchKind) -> PlanInput:
    """Pools of 65,536 slots in the demo's lab, with switches of a kind."""
    loaded = load_text(intent.dump(intent.intent(plan(model.load("demo").of_kind(kind)))), "demo")
    pools = tuple(replace(pool, max_backends=BACKENDS) for pool in loaded.pools)
    loaded = replace(loaded, pools=pools)
    return worlds.world(loaded, worlds.step(Tables(), worlds.NOTHING, loaded, {}, 0.0), PinBook())


def _all(continued: P4Plan, world: PlanInput) -> P4Target:
    switch = next(each for each in world.intent.switches if each.name == "lb1")
    what = switch_spec_without_pins(world, switch)
    return continued.target(world, what, p4_needs(world, switch, what, SECRET))


def report(world: PlanInput, number: int) -> None:
    """A switch tells an exception of a listener that lasts."""
    item = next(each for each in world.intent.listeners() if each.mode is Mode.DR)
    client = IPv4Address(0x0A000000 + number // 60_000)
    key = PinKey(listener_number(world, item), client, 1024 + number % 60_000)
    world.pins.report("lb1", key, Protocol.TCP, world.state_of(item).members[0].id)
