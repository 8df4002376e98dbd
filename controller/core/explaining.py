"""Explains a connection: by the plan, by what its switches hold now, and by what has happened. Owns nothing.

plan ─► oracle ─┐
switch ─► look ─┼─► explanation, with what differs
log ─► verdicts, tables ─┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.eventwords import what
from controller.core.fleet import Fleet
from controller.core.presence import Presence
from controller.core.switchtask import SwitchTask
from controller.core.targets import Targets
from controller.explain import (
    Checked,
    Explanation,
    Happened,
    Health,
    Hop,
    OnSwitch,
    explain,
    listener_of,
    pin_key,
    pool_of_listener,
    switches_of,
)
from controller.lbstate import Packet
from controller.plan.duty import PlanInput, listener_number
from controller.plan.ids import Space
from controller.plan.tables import Verdicts
from controller.sites.base import Loaded, StoreError
from controller.sites.eventlog import entries
from controller.sites.timeline import Entry, merged
from controller.southbound.driver import Counts, Looks, Spot
from controller.southbound.errors import SwitchError
from controller.spec.types import Listener, Switch

WITHIN = 30.0
"""Seconds for an explanation: each switch has its deadline, and all are asked at once."""
LATEST = 10
"""Events shown, at most."""


class UnknownSwitch(ValueError):
    """No lb switch of that name serves the connection; the message says which do."""


class Explaining:
    """Asked for one connection at a time or for many."""

    def __init__(
        self,
        targets: Targets,
        fleet: Fleet,
        presence: Presence,
        verdicts: Readable[Verdicts],
        log: Callable[[], Awaitable[Loaded]],
        clock: Clock,
        weighed: Callable[[str, str], str],
    ) -> None:
        """``log``: reads what happened; raises StoreError. ``weighed``: what makes a backend's weight, in words."""
        self._targets = targets
        self._fleet = fleet
        self._presence = presence
        self._verdicts = verdicts
        self._log = log
        self._weighed = weighed
        self._clock = clock

    async def explain(self, packet: Packet, flags: bool, switch: str | None = None) -> Explanation:
        """On all lb switches that serve it, or on one. Raises UnknownSwitch.

        ``flags``: of this very packet; else of one that opens the connection and of one that does not.
        """
        world = self._targets.world
        found = listener_of(world.intent, packet)
        vip = None if found is None else found[0]
        chosen = switches_of(world.intent, vip, switch)
        if switch is not None and not chosen:
            names = ", ".join(s.name for s in switches_of(world.intent, vip)) or "none"
            raise UnknownSwitch(f'no lb switch "{switch}" serves it; those that do: {names}')
        made = explain(world, packet, chosen, flags)
        if found is None:
            return made
        item = found[1]
        pairs = zip(made.switches, chosen, strict=True)
        asked = (self._look(world, each, named, item, packet) for each, named in pairs)
        switches = tuple(await asyncio.gather(*asked))
        backends = tuple(dict.fromkeys(hop.backend for each in switches for hop in each.hops))
        pool = world.state_of(item).name
        history, problem = await self._history(made.pool, pool, backends)
        return replace(
            made,
            switches=switches,
            health=tuple(self._health(pool, name) for name in backends),
            history=history,
            differences=(*made.differences, *_differences(switches), *problem),
        )

    async def _look(
        self, world: PlanInput, made: OnSwitch, switch: Switch, item: Listener, packet: Packet
    ) -> OnSwitch:
        task = self._fleet.get(switch.id)
        if task is None:
            return replace(made, connected=False, admitted=self._presence.is_admitted(switch.id))
        held = task.holding.world
        made = replace(
            made,
            connected=True,
            admitted=self._presence.is_admitted(switch.id),
            taken=held is world,
            change=None if held is None else held.revision,
            hops=tuple(_counted(world, task, item, made.hops)),
        )
        driver = task.driver
        if made.slot is None or not isinstance(driver, Looks):
            return made
        key = pin_key(world, item, packet)
        number = listener_number(world, item)
        spot = Spot(number, pool_of_listener(world, item), made.slot, item.protocol, key.source, key.port)
        try:
            seen = await driver.look(self._targets.of(driver).target, spot)
        except SwitchError as error:
            return replace(made, problem=str(error))
        return replace(made, checked=tuple(Checked(*each) for each in seen))

    def _health(self, pool: str, name: str) -> Health:
        verdict, weight = self._verdicts.value.get(pool, {}).get(name), self._weighed(pool, name)
        if verdict is None:
            return Health(name, None, None, "", weight)
        return Health(name, verdict.up, round(self._clock.now() - verdict.since, 1), verdict.reason, weight)

    async def _history(
        self, key: str, pool: str, backends: Iterable[str]
    ) -> tuple[tuple[Happened, ...], tuple[str, ...]]:
        """What happened to the pool and these backends; and why that is not known, if it is not."""
        try:
            read = entries((await self._log()).values)
        except StoreError as error:
            return (), (f"what happened cannot be read: {error}",)
        known = set(backends)
        mine = [each for each in merged(read.entries) if _concerns(each, key, pool, known)]
        return tuple(_happened(each) for each in mine[-LATEST:]), ()


def _concerns(entry: Entry, key: str, pool: str, backends: set[str]) -> bool:
    fields = entry.fields
    if entry.event in ("verdict", "server_says"):
        return fields.get("pool") == pool and fields.get("backend") in backends
    return entry.event in ("table", "groups", "slots_held", "slots_released") and fields.get("pool") == key


def _happened(entry: Entry) -> Happened:
    return Happened(entry.at, entry.change, entry.event, what(entry))


def _counted(world: PlanInput, task: SwitchTask, item: Listener, hops: Iterable[Hop]) -> Iterator[Hop]:
    numbers = world.ids.ids(Space.BACKEND)
    for hop in hops:
        if isinstance(task.driver, Counts):
            place = listener_number(world, item), numbers.get(hop.backend, 0)
            yield replace(hop, packets=task.driver.packets.get(place, (0, 0))[0])
        else:
            yield hop


def _differences(switches: Iterable[OnSwitch]) -> Iterator[str]:
    for each in switches:
        if each.connected and not each.taken:
            yield f"switch {each.switch} does not hold the newest plan yet"
        if each.problem:
            yield f"switch {each.switch} could not be read: {each.problem}"
        for row in each.checked or ():
            if row.state != "as planned":
                yield f"switch {each.switch}: {row.what} {row.state}: {row.entry}"
