"""Which names an intent needs ids for. Pure."""

from __future__ import annotations

from controller.plan.ids import Demand, Space
from controller.spec.types import Intent, Listener, Mode, Network


def demand(intent: Intent) -> Demand:
    """Names by space, and for how many seconds a switch may remember each.

    Groups of next hops are not among them: which are needed depends on what is broken. The order is that of the intent,
    since ids are given in it: the same intents give the same ids in each run.
    """
    memory = {pool.name: pool.memory_timeout for pool in intent.pools}
    out: dict[Space, dict[str, float]] = {space: {} for space in Space if space is not Space.GROUP}

    def want(space: Space, name: str, seconds: float) -> None:
        out[space][name] = max(out[space].get(name, 0.0), seconds)

    for vip in intent.vips:
        want(Space.VIP, vip.name, 0.0)
        for item in vip.listeners:
            seconds = memory[item.pool]
            want(Space.VIP, vip.name, seconds)
            want(Space.LISTENER, item.name, seconds)
            want(Space.POOL, f"{item.pool}/{item.protocol}", seconds)
            if item.mode is Mode.FULLNAT:
                want(Space.LOCAL4 if vip.address.version == 4 else Space.LOCAL6, item.name, seconds)
            for name in _meters(item):
                want(Space.METER, name, 0.0)
    for pool in dict.fromkeys(item.pool for item in intent.listeners()):
        for real in intent.pool(pool).backends:
            want(Space.BACKEND, real.name, memory[pool])
    return out


def meter_name(item: Listener, prefix: Network | None = None) -> str:
    """Name of a guard's meter."""
    return f"{item.name} {prefix or 'all'}"


def _meters(item: Listener) -> list[str]:
    everybody = [] if item.guard.rate is None else [meter_name(item)]
    return everybody + [meter_name(item, row.prefix) for row in item.guard.prefixes]
