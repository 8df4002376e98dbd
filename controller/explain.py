"""Where packets of a connection go on each lb switch, and why: the oracle on a plan, in values that can be shown. Pure.

``decision.py`` decides; this asks it for a packet that opens the connection and for one that does not, and adds what
surrounds the decision: slot, pin, transition, backend, next hop. What a switch remembers by itself is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.decision import Decision, decide
from controller.hashes import SLOT_HASHES, Slotting
from controller.lbstate import LbState, Packet
from controller.plan.duty import (
    PlanInput,
    listener_number,
    pool_number,
    pool_spec,
    slotting,
    switch_spec_without_pins,
)
from controller.plan.ids import Space
from controller.plan.pins import Pin, PinKey
from controller.plan.pool import PoolState
from controller.spec.switch import BackendSpec
from controller.spec.types import Affinity, Intent, Listener, Protocol, Role, Switch, Vip


@dataclass(frozen=True)
class Decided:
    """What becomes of one packet."""

    packet: str
    """``syn``: it opens the connection. ``established``: it does not, and is not remembered. ``datagram``: of UDP."""
    backend: str | None
    """Null: it goes to none."""
    by: str
    """The stage whose word counts."""
    reasons: tuple[str, ...]
    """One for each stage that was asked."""


@dataclass(frozen=True)
class Hop:
    """How packets reach a backend from one switch."""

    backend: str
    fate: str
    mode: str
    addresses: tuple[str, ...]
    mac: str | None
    """Destination of frames to it; null: it is learned."""
    ports: tuple[str, ...]
    """``NUMBER to NAME``, the preferred ones first; empty: as the switch's routes say."""
    packets: int | None = None
    """That the switch has counted from this listener to it; null: not known."""


@dataclass(frozen=True)
class Checked:
    """One entry that the switch was asked for."""

    what: str
    """``slot`` or ``pin``."""
    state: str
    """``as planned``, ``missing``, ``modified`` or ``unexpected``."""
    entry: str
    packets: int | None = None
    """That hit it; null: it does not count."""


@dataclass(frozen=True)
class OnSwitch:
    """One lb switch."""

    switch: str
    site: str
    hash: str
    """Of its kind of switch."""
    spread: str
    """From what the slot is taken."""
    slot: int | None
    slots: int
    now: str
    """The backend that owns the slot; empty: none does."""
    tracked: bool
    """The slot moved lately: established connections go by pin, memory or base."""
    base: str
    """Whose it was before; empty: it has none."""
    before: str
    """Who keeps established connections in a transition of a pool that tracks none; empty: there is none."""
    pin: str
    """The backend that the connection is pinned to; empty: it has no pin."""
    reporter: str
    """The switch that reports the pin's end."""
    decisions: tuple[Decided, ...]
    hops: tuple[Hop, ...]
    """To the backends of the decisions."""
    connected: bool | None = None
    """Null: not known, as of all below."""
    admitted: bool | None = None
    """Edges send to it."""
    taken: bool | None = None
    """It holds the newest plan."""
    change: int | None = None
    """Revision of the plan that it holds."""
    checked: tuple[Checked, ...] | None = None
    """What was read from it now; null: it was not."""
    problem: str = ""
    """Why it could not be read."""


@dataclass(frozen=True)
class Happened:
    """An event of the log that bears on it."""

    at: float
    """Unix time."""
    change: int
    event: str
    text: str


@dataclass(frozen=True)
class Health:
    """What is believed of a backend."""

    backend: str
    up: bool | None
    """Null: it is not probed, or not yet."""
    seconds: float | None
    """For how long that has been so."""
    reason: str
    weight: str = ""
    """What its weight is made of besides that of the intent, and what its agent says; empty: nothing."""


@dataclass(frozen=True)
class Explanation:
    """One connection, on all lb switches that were asked for."""

    source: str
    target: str
    protocol: str
    listener: str | None
    """Null: there is none, and no switch takes the packets."""
    vip: str
    owner: str
    """The site that answers for the VIP; empty: none."""
    pool: str
    """Key of the table."""
    table: int
    """Revision of the table."""
    switches: tuple[OnSwitch, ...]
    presumed: str
    change: int = 0
    """Revision of the plan; 0: it was never stored."""
    health: tuple[Health, ...] = ()
    history: tuple[Happened, ...] = ()
    """Verdicts on the backends, and tables of the pool, the latest last."""
    differences: tuple[str, ...] = ()
    """What is not on a switch as it should be, and in what switches disagree."""


PRESUMED = "switches remember nothing of the connection by themselves, and no guard drops"


def listener_of(intent: Intent, packet: Packet) -> tuple[Vip, Listener] | None:
    """The VIP and the listener that claim a packet."""
    for vip in intent.vips:
        if vip.address == packet.destination:
            for item in vip.listeners:
                if (item.protocol, item.port) == (packet.protocol, packet.destination_port):
                    return vip, item
    return None


def switches_of(intent: Intent, vip: Vip | None, name: str | None = None) -> list[Switch]:
    """lb switches that serve a VIP, or the one of that name."""
    lbs = [switch for switch in intent.switches if Role.LB in switch.roles]
    return [s for s in lbs if (name is None or s.name == name) and (vip is None or s.site in vip.owners)]


def explain(
    world: PlanInput, packet: Packet, switches: list[Switch], flags: bool, presumed: str = PRESUMED
) -> Explanation:
    """By a plan. ``flags``: of this packet alone; else of one that opens the connection and of one that does not."""
    found = listener_of(world.intent, packet)
    ends = (_joined(packet.source, packet.source_port), _joined(packet.destination, packet.destination_port))
    if found is None:
        return Explanation(*ends, str(packet.protocol), None, "", "", "", 0, (), presumed, world.revision)
    vip, item = found
    key = world.state_key(item)
    packets = [packet] if flags or packet.protocol is Protocol.UDP else _both(packet)
    made = tuple(_OnSwitch(world, switch, item, packet).explain(packets) for switch in switches)
    return Explanation(
        *ends,
        str(packet.protocol),
        item.name,
        vip.name,
        world.owners.get(vip.name, ""),
        key,
        world.pools[key].revision,
        made,
        presumed,
        world.revision,
        differences=tuple(_disagreements(made)),
    )


def pin_key(world: PlanInput, item: Listener, packet: Packet) -> PinKey:
    """Under which the connection's pin is."""
    sticky = item.affinity is Affinity.SOURCE
    return PinKey(listener_number(world, item), packet.source, 0 if sticky else packet.source_port)


def slot_of(world: PlanInput, switch: Switch, item: Listener, packet: Packet) -> int | None:
    """The slot of a connection; None: the kind's hash is not known here."""
    if switch.hash_name not in SLOT_HASHES:
        return None
    how: Slotting = slotting(world, switch, item)
    sticky = item.affinity is Affinity.SOURCE
    return how.slot(packet.source, 0 if sticky else packet.source_port)


def _both(packet: Packet) -> list[Packet]:
    return [replace(packet, syn=True), replace(packet, syn=False)]


class _OnSwitch:
    """One switch's part."""

    def __init__(self, world: PlanInput, switch: Switch, item: Listener, packet: Packet) -> None:
        self._world, self._switch, self._item = world, switch, item
        self._names = {number: name for name, number in world.ids.ids(Space.BACKEND).items()}
        self._key = world.state_key(item)
        self._state: PoolState = world.pools[self._key]
        self._pin: Pin | None = world.pins.pins.get(pin_key(world, item, packet))
        self._slot = slot_of(world, switch, item, packet)

    def explain(self, packets: list[Packet]) -> OnSwitch:
        """Of these packets."""
        state, slot = self._state, self._slot
        decisions = () if slot is None else tuple(self._decided(each) for each in packets)
        entry = None if slot is None else state.tracking.entry(slot)
        tracked = slot is not None and bool(state.tracking.tracked[slot])
        names = dict.fromkeys(each.backend for each in decisions if each.backend is not None)
        hops = pool_spec(self._world, self._switch, self._key).backends
        return OnSwitch(
            self._switch.name,
            self._switch.site,
            self._switch.hash_name,
            str(state.spread or ""),
            slot,
            len(state.now),
            "" if slot is None else self._name(int(state.now[slot])),
            tracked,
            self._name(entry.base) if entry is not None and tracked else "",
            "" if slot is None or tracked else self._name(int(state.before[slot])),
            "" if self._pin is None else self._name(self._pin.backend),
            "" if self._pin is None else self._pin.reporter or "",
            decisions,
            tuple(self._hop(each) for each in hops if self._name(each.id) in names),
        )

    def _decided(self, packet: Packet) -> Decided:
        plan = switch_spec_without_pins(self._world, self._switch)
        pins = {} if self._pin is None else {self._pin.key: self._pin.backend}
        made: Decision = decide(packet, replace(LbState.fresh(plan, self._names), pins=pins))
        kind = "datagram" if packet.protocol is Protocol.UDP else "syn" if packet.syn else "established"
        backend = None if made.backend is None else self._name(made.backend)
        return Decided(kind, backend, str(made.by), made.reasons)

    def _hop(self, real: BackendSpec) -> Hop:
        behind = {port.number: port.to for port in self._switch.ports}
        return Hop(
            self._name(real.id),
            real.fate.value,
            str(self._item.mode),
            tuple(map(str, real.addresses)),
            real.mac,
            tuple(f"{number} to {behind.get(number, '?')}" for number in real.ports),
        )

    def _name(self, number: int) -> str:
        return self._names.get(number, f"id {number}") if number else ""


def _disagreements(switches: tuple[OnSwitch, ...]) -> list[str]:
    """Packets that switches would send to different backends."""
    out = []
    for kind in dict.fromkeys(each.packet for switch in switches for each in switch.decisions):
        said = {
            switch.switch: each.backend
            for switch in switches
            for each in switch.decisions
            if each.packet == kind
        }
        if len(set(said.values())) > 1:
            where = ", ".join(f"{name}: {backend or 'none'}" for name, backend in said.items())
            out.append(f"switches disagree about {kind} packets ({where})")
    return out


def _joined(address: object, port: int) -> str:
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def pool_of_listener(world: PlanInput, item: Listener) -> int:
    """Number of the pool that serves a listener."""
    return pool_number(world, world.state_key(item))
