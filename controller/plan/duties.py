"""The duty of one switch through time: what is made of the same things is the same object, and is not made again.

So a changed pool costs its own part, here and wherever a duty is compared with the one before by identity.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.plan.duty import (
    PlanInput,
    bypass_of,
    ecmp_of,
    listener_specs,
    pool_spec,
    responds_here,
    uplinks_of,
    vip_specs,
)
from controller.plan.pool import PoolState
from controller.spec.switch import ListenerSpec, PoolSpec, SwitchSpec, VipSpec
from controller.spec.types import Switch


class _Served(NamedTuple):
    """VIPs and listeners, and the keys of the states that serve these."""

    vips: tuple[VipSpec, ...]
    listeners: tuple[ListenerSpec, ...]
    keys: tuple[str, ...]


class Duties:
    """Belongs to one switch."""

    def __init__(self) -> None:
        self._basis: tuple[object, ...] = ()
        self._served = _Served((), (), ())
        self._place: tuple[object, ...] = ()
        self._pools: dict[str, tuple[PoolState, PoolSpec]] = {}

    def of(self, world: PlanInput, switch: Switch) -> SwitchSpec:
        """What ``switch`` has to know besides pins, as ``switch_spec_without_pins`` says."""
        served = self._serve(world, switch)
        pools = self._make_pools(world, switch, served.keys)
        return SwitchSpec(
            switch,
            served.vips,
            served.listeners,
            pools,
            uplinks=uplinks_of(world, switch),
            ecmp=ecmp_of(world, switch),
            bypass=bypass_of(world, switch),
            responder=responds_here(world, switch),
        )

    def _serve(self, world: PlanInput, switch: Switch) -> _Served:
        intent = world.intent
        spreads = {key: (state.spread, len(state.now)) for key, state in world.pools.items()}
        agents = intent.by_agents
        basis = (
            intent.vips,
            agents,
            world.ids,
            world.bound,
            world.owners,
            world.generations,
            switch,
            spreads,
        )
        if len(self._basis) == len(basis) and all(
            old is new or old == new for old, new in zip(self._basis, basis, strict=True)
        ):
            return self._served
        vips, old = vip_specs(world, switch), self._served
        specs, keys = listener_specs(world, switch, vips)
        made = _Served(tuple(vips.values()), tuple(specs), tuple(keys))
        known = {spec.id: spec for spec in old.listeners}
        kept = tuple(known[s.id] if known.get(s.id) == s else s for s in made.listeners)
        self._basis = basis
        self._served = _Served(
            old.vips if old.vips == made.vips else made.vips,
            old.listeners if old.listeners == kept else kept,
            made.keys,
        )
        return self._served

    def _make_pools(self, world: PlanInput, switch: Switch, keys: tuple[str, ...]) -> dict[int, PoolSpec]:
        place = (switch, world.intent.site(switch.site), world.ids)
        known = self._pools if all(map(_same, self._place, place)) and self._place else {}
        made = {}
        for key in keys:
            state, old = world.pools[key], known.get(key)
            if old is not None and old[0] is state:
                made[key] = old
            else:
                made[key] = state, pool_spec(world, switch, key)
        self._pools, self._place = made, place
        return {spec.id: spec for _, spec in made.values()}


def _same(old: object, new: object) -> bool:
    return old is new or old == new
