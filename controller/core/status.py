"""What the controller shows of itself: ``status.json`` beside the store, rewritten once a second."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from controller.plan.duty import meter_name, pool_key
from controller.plan.ids import Space
from controller.plan.pool import PoolState, fates
from controller.spec.types import Role

if TYPE_CHECKING:
    from controller.core.controller import Controller

PERIOD = 1.0


def snapshot(core: Controller, now: float) -> dict[str, object]:
    """Everything worth knowing at a glance; keys are stable."""
    configured = {pool.name for pool in core.state.intent.pools}
    return {
        "at": now,
        "term": core.term,
        "intent_errors": [str(e) for e in core.file.errors or ()],
        "switches": {s.name: _switch(core, s.name) for s in core.state.intent.switches},
        "pools": {
            key: _pool(core, pool, now) for key, pool in core.state.pools.items() if pool.name in configured
        },
        "pins": len(core.state.pins.pins),
        "unsynced": core.unsynced(),
        "at_risk": {
            "moving_slots": {key: p.moving for key, p in core.state.pools.items() if p.moving},
            "pins_refused": core.state.pins.refused,
            "memory_short": sorted(m.switch.name for m in core.members.values() if m.memory_short),
        },
        "counters": _counters(core),
        "guard": _guard(core),
        "reports": dict(Counter(core.reports.counts) + Counter(core.p4_reports.counts)),
        "hellos": dict(core.hellos.counts),
        "probes_pending": core.pending(),
    }


async def keep(core: Controller, path: Path, unix: Callable[[], float]) -> None:
    """Write the snapshot again and again, each time by rename."""
    while True:
        try:
            text = json.dumps(snapshot(core, unix()), indent=1)
            await asyncio.to_thread(_replace, path, text)
        except Exception as error:  # what is shown must not end what is shown
            core.journal.failure(error, file=str(path))
        await asyncio.sleep(PERIOD)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def _switch(core: Controller, name: str) -> dict[str, object]:
    member = core.members.get(name)
    push = core.rollout.shown(name)
    shown: dict[str, object] = {
        "connected": member is not None or push == "waiting",
        "admitted": name in core.state.admitted,
        "synced": False,
        "push": push,
    }
    if member is not None:
        shown |= {
            "synced": member.synced,
            "entries": member.link.size(member.have) if member.have else 0,
            "repairs": member.repairs,
            "writes": member.writes,
            "conflicts": member.conflicts,
            "drops": dict(member.link.drops),
            "problem": member.problem
            or member.links_shut
            or member.memory_short
            or core.hellos.problem(member.switch),
            "links": core.hellos.shown(member.switch),
        }
    return shown


def _pool(core: Controller, pool: PoolState, now: float) -> dict[str, object]:
    intent = core.state.intent.pool(pool.name)
    health = core.state.health.get(pool.name, {})
    fate = fates(pool, intent, health, now)
    held = np.bincount(pool.now, minlength=1)
    backends = {}
    for member in pool.members:
        name = member.backend.name
        verdict = health.get(name)
        backends[name] = {
            "id": member.id,
            "weight": member.backend.weight,
            "slots": int(held[member.id]) if member.id < len(held) else 0,
            "state": "removed" if member.removed else fate[member.id].value,
            "up": verdict.up if verdict else None,
            "reason": verdict.reason if verdict else "",
        }
    return {
        "backends": backends,
        "revision": pool.revision,
        "slots": len(pool.now),
        "moving": pool.moving,
        "watched": len(pool.watched),
        "panicked": pool.panicked,
    }


def _counters(core: Controller) -> dict[str, dict[str, object]]:
    """Packets and bytes by listener and backend, summed over lb switches."""
    totals: dict[tuple[int, int], tuple[int, int]] = {}
    for member in core.members.values():
        if Role.LB not in member.switch.roles:
            continue
        for pair, (packets, octets) in member.link.packets.items():
            old = totals.get(pair, (0, 0))
            totals[pair] = (old[0] + packets, old[1] + octets)
    numbers = core.state.numbers.given
    out: dict[str, dict[str, object]] = {}
    for item in core.state.intent.listeners():
        number = numbers.get(Space.LISTENER, {}).get(item.name, 0)
        backends = {}
        for backend, identity in numbers.get(Space.BACKEND, {}).items():
            found = totals.get((number, identity))
            if found is not None:
                backends[backend] = {"packets": found[0], "bytes": found[1]}
        out[item.name] = {"pool": pool_key(item), "backends": backends}
    return out


def _guard(core: Controller) -> dict[str, int]:
    """Packets dropped by each guard, ``listener`` or ``listener prefix``, summed over the switches."""
    numbers = core.state.numbers.given.get(Space.METER, {})
    out = {}
    for item in core.state.intent.listeners():
        everybody = [] if item.guard.rate is None else [None]
        for prefix in [*everybody, *(row.prefix for row in item.guard.prefixes)]:
            number = numbers.get(meter_name(item, prefix), 0)
            shown = item.name if prefix is None else f"{item.name} {prefix}"
            out[shown] = sum(m.link.guard_drops(number) for m in core.members.values())
    return out
