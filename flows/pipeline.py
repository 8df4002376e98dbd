"""The whole pipeline of one switch: which stages its roles need, assembled into a target.

listener, pool, VIP changed ─► its parts made again ─┐
pins changed ──────────────────────────────────────────┴─► next version of the flows
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from controller.spec.access import OPEN
from controller.spec.slots import SlotTable
from controller.spec.spread import Spread
from controller.spec.switch import (
    BackendSpec,
    Fate,
    HeldPin,
    ListenerSpec,
    PinSpec,
    PoolSpec,
    SwitchSpec,
    VipSpec,
    pools_alone,
)
from controller.spec.types import Address, Mode, Network, Role, Switch
from flows.entries import Flow, FlowBody, FlowKey, Group, Meter, Target
from flows.parts import Part, Parts
from flows.spec import Here
from flows.stages import (
    access,
    answers,
    backend,
    choose,
    conflict,
    edge,
    fate,
    fragment,
    guard,
    icmp,
    listener,
    memory,
    pin,
    respond,
    slotted,
)
from flows.tables import Stage


class PinPlace(NamedTuple):
    """Where a pin is: a connection of a listener (port 0 with affinity ``source``)."""

    listener: int
    source: Address
    port: int

    @staticmethod
    def of(made: PinSpec) -> PinPlace:
        """Where a pin is."""
        return PinPlace(made.listener, made.source, made.port)


def target(duty: SwitchSpec) -> Target:
    """What the switch should hold."""
    return Builder().target(duty)


def answers_of(switch: Switch, vips: Iterable[VipSpec]) -> Mapping[FlowKey, FlowBody]:
    """The flows by which an edge answers for VIPs, which agents write where there are some."""
    here = _here(switch).anywhere
    made = (respond.answers(here, vip, fenced=bool(switch.fence)) for vip in vips)
    return {each.key: each.body for flows in made for each in flows}


class Builder:
    """Builds the targets of one switch; each shares with the one before what did not change."""

    def __init__(self) -> None:
        self._here: Here | None = None
        self._duty: SwitchSpec | None = None
        self._parts = Parts(0)
        self._target = Target()
        self._reach: dict[int, tuple[PoolSpec, tuple[BackendSpec, ...]]] = {}
        """The backends of each pool without their fates, and what they were taken from."""
        self._slots: dict[PinPlace, int] = {}
        """Slots that pins were put in with."""

    def target(self, duty: SwitchSpec) -> Target:
        """What the switch should hold: what ``duty`` says, and the pins that were put in one by one.

        Where its placement is another than before, all is made again, and pins have to be put in again.
        """
        here, before = _here(duty.switch), self._here
        if before is None or before.placed != here.placed:
            self._parts = Parts(here.placed.entry)
        elif before == here:
            # What is made of it is compared with it.
            here = before
        self._here = here
        last, self._duty = self._duty, duty
        if last is not None and here is before and pools_alone(last, duty):
            changed = {n for n, pool in duty.pools.items() if last.pools[n] is not pool}
            self._parts.again(self._of_pools(here, duty, changed))
            slots = {number: pool.table for number, pool in duty.pools.items()}
            if Role.LB not in duty.switch.roles or _alike(self._target.slots, slots):
                slots = dict(self._target.slots)
            return self._new(self._target.groups, self._target.meters, slots)
        return self._whole(here, duty)

    def _whole(self, here: Here, duty: SwitchSpec) -> Target:
        roles = duty.switch.roles
        groups: Mapping[int, Group] = {}
        meters: dict[int, Meter] = {}
        slots = {}
        if Role.LB in roles:
            hashes = slotted.group(here.placed)
            groups = {hashes.id: hashes}
            meters = {m.id: m for m in guard.meters(here.placed, list(duty.listeners))}
            slots = {number: pool.table for number, pool in duty.pools.items()}
        elif Role.EDGE in roles:
            groups = edge.groups(here, duty.ecmp, duty.uplinks)
        if duty.responder and duty.switch.fence:
            groups = {**groups, **respond.groups(here.placed, duty.switch.fence)}
        if duty.responder:
            heard = conflict.meter(here.placed)
            meters[heard.id] = heard
        self._parts.follow(self._wanted(here, duty))
        return self._new(groups, meters, slots)

    def _new(
        self, groups: Mapping[int, Group], meters: Mapping[int, Meter], slots: Mapping[int, SlotTable]
    ) -> Target:
        """The next target; what is equal is the same object."""
        last = self._target
        self._target = Target(
            self._parts.flows,
            last.groups if last.groups == groups else groups,
            last.meters if last.meters == meters else meters,
            last.slots if _alike(last.slots, slots) else slots,
            self._parts.entry,
        )
        return self._target

    def with_pins(self, held: Iterable[HeldPin], ended: Iterable[PinPlace]) -> Target:
        """The same with other pins: these put in, and whatever those other connections had taken out."""
        here = self._here
        assert here is not None, "pins come after a target"
        held = list(held)
        put = {each.key: each.body for one in held for each in pin.entries(here, one)}
        # A pin whose role changes has another place, and one whose listener spreads otherwise.
        places = (*ended, *(PinPlace.of(each.spec) for each in held))
        gone = [
            key
            for place in places
            for key in pin.keys(here, *place, self._slots.pop(place, None))
            if key not in put
        ]
        self._parts.put(put, gone)
        self._slots |= {PinPlace.of(each.spec): each.spec.slot for each in held if each.spec.slot is not None}
        self._target = replace(self._target, flows=self._parts.flows)
        return self._target

    def pins(self) -> Iterator[FlowKey]:
        """Places of all pins, by a look at every flow."""
        assert self._here is not None, "pins come after a target"
        table = self._here.placed.table(Stage.PIN)
        return (key for key in self._parts.flows if key.table == table and key.priority in pin.PRIORITIES)

    def without(self, places: Iterable[FlowKey]) -> None:
        """Take single flows out: pins that are none any more."""
        self._parts.put({}, places)

    def _wanted(self, here: Here, duty: SwitchSpec) -> Iterator[Part]:
        roles = duty.switch.roles
        reach = self._backends(duty.pools)
        if duty.responder:
            yield _part(_advert, here.anywhere, name=0)
            for vip in duty.vips:
                yield _part(
                    conflict.flows, here.anywhere, replace(vip, generation=0, authority=0), name=vip.id
                )
            respond_ = _fenced if duty.switch.fence else respond.flows
            yield from (_part(respond_, here.anywhere, _timeless(vip), name=vip.id) for vip in duty.vips)
        if Role.LB in roles:
            yield from _lb(here, duty, reach)
        elif Role.EDGE in roles:
            yield from _edge(here, duty)
        for item in duty.listeners:
            if item.mode is Mode.NAT:
                yield _part(
                    _answers, here.anywhere, _lasting(item), reach[item.pool], duty.bypass, name=item.id
                )
        if duty.pins:
            yield _part(_pins, here, duty.pins, name=0)

    def _of_pools(self, here: Here, duty: SwitchSpec, changed: Set[int]) -> Iterator[Part]:
        """The parts that are made of these pools, among others."""
        reach = self._backends(duty.pools)
        lb = Role.LB in duty.switch.roles
        for item in (item for item in duty.listeners if item.pool in changed):
            if lb:
                yield _part(_backends, here.anywhere, _lasting(item), reach[item.pool], name=item.id)
            if item.mode is Mode.NAT:
                yield _part(
                    _answers, here.anywhere, _lasting(item), reach[item.pool], duty.bypass, name=item.id
                )
        for number in changed if lb else ():
            yield from _pool(here, duty.pools[number], reach[number])

    def _backends(self, pools: Mapping[int, PoolSpec]) -> dict[int, tuple[BackendSpec, ...]]:
        """The backends of each pool without their fates; those of a pool that is the same are the same object."""
        known, now = self._reach, dict[int, tuple[PoolSpec, tuple[BackendSpec, ...]]]()
        for number, pool in pools.items():
            old = known.get(number)
            if old is not None and old[0] is pool:
                now[number] = old
                continue
            made = tuple(_without_fate(real) for real in pool.backends)
            now[number] = pool, old[1] if old is not None and old[1] == made else made
        self._reach = now
        return {number: made for number, (_, made) in now.items()}


def _part(make: Callable[..., Iterable[Flow]], *basis: object, name: Hashable) -> Part:
    """A part that one function makes of its arguments."""
    return Part((make, name), basis, partial(make, *basis))


def _here(switch: Switch) -> Here:
    """The switch as far as flows depend on it, besides what its duty says of next hops."""
    return Here.of(
        replace(switch, name="", ports=(), routes=(), fence=(), ovsdb=None, roles=frozenset(), local=())
    )


def _bare(pool: PoolSpec) -> PoolSpec:
    """A pool without its backends and its table."""
    return replace(pool, backends=(), table=SlotTable.NOTHING)


def _alike(old: Mapping[int, object], new: Mapping[int, object]) -> bool:
    return old.keys() == new.keys() and all(old[key] is new[key] for key in new)


def _without_fate(real: BackendSpec) -> BackendSpec:
    return real if real.fate is Fate.NORMAL else replace(real, fate=Fate.NORMAL)


def _timeless(vip: VipSpec) -> VipSpec:
    return replace(vip, generation=0) if vip.generation else vip


def _lasting(item: ListenerSpec) -> ListenerSpec:
    """A listener without what changes with time: for flows that name no zone of memory, and no limit."""
    return replace(item, vip=replace(item.vip, generation=0, authority=0), guards=(), access=OPEN)


def _lb(here: Here, duty: SwitchSpec, reach: Mapping[int, tuple[BackendSpec, ...]]) -> Iterator[Part]:
    yield _part(_static, here.anywhere, name=0)
    for vip in duty.vips:
        yield _part(_vip, here.anywhere, replace(vip, authority=0), name=vip.id)
    for item in duty.listeners:
        yield _part(_listener, here if item.local else here.anywhere, item, name=item.id)
        yield _part(access.flows, here.anywhere, replace(_lasting(item), access=item.access), name=item.id)
        yield _part(_backends, here.anywhere, _lasting(item), reach[item.pool], name=item.id)
    for pool in duty.pools.values():
        yield from _pool(here, pool, reach[pool.id])


def _pool(here: Here, pool: PoolSpec, reals: tuple[BackendSpec, ...]) -> Iterator[Part]:
    yield _part(choose.pool, here.anywhere, pool.id, pool.slots, pool.period, name=pool.id)
    if pool.spread is not Spread.OWN:
        yield _part(slotted.pool, here.anywhere, _bare(pool), name=pool.id)
    yield _part(memory.old, here.anywhere, pool.id, pool.period, name=pool.id)
    yield _part(_nexthops, here, reals, name=pool.id)
    yield _part(_keeps, here.anywhere, reals, name=pool.id)
    special = tuple(real for real in pool.backends if real.fate is not Fate.NORMAL)
    yield _part(_fates, here.anywhere, special, name=pool.id)


def _advert(here: Here) -> list[Flow]:
    return [respond.advert(here)]


def _fenced(here: Here, vip: VipSpec) -> list[Flow]:
    return respond.flows(here, vip, fenced=True)


def _static(here: Here) -> list[Flow]:
    return [
        *access.static(here),
        *guard.static(here),
        *slotted.static(here),
        *pin.static(here),
        *memory.static(here),
        *choose.static(here),
        *fate.static(here),
        *icmp.static(here),
        *fragment.static(here),
        backend.too_big(here),
    ]


def _vip(here: Here, vip: VipSpec) -> list[Flow]:
    return [*icmp.claim(here, vip), *fragment.claim(here, vip), listener.rest(here, vip)]


def _listener(here: Here, item: ListenerSpec) -> list[Flow]:
    """Of the switch itself they name the MAC, where it answers for the listener's local address."""
    return [
        *listener.flows(here, item),
        *fragment.listener(here, item),
        *guard.flows(here, item),
        icmp.deliver(here, item),
        *answers.local(here, item),
        *backend.fragment_source(here, item),
    ]


def _backends(here: Here, item: ListenerSpec, reals: tuple[BackendSpec, ...]) -> list[Flow]:
    return [each for real in reals for each in backend.flows(here, item, real)]


def _nexthops(here: Here, reals: tuple[BackendSpec, ...]) -> list[Flow]:
    return [each for real in reals for each in backend.nexthop(here, real)]


def _fates(here: Here, reals: tuple[BackendSpec, ...]) -> list[Flow]:
    return [each for real in reals for each in fate.special(here, real)]


def _keeps(here: Here, reals: tuple[BackendSpec, ...]) -> list[Flow]:
    return [fate.keeps(here, real) for real in reals]


def _edge(here: Here, duty: SwitchSpec) -> Iterator[Part]:
    sticky: dict[int, list[ListenerSpec]] = {}
    for item in duty.listeners:
        if item.sticky:
            sticky.setdefault(item.vip.id, []).append(_lasting(item))
    for vip in duty.vips:
        own = tuple(sticky.get(vip.id, ()))
        yield _part(edge.flows, here, replace(vip, generation=0, authority=0), own, duty.uplinks, name=vip.id)
    yield _part(edge.slots, here.anywhere, duty.ecmp, name=0)


def _answers(
    here: Here, item: ListenerSpec, reals: tuple[BackendSpec, ...], bypass: tuple[Network, ...]
) -> list[Flow]:
    return [each for real in reals for each in answers.nat(here, item, real, bypass)]


def _pins(here: Here, held: tuple[HeldPin, ...]) -> list[Flow]:
    return [each for one in held for each in pin.entries(here, one)]
