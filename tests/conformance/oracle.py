"""The oracle as a target: ``decision.decide`` chooses, and the frame comes out at the chosen server's port as it was.

It knows no frames, so rows about anything but the choice pass it by. It is also what the fuzzer compares with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from controller.decision import DecidedBy, Decision, after, decide
from controller.lbstate import LbState, Packet, connection_key, listener_of
from controller.plan.duty import duty
from controller.plan.ids import Space
from controller.plan.pins import PinKey
from controller.spec.spread import Spread
from controller.spec.switch import ListenerSpec
from controller.spec.types import Protocol, Switch
from tests.conformance.ageing import Ageing, Generations
from tests.conformance.moment import Moment
from tests.conformance.packets import ACK, SYN, Read, read_frame, without_priority
from tests.conformance.scenario import switch_of
from tests.conformance.target import DEADLINE, Can, Counts, Heard, Reason, Report, Wire


class Oracle:
    """Implements ``Target`` by the decision function; ``kind`` is that of the switch whose hash it takes."""

    reasons = frozenset({Reason.EXCEPTION, Reason.FOUND, Reason.RESET, Reason.PIN_STALE})

    def __init__(self, kind: str = "ovs", ageing: Ageing | None = None, spread: Spread = Spread.OWN) -> None:
        self.name = "oracle"
        self.spread = spread
        self.switch: Switch = switch_of(kind)
        self.state = LbState((), {})
        self._names: dict[int, str] = {}
        self._numbers: dict[PinKey, int] = {}
        self._retracted: dict[PinKey, int] = {}
        """Ids of the pins that a SYN has hidden."""
        self._ageing = ageing or Generations()

    def has(self, what: Can) -> bool:
        """See ``Target``."""
        return what in (
            Can.MEMORY_CLOCK,
            Can.GENERATIONS,
            Can.FULLNAT_PINS,
            Can.FULLNAT_AFFINITY,
        )

    def apply(self, world: Moment) -> None:
        """See ``Target``."""
        made = duty(world, self.switch)
        self._names = {n: name for name, n in world.ids.ids(Space.BACKEND).items()}
        pins = {pin.key: pin for pin in world.pins.pins.values()}
        self._numbers = {key: pin.id for key, pin in pins.items()}
        self._retracted = {k: n for k, n in self._retracted.items() if self._numbers.get(k) == n}
        held = {key: pin.backend for key, pin in pins.items() if key not in self._retracted}
        memory = self._ageing.passes(self.state.memory, world)
        self.state = replace(LbState.fresh(made, self._names), pins=held, memory=memory)

    def exchange(
        self, sent: Sequence[Wire], done: Callable[[Heard], bool], within: float = DEADLINE
    ) -> Heard:
        """See ``Target``."""
        heard = Heard()
        for wire in sent:
            packet = as_packet(wire.frame)
            if packet is None:
                continue
            decision = self.decide(packet)
            if decision.by is DecidedBy.BLOCKED:
                continue
            heard.reports += self._reports(packet, decision)
            if decision.backend is not None:
                heard.frames.append(Wire(self._names[decision.backend], wire.frame))
            self._retract(packet)
        return heard

    def decide(self, packet: Packet) -> Decision:
        """What becomes of a packet, after which memory has changed."""
        decision = decide(packet, self.state)
        new, listener = after(packet, self.state, decision), listener_of(packet, self.state)
        if listener is not None and decision.by is not DecidedBy.BLOCKED:
            key = connection_key(packet, listener)
            memory = self._ageing.decided(packet, key, decision, self.state.memory, new.memory)
            new = replace(new, memory=memory)
        self.state = new
        return decision

    def _retract(self, packet: Packet) -> None:
        """A SYN hides the pin of the connection that had its ports before."""
        for key in self._stale(packet):
            self._retracted[key] = self._numbers[key]
            self.state = replace(self.state, pins={k: b for k, b in self.state.pins.items() if k != key})

    def _stale(self, packet: Packet) -> Iterator[PinKey]:
        """The pin that the packet retracts, or that one before it did and the controller has not yet removed."""
        listener = listener_of(packet, self.state)
        if listener is not None and not listener.sticky:
            key = PinKey(listener.id, packet.source, packet.source_port)
            if key in self._retracted or (packet.syn and key in self._numbers):
                yield key

    def _reports(self, packet: Packet, decision: Decision) -> Iterator[Report]:
        listener = listener_of(packet, self.state)
        if listener is None:
            return
        for key in self._stale(packet):
            yield Report(Reason.PIN_STALE, listener.id, packet.source, key.port, pin=self._numbers[key])
        if decision.tell:
            yield self._report(Reason(decision.tell), packet, listener, decision.backend or 0)
        if decision.by is DecidedBy.RESET:
            yield self._report(Reason.RESET, packet, listener, 0)

    @staticmethod
    def _report(reason: Reason, packet: Packet, listener: ListenerSpec, backend: int) -> Report:
        port = 0 if listener.sticky else packet.source_port
        return Report(reason, listener.id, packet.source, port, backend)

    def counts(self) -> dict[tuple[int, int], Counts]:
        """See ``Target``."""
        return {}

    def count_all(self) -> None:
        """See ``Target``: it counts at once."""

    def forget(self) -> None:
        """See ``Target``."""
        self.state = replace(self.state, memory={})
        self._retracted.clear()
        self._ageing.forget()

    def close(self) -> None:
        """See ``Target``."""


def as_packet(frame: bytes) -> Packet | None:
    """What a decision depends on, of a TCP or UDP packet; None for others."""
    found = read_frame(without_priority(frame))
    protocol = next((p for p in Protocol if found is not None and p.number == found.protocol), None)
    if found is None or protocol is None or found.fragment:
        return None
    syn = protocol is Protocol.TCP and _opens(found)
    return Packet(found.source, found.port(0), found.destination, found.port(1), protocol, syn)


def _opens(segment: Read) -> bool:
    return segment.payload[13] & (SYN | ACK) == SYN
