"""How far it goes: tracked share of slots, pins and entries, by the planner's own tables under random health events.

A pool of equal backends lives for hours of its own time: backends die and return, at random and so many times an hour,
and each time the planner decides which slots move and when they settle. What follows from that for a number of
connections is reckoned, with what a switch was measured to need: nothing here is timed.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from statistics import mean

from controller.plan.ids import IdAllocator, Space
from controller.plan.pins import LIMIT
from controller.plan.pool import Health, PoolState, next_change, step
from controller.spec.types import Backend, Pool, Protocol
from flows.tables import REPORT_RATE

SLOTS, BACKENDS, LBS = 4096, 40, 4
HOURS = 12.0
EVENTS = (0.1, 1.0, 4.0, 20.0)
"""Deaths of a backend an hour, in the whole pool; each is back after ``REPAIR``."""
REPAIR = 300.0
CONNECTIONS = (10_000, 100_000, 1_000_000, 10_000_000)
OPENED = (100.0, 1_000.0, 10_000.0, 100_000.0)
"""New connections a second."""
ENTRIES = 1.93
"""Conntrack entries that a remembered connection leaves on Open vSwitch, measured; each for twice the memory."""
MOST_ENTRIES = 3_000_000
"""What Open vSwitch's userspace datapath holds."""


@dataclass(frozen=True)
class Life:
    """Shares of a pool's slots over its life."""

    tracked: float
    """Tracked, mean."""
    most: float
    """Tracked, at the worst moment."""
    moved: float
    """That moved with one event, mean."""


def run() -> dict[str, object]:
    """Live once for each rate of events, and reckon each load; a minute."""
    lives = {events: live(events) for events in EVENTS}
    return {
        "tables": [
            {
                "deaths_per_hour": events,
                "moved_per_event": round(life.moved, 4),
                "tracked_mean": round(life.tracked, 4),
                "tracked_most": round(life.most, 4),
            }
            for events, life in lives.items()
        ],
        "loads": [
            {
                "connections": held,
                "new_per_second": opened,
                "deaths_per_hour": events,
                **load(life, held, opened),
            }
            for held in CONNECTIONS
            for opened in OPENED
            if 1.0 <= held / opened <= 3600.0
            for events, life in lives.items()
        ],
        "slots": SLOTS,
        "backends": BACKENDS,
        "lb_switches": LBS,
        "memory_timeout_s": _POOL.memory_timeout,
        "transition_s": _POOL.transition,
        "hours": HOURS,
    }


def load(life: Life, held: int, opened: float) -> dict[str, object]:
    """What tracked slots cost at this load, over all lb switches or on one of them."""
    lasts = held / opened
    # Those on slots that move to a backend that returns, and those that grow old on a tracked slot.
    returned = held * life.moved
    grown = opened * life.tracked * math.exp(-_POOL.transition / lasts) * min(lasts, _POOL.memory_timeout)
    entries = ENTRIES * opened / LBS * life.tracked * 2 * _POOL.memory_timeout
    return {
        "pins": round(returned + grown),
        "pins_of_most": round((returned + grown) / LIMIT, 3),
        "report_s": round(returned / LBS / REPORT_RATE, 1),
        "entries_per_switch": round(entries),
        "entries_of_most": round(entries / MOST_ENTRIES, 4),
        "entries_of_most_all_tracked": round(
            ENTRIES * opened / LBS * 2 * _POOL.memory_timeout / MOST_ENTRIES, 3
        ),
    }


_POOL = Pool("web", tuple(Backend(f"s{n}", (ip_address(f"10.1.0.{n + 1}"),)) for n in range(BACKENDS)))


def live(events: float, seed: int = 1) -> Life:
    """One pool's life with so many deaths an hour."""
    chance, ids, now, end = random.Random(f"{seed} {events}"), IdAllocator(), 0.0, HOURS * 3600.0
    names = [each.name for each in _POOL.backends]
    ids = ids.step({Space.BACKEND: dict.fromkeys(names, 0.0)}, now)
    health = {name: Health(True, 0.0) for name in names}
    state = step(PoolState.new("web", Protocol.TCP, SLOTS), _POOL, health, ids, now)
    due = [(t, name, False) for t, name in _deaths(chance, events, names, end)]
    heapq.heapify(due)
    shares: list[tuple[float, float]] = []
    moved: list[float] = []
    while now < end:
        later = next_change(state, _POOL, health, now)
        at = min(x for x in (later, due[0][0] if due else None, end) if x is not None)
        shares.append((at - now, state.tracking.tracks / SLOTS))
        now, before = at, state.now
        while due and due[0][0] <= now:
            _, name, up = heapq.heappop(due)
            health = {**health, name: Health(up, now)}
            if not up:
                heapq.heappush(due, (now + REPAIR, name, True))
        state = step(state, _POOL, health, ids, now)
        if state.now is not before:
            moved.append(float((state.now != before).mean()))
    whole = sum(seconds for seconds, _ in shares)
    return Life(
        sum(seconds * share for seconds, share in shares) / whole,
        max(share for _, share in shares),
        mean(moved) if moved else 0.0,
    )


def _deaths(
    chance: random.Random, events: float, names: list[str], end: float
) -> Iterator[tuple[float, str]]:
    at = chance.expovariate(events / 3600.0)
    while at < end:
        yield at, chance.choice(names)
        at += chance.expovariate(events / 3600.0)
