"""When two worlds are the same: whatever may happen from one may happen from the other."""

from __future__ import annotations

from controller.plan.tracking import NEVER, UNHELD
from tests.tracking.model import World
from tests.tracking.parts import Controller


def key(world: World) -> tuple[object, ...]:
    """Equal for worlds from which the same may happen."""
    size = world.size
    top = max(2 * size.transition, size.memory) + 2
    lows = [min(lb.held for n, lb in enumerate(world.lbs) if world.site(n) is site) for site in world.sites]
    sites = tuple(_site_key(world, site, low) for site, low in zip(world.sites, lows, strict=True))
    lbs = tuple(
        (
            tuple(b.entries),
            b.spread,
            b.held - lows[n % size.sites],
            tuple(c and (c.backend, c.class_, min(c.age, top), c.idle, c.opened) for c in b.cells),
            tuple(p and (p[0], min(p[1], size.memory + 1)) for p in b.pins),
            (b.linked, b.jammed, b.mute),
        )
        for n, b in enumerate(world.lbs)
    )
    known = tuple(c and c.state(top, size.memory + 1) for c in world.connections)
    return sites, lbs, tuple(world.ways), known, world.gone, world.parted


def _site_key(world: World, site: Controller, low: int) -> tuple[object, ...]:
    plan = site.plan
    slots = tuple(
        (
            *(int(a[n]) for a in (plan.now, plan.base, plan.class_, plan.tracked, plan.ages)),
            max(int(plan.written[n]) - low, 0),
            _left(plan.base_until[n], world.t),
            _left(plan.moved_until[n], world.t),
        )
        for n in range(world.size.slots)
    )
    lost = max(site.lost - world.t, -world.size.memory - 1.0)
    turns = site.rehash and (max(site.rehash.written - low, 0), _left(site.rehash.until, world.t))
    return slots, tuple(site.pins), lost, plan.revision - low, site.spread, turns


def _left(until: float, now: int) -> float:
    return until if until in (NEVER, UNHELD) else max(until - now, -1.0)
