"""Takes figures from a controller, in the event loop: references and small sums, nothing that grows with packets.

Most is from the last status, which is made once a second anyway; counters, authority and probes are of now.
"""

from __future__ import annotations

from controller.app.assembly import App
from controller.core.switchtask import SwitchTask
from controller.metrics.figures import Serving, SwitchFacts, SwitchFigures
from controller.plan.demand import meter_name
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.southbound.driver import Counts
from controller.spec.types import Listener, Role


def serving(app: App) -> Serving | None:
    """What a controller has that leads; None: it has not stored anything yet."""
    world = app.state.committed.value
    if world is None:
        return None
    shown, at = app.shown()
    now = app.clock.now()
    service = app.probing.service
    intent = world.intent
    guarded = [item for item in intent.listeners() if item.guard.rate is not None or item.guard.prefixes]
    listed = [item.name for vip in intent.vips for item in vip.listeners if vip.access_of(item)]
    app.observations.keep(shown.switches.keys(), shown.pools.keys())
    return Serving(
        snapshot=shown,
        age=now - at,
        switches={task.switch.name: _switch(task, world, guarded, listed) for task in app.fleet},
        facts={
            each.name: SwitchFacts(each.site, each.kind, ",".join(sorted(each.roles)), Role.LB in each.roles)
            for each in intent.switches
        },
        listeners={world.ids.id(Space.LISTENER, item.name): item.name for item in intent.listeners()},
        vips={item.name: item.vip for item in intent.listeners()},
        backends={number: name for name, number in world.ids.ids(Space.BACKEND).items()},
        sites=tuple(site.name for site in intent.sites),
        conditions={
            (site, each.name.value): each.met
            for site, state in (app.fitting.states.items() if app.fitting is not None else ())
            for each in state.fitness.conditions
        },
        authority={} if intent.by_agents else _authority(app, world, now),
        latencies=service.latencies(),
        prober=service.stats(),
        conflicts=app.conflicts.counts,
        views=app.probing.views(),
    )


def _authority(app: App, world: PlanInput, now: float) -> dict[str, float]:
    return {vip.name: max(0.0, app.authority.granted(vip.name) - now) for vip in world.intent.vips}


def _switch(task: SwitchTask, world: PlanInput, guarded: list[Listener], listed: list[str]) -> SwitchFigures:
    driver = task.driver
    if Role.LB not in task.switch.roles or not isinstance(driver, Counts):
        return SwitchFigures(driver.unreported, None, {})
    guards = {
        (item.name, prefix): driver.guard_drops(world.ids.id(Space.METER, name))
        for item in guarded
        for prefix, name in _meters(item)
    }
    denied = {name: driver.denied.get(world.ids.id(Space.LISTENER, name), 0) for name in listed}
    return SwitchFigures(driver.unreported, driver.packets, guards, denied)


def _meters(item: Listener) -> list[tuple[str, str]]:
    """Prefixes and names of a listener's meters; the one for all clients has an empty prefix."""
    for_all = [] if item.guard.rate is None else [("", meter_name(item))]
    return for_all + [(str(row.prefix), meter_name(item, row.prefix)) for row in item.guard.prefixes]
