"""Routes: from a cause to the kernel route of a real router (FRR): announced, withdrawn, an lb switch killed, by BFD.

An lb switch's engine beside it is told through its daemons' sockets, as the controller does it, by BGP and by OSPF. The
time runs from the call until the router's kernel has changed its routes, which it is asked all the time.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from statistics import median

from controller.exits.routes.frr.engine import Frr, Plan
from controller.exits.routes.holding import Announcement
from controller.exits.routes.rules import attributes
from controller.model.load import load_intent
from controller.spec.routes import RoutedVip, Speaker
from controller.spec.types import Intent
from tests.bench.rig import require
from topo.lab import Lab

TURNS, KILLS = 10, 5
SHOP, BOTH = "10.0.0.100/32", {"lb1", "lb2"}
VIPS = 100
_WITHIN = 30.0
_PAUSE = 1.5
"""Seconds between changes of one VIP: OSPF routers take no two within one."""


def run() -> dict[str, object]:
    """Each change so many times by each protocol; two minutes. Figures are milliseconds."""
    require("ovs-vswitchd")
    require("/usr/lib/frr/bgpd")
    lab = Lab.up("routed", name="broutes", tso=False, temporary=True)
    try:
        intent = load_intent(lab.intent_path)
        rows = [row for protocol in ("bgp", "ospf") for row in asyncio.run(_protocol(lab, intent, protocol))]
    finally:
        lab.down()
    return {"changes": rows, "bfd_ms": [50, 3], "vips": VIPS}


def _plans(intent: Intent, protocol: str, count: int, announced: bool) -> list[tuple[Speaker, Plan]]:
    found = []
    for speaker in intent.routes.speakers:
        one = replace(
            speaker,
            bgp=speaker.bgp if protocol == "bgp" else None,
            ospf=speaker.ospf if protocol == "ospf" else None,
        )
        prefixes = [SHOP, *(f"10.0.1.{n}/32" for n in range(1, count))]
        made = attributes(intent.routes, RoutedVip("shop"), 0)
        said = tuple(Announcement(prefix, made, leaving=False) for prefix in prefixes if announced)
        costs = {prefix: made.cost for prefix in prefixes if announced}
        plan = Plan(one, tuple(prefixes), (made.cost,), said, costs, 1000, intent.routes.bfd)
        found.append((one, plan))
    return found


async def _protocol(lab: Lab, intent: Intent, protocol: str) -> list[dict[str, object]]:
    engines = {each.name: Frr(lab.routed.sockets / each.name) for each in intent.routes.speakers}

    async def tell(name: str, announced: bool, count: int = 1) -> None:
        plan = next(p for s, p in _plans(intent, protocol, count, announced) if s.name == name)
        outcome = await engines[name].apply(plan)
        if outcome.problems:
            raise RuntimeError("; ".join(outcome.problems))

    try:
        for name in engines:
            await tell(name, announced=True)
        await _until(lambda: _hops(lab, SHOP) == BOTH)
        announces, withdraws, many, fewer, kills = [], [], [], [], []
        for _ in range(TURNS):
            await asyncio.sleep(_PAUSE)
            withdraws.append(await _timed(tell("sp1", announced=False), lambda: _hops(lab, SHOP) == {"lb2"}))
            await asyncio.sleep(_PAUSE)
            announces.append(await _timed(tell("sp1", announced=True), lambda: _hops(lab, SHOP) == BOTH))
        for _ in range(3):
            await asyncio.sleep(_PAUSE)
            telling = tell("sp1", announced=True, count=VIPS)
            many.append(await _timed(telling, lambda: _count(lab) == VIPS - 1))
            await asyncio.sleep(_PAUSE)
            fewer.append(await _timed(tell("sp1", announced=True), lambda: _count(lab) == 0))
        for _ in range(KILLS):
            await asyncio.sleep(_PAUSE)
            kills.append(
                await _timed(asyncio.to_thread(lab.fail, "lb1"), lambda: _hops(lab, SHOP) == {"lb2"})
            )
            await asyncio.to_thread(lab.heal, "lb1")
            await _until(lambda: _hops(lab, SHOP) == BOTH)
    finally:
        for engine in engines.values():
            engine.close()
    return [
        _row(f"{protocol}: announced", announces),
        _row(f"{protocol}: withdrawn", withdraws),
        _row(f"{protocol}: {VIPS - 1} VIPs more", many),
        _row(f"{protocol}: {VIPS - 1} VIPs fewer", fewer),
        _row(f"{protocol}: lb switch killed, until its next hop is gone", kills),
    ]


async def _timed(doing: Coroutine[object, object, object], done: Callable[[], bool]) -> float:
    """Seconds from the start of something until something holds, looked at all the time."""
    began = time.monotonic()
    task = asyncio.create_task(doing)
    while not done():
        if time.monotonic() > began + _WITHIN:
            raise RuntimeError(f"not within {_WITHIN:g} s")
        await asyncio.sleep(0.001)
    took = time.monotonic() - began
    await task
    return took


async def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 2 * _WITHIN
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError("the routers did not learn of the VIP")
        await asyncio.sleep(0.1)


def _shown(lab: Lab, *what: str) -> str:
    found = lab.exec("r1", ["ip", "-4", "route", "show", *what], stdout=subprocess.PIPE, text=True)
    return str(found.stdout)


def _hops(lab: Lab, prefix: str) -> set[str]:
    return {word for word in _shown(lab, prefix.partition("/")[0]).split() if word in ("lb1", "lb2")}


def _count(lab: Lab) -> int:
    return sum(line.startswith("10.0.1.") for line in _shown(lab).splitlines())


def _row(what: str, seconds: list[float]) -> dict[str, object]:
    at = sorted(1000 * each for each in seconds)
    row = {"least": round(at[0]), "median": round(median(at)), "most": round(at[-1])}
    return {"what": what, "trials": len(at), **row}
