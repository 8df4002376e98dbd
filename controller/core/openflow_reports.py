"""What to do about packets that Open vSwitch switches report: exceptions, pins, resets, ICMP errors, too big. No I/O.

Returns the packets to send; pins are changed by the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from typing import NamedTuple

from controller.core.directory import Directory
from controller.core.openflow_fragments import remembered
from controller.core.pinning import Pinning
from controller.core.questions import Questions
from controller.frames.quote import Quoted, quoted, redirect_error
from controller.frames.reset import tcp_reset
from controller.frames.toobig import packet_too_big
from controller.frames.tuple import tuple_of
from controller.plan.duty import local_address, slotting, tracks
from controller.plan.pins import PinKey
from controller.plan.pool import PoolState
from controller.southbound.driver import Send
from controller.southbound.openflow.driver import OpenFlowPacket
from controller.southbound.openflow.events import FlowEnded, PacketIn
from controller.spec.kinds import Protocol
from controller.spec.types import Address, Affinity, Listener, Mode, Switch
from flows import zones
from flows.actions import Action, Bits, Conntrack, Load, Nat, Resubmit, pack_all
from flows.actions import Set as SetField
from flows.spec import Here
from flows.stages.backend import hand_over
from flows.tables import BACKEND, FOUND, LISTENER, PIN, SOURCE_PORT, Kind, Placed, Stage


class OpenFlowReports:
    """Handles packet-ins and ended flows; state is only which ICMP errors are being asked about."""

    def __init__(self, pinning: Pinning) -> None:
        self._pinning = pinning
        self._questions = Questions()
        self.counts: dict[str, int] = {}
        """Packet-ins so far, by kind."""

    def ended(self, event: FlowEnded, known: Directory, now: float) -> None:
        """A flow with an idle timeout ended, ``now``: seconds of the clock."""
        switch = known.switch(event.session.id)
        if switch is not None and event.cookie.kind is Kind.PIN and event.idle:
            self._pinning.idle(switch.name, event.cookie.id, now)

    def handle(self, event: PacketIn, known: Directory, here: Set[str], now: float) -> list[Send]:
        """What to send for one reported packet; malformed ones are counted and dropped.

        ``here``: connected switches; ``now``: seconds of the clock.
        """
        kind = event.cookie.kind
        self.counts[kind.name.lower()] = self.counts.get(kind.name.lower(), 0) + 1
        switch = known.switch(event.session.id)
        if switch is None:
            return []
        if kind is Kind.PIN_STALE:
            # The SYN's own flow is the pin's; what follows is told by one flow for all pins.
            self._pinning.replaced(event.cookie.id or event.fields.get(PIN, 0))
        elif kind is Kind.PIN_SEEN:
            self._pinning.seen(switch.name, event.cookie.id)
        elif kind in (Kind.EXCEPTION, Kind.YOUNG, Kind.BASE, Kind.FORMER, Kind.AGED):
            self._exception(_Reported(event, switch, known), now)
        else:
            return list(self._answers(_Reported(event, switch, known), here, now))
        return []

    def _exception(self, seen: _Reported, now: float) -> None:
        listener, flow = seen.listener, tuple_of(seen.event.frame)
        if listener is None or flow is None:
            return
        port = 0 if listener.affinity is Affinity.SOURCE else flow.source_port
        key = PinKey(seen.event.fields[LISTENER], flow.source, port)
        name, backend = seen.switch.name, seen.event.fields.get(BACKEND, 0)
        if seen.event.cookie.kind is Kind.BASE or seen.event.fields.get("ct_label", 0) >> FOUND[0] & 1:
            self._pinning.found(name, key, listener.protocol, backend)
        elif seen.event.cookie.kind is Kind.YOUNG:
            self._pinning.young(name, key, listener.protocol, backend, now)
        else:
            self._pinning.exception(name, key, listener.protocol, backend)

    def _answers(self, seen: _Reported, here: Set[str], now: float) -> Iterator[Send]:
        match seen.event.cookie.kind:
            case Kind.RESET:
                yield from _reset(seen)
            case Kind.TOO_BIG:
                yield from _too_big(seen)
            case Kind.FRAGMENT_UNKNOWN:
                yield from self._fragment(seen)
            case Kind.ICMP_KNOWN if _has(seen, seen.event.fields.get(BACKEND, 0)):
                yield from self._known(seen, now)
            case Kind.ICMP_KNOWN | Kind.ICMP_UNKNOWN:
                yield from self._unknown(seen, here, now)

    def _known(self, seen: _Reported, now: float) -> Iterator[Send]:
        # An edge sends an error to all lb switches, and we may send it again: it is one question all the same.
        question = self._questions.about(seen.event.frame[22:], now)
        if not question.answered:
            question.answered = True
            yield from _deliver(seen, seen.event.fields.get(BACKEND, 0))

    def _unknown(self, seen: _Reported, here: Set[str], now: float) -> Iterator[Send]:
        """No memory on this switch: ask the others once; if none knows, decide as the table says.

        Of a settled slot none knows, and the table says it at once.
        """
        inside = quoted(seen.event.frame)
        if inside is None:
            return
        switch = seen.switch
        question = self._questions.about(seen.event.frame[22:], now)
        if question.answered:
            return
        first = not question.asked
        question.asked.add(switch.name)
        others = {s.name: s for s in seen.known.lbs(switch.site) if s.name in here}
        if _settled(seen, inside):
            others = {}
        elif first:
            again = pack_all((Resubmit(switch.placement.entry_table),))
            for other in others.values():
                if other.name != switch.name and other.of_kind.protocol is Protocol.OPENFLOW:
                    yield Send(other.name, OpenFlowPacket(seen.event.frame, again))
        if others.keys() <= question.asked:
            question.answered = True
            yield from self._decide(seen, inside)

    def _fragment(self, seen: _Reported) -> Iterator[Send]:
        listener, flow = seen.listener, tuple_of(seen.event.frame)
        if listener is not None and flow is not None:
            key = PinKey(seen.event.fields[LISTENER], flow.source, flow.source_port)
            pinned = self._pinning.backend(key)
            made = remembered(seen.event, seen.known, seen.switch, listener, pinned)
            if made is not None:
                yield made

    def _decide(self, seen: _Reported, inside: Quoted) -> Iterator[Send]:
        listener = _quoted_listener(seen, inside)
        if listener is None:
            return
        number = seen.known.number(listener)
        backend = self._pinning.backend(PinKey(number, *_client(listener, inside)))
        if backend is None:
            state, slot = _slot(seen, listener, inside)
            follows = tracks(seen.known.world, seen.switch, listener)
            former = state.tracked_table.base[slot] if follows else state.before[slot]
            backend = int(former or state.now[slot])
        fields = {**seen.event.fields, LISTENER: number}
        yield from _deliver(seen._replace(event=replace(seen.event, fields=fields)), backend)


class _Reported(NamedTuple):
    """A packet-in, who sent it, and who is who."""

    event: PacketIn
    switch: Switch
    known: Directory

    @property
    def listener(self) -> Listener | None:
        return self.known.listener(self.event.fields.get(LISTENER, 0))

    @property
    def placed(self) -> Placed:
        return Placed(self.switch.placement)

    def send(self, frame: bytes, actions: tuple[Action, ...]) -> Send:
        return Send(self.switch.name, OpenFlowPacket(frame, pack_all(actions)))


def _quoted_listener(seen: _Reported, inside: Quoted) -> Listener | None:
    address, server_port = inside.server_side
    return seen.known.listener_at(address, inside.protocol, server_port)


def _client(listener: Listener, inside: Quoted) -> tuple[Address, int]:
    """Source of the connection, as pins and slots know it."""
    client, port = inside.client_side
    return client, 0 if listener.affinity is Affinity.SOURCE else port


def _slot(seen: _Reported, listener: Listener, inside: Quoted) -> tuple[PoolState, int]:
    """The slot of the connection that an error is about, and the state of its pool."""
    state = seen.known.world.state_of(listener)
    found = slotting(seen.known.world, seen.switch, listener)
    return state, found.slot(*_client(listener, inside))


def _settled(seen: _Reported, inside: Quoted) -> bool:
    """Whether no switch remembers the connection, since its slot is settled."""
    listener = _quoted_listener(seen, inside)
    if listener is None or not tracks(seen.known.world, seen.switch, listener):
        return False
    state, slot = _slot(seen, listener, inside)
    return not state.tracking.tracked[slot]


def _has(seen: _Reported, backend: int) -> bool:
    """Whether a backend is, or was, the listener's: what is remembered of others counts for nothing."""
    return seen.listener is not None and seen.known.backend(seen.listener, backend) is not None


def _reset(seen: _Reported) -> Iterator[Send]:
    listener = seen.listener
    if listener is None or not seen.known.resets(listener, seen.event.cookie.id):
        return
    # With affinity ``source`` the packet's own ports are hidden at this stage.
    hidden = listener.affinity is Affinity.SOURCE
    ports = (seen.event.fields.get(SOURCE_PORT, 0), listener.port) if hidden else None
    frame = tcp_reset(seen.event.frame, seen.known.mac(listener), ports)
    if frame is not None:
        yield seen.send(frame, hand_over(seen.placed))


def _too_big(seen: _Reported) -> Iterator[Send]:
    listener = seen.listener
    if listener is None:
        return
    frame = packet_too_big(seen.event.frame, Here.tunnel_mtu, seen.known.mac(listener))
    if frame is not None:
        yield seen.send(frame, hand_over(seen.placed))


def _deliver(seen: _Reported, backend: int) -> Iterator[Send]:
    """Deliver an ICMP error to its server, the packet inside rewritten as the mode demands."""
    listener = seen.listener
    real = seen.known.backend(listener, backend) if listener else None
    if listener is None or real is None:
        return
    event, placed = seen.event, seen.placed
    load: tuple[Action, ...] = (SetField(LISTENER, event.fields[LISTENER]), Load(backend, Bits(BACKEND)))
    frame: bytes | None = event.frame
    onward: tuple[Action, ...] = (Resubmit(placed.table(Stage.BACKEND)),)
    if listener.mode in (Mode.NAT, Mode.FULLNAT):
        version = 4 if event.frame[12:14] == b"\x08\x00" else 6
        address, local = real.address(version), None
        if listener.mode is Mode.FULLNAT:
            local = local_address(seen.known.world, seen.switch, listener, version)
        # Conntrack would give it the local address as sender anyway. But Open vSwitch, doing so to ICMPv6,
        # adjusts a "TCP checksum" where the error quotes the server's address: leave it nothing to adjust.
        frame = redirect_error(event.frame, address, listener.backend_port, sender=local) if address else None
        onward = (Resubmit(placed.table(Stage.NEXTHOP)),)
        if local is not None:
            zone = zones.fullnat(placed, event.fields[LISTENER])
            onward = (Conntrack(zone, placed.table(Stage.NEXTHOP), nat=Nat()),)
    if frame is not None:
        yield seen.send(frame, (*load, *onward))
