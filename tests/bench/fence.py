"""Fence: from a claim to the first ARP answer, and from its end, however it comes, to the last one, on the wire.

A host asks an edge for a VIP every 4 ms. On Open vSwitch the flows stay, and the speaker of the fence is told, stopped
or killed; on the embedded P4 switch the controller is killed, after it had renewed a deadline of 3 s every second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from statistics import median

from controller.clock import SystemClock
from controller.sites.fence.service import FenceService
from tests.bench.rig import Journal, Rig, end, lab, require
from tests.lab.asking import Asker, now
from tests.lab.fenced import EDGE, INTERFACE, VIP, speakers, topology

LONG, SHORT = "600s", 3.0
"""Authority: of flows that stay, and of those that run out."""
TELLS, STOPS, KILLS = 20, 6, 3
_PROMISED = 200
"""Milliseconds after which the edge is silent whatever becomes of the speaker."""
_WITHIN = 20.0
_QUIET = 0.4
"""Seconds without an answer that are silence."""


def run() -> dict[str, object]:
    """Each way to begin and to end a claim so many times; two minutes. Figures are milliseconds, None: never silent."""
    require("ovs-vswitchd")
    with lab(topology(LONG, "bfen"), tso=False) as rig:
        rows = _ovs(rig)
    with lab(topology(f"{SHORT:g}s", "bfp4", fence=False).of_kind("embedded"), tso=False) as rig:
        rows.append(_p4(rig))
    return {"ends": rows, "promised_ms": _PROMISED, "asked_every_ms": 4}


def _ovs(rig: Rig) -> list[dict[str, object]]:
    """The controller writes the flows and ends; then its speaker's place is ours."""
    journal = rig.controller()
    _await(journal, "fence_claimed")
    end(journal.process)
    for pid in speakers(rig.lab):
        os.kill(pid, signal.SIGKILL)
    with Asker(rig.lab, "c1", VIP) as asker, rig.lab.namespace("ctl"):
        return asyncio.run(_trials(asker))


async def _trials(asker: Asker) -> list[dict[str, object]]:
    problems: list[str] = []
    service = FenceService(f"bench {os.getpid()}", problems.append, SystemClock())
    running = asyncio.create_task(service.run())
    try:
        service.use({INTERFACE})
        given, taken, passed = [], [], []
        for _ in range(TELLS):
            await _ready(service)
            began = now()
            service.allow(INTERFACE, began + 60.0)
            given.append(await _first(asker, began) - began)
            await asyncio.sleep(0.05)
            began = now()
            service.allow(INTERFACE, 0.0)
            taken.append(await _last(asker) - began)
            await _ready(service)
            until = now() + 0.3
            service.allow(INTERFACE, until)
            await _first(asker, until - 0.3)
            passed.append(await _last(asker) - until)
        rows = [_row("claim told: first answer", given), _row("claim taken back: last answer", taken)]
        rows.append(_row("deadline passed: last answer", passed))
        for name, how in (("stopped", signal.SIGSTOP), ("killed", signal.SIGKILL)):
            ends = []
            for turn in range(STOPS):
                await _ready(service)
                began = now()
                service.allow(INTERFACE, began + 60.0)
                await _first(asker, began)
                await asyncio.sleep(0.1 + 0.013 * turn)
                pid = service.speaker
                assert pid is not None
                began = now()
                os.kill(pid, how)
                ends.append(await _last(asker) - began)
                service.allow(INTERFACE, 0.0)
            rows.append(_row(f"speaker {name}: last answer", ends))
        return rows
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _ready(service: FenceService) -> None:
    """Until nothing but authority lacks."""
    limit = time.monotonic() + _WITHIN
    while INTERFACE not in service.states or service.states[INTERFACE].why != "no authority":
        if time.monotonic() > limit:
            raise RuntimeError(f"the fence did not come up within {_WITHIN:g} s: {service.states}")
        await asyncio.sleep(0.01)


async def _first(asker: Asker, since: float) -> float:
    return await asyncio.to_thread(asker.first, since, _WITHIN)


async def _last(asker: Asker) -> float:
    return await asyncio.to_thread(asker.silence, _QUIET, _WITHIN)


def _p4(rig: Rig) -> dict[str, object]:
    """The last answer from the end of the controller on: within the authority that it had renewed at most a second
    before."""
    ends = []
    with Asker(rig.lab, "c1", VIP) as asker:
        for _ in range(KILLS):
            journal = rig.controller()
            began = now()
            asker.first(began, within=60.0)
            time.sleep(2.0)
            began = now()
            end(journal.process)
            ends.append(asker.silence(1.5, _WITHIN) - began)
    return _row(f"P4 edge, authority {SHORT:g} s, controller killed: last answer", ends)


def _row(what: str, seconds: list[float]) -> dict[str, object]:
    at = sorted(1000 * each for each in seconds)
    return {
        "what": what,
        "trials": len(at),
        "least": round(at[0], 1),
        "median": round(median(at), 1),
        "most": round(at[-1], 1),
    }


def _await(journal: Journal, event: str) -> None:
    journal.wait(
        lambda events: any(e["event"] == event and e["switch"] == EDGE for e in events), event, deadline=60.0
    )
