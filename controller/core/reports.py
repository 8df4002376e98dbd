"""What to do about packets that a switch reports: exceptions, pins seen, resets, ICMP errors, packets too big."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core import trial
from controller.core.openflow_link import OpenFlowLink
from controller.core.state import lbs
from controller.frames.quote import Quoted, quoted, redirect_error
from controller.frames.reset import tcp_reset
from controller.frames.toobig import packet_too_big
from controller.frames.tuple import tuple_of
from controller.model.types import Address, Affinity, Backend, Listener, Mode
from controller.ovs_hash import slot as slot_of
from controller.plan.duty import local_address, pool_key
from controller.plan.numbers import Space
from controller.plan.pins import PinKey
from controller.southbound.events import PacketIn
from controller.southbound.session import Session
from flows import zones
from flows.actions import CONTROLLER, Action, Bits, Conntrack, Load, Nat, Resubmit, Set, pack_all
from flows.spec import Here
from flows.stages.backend import hand_over
from flows.tables import BACKEND, LISTENER, SOURCE_PORT, Kind, Placed, Stage

if TYPE_CHECKING:
    from controller.core.controller import Controller

_ASKED = 1024
"""ICMP errors remembered while the other lb switches are asked."""
_SAME = 1.0
"""Seconds within which an error that comes again, byte for byte, is the same one at another lb switch."""


@dataclass
class _Question:
    """Whose is an ICMP error?"""

    until: float
    """Loop time from which the same bytes are another error."""
    asked: set[str] = field(default_factory=set)
    """Switches that do not know."""
    answered: bool = False


class Reports:
    """Handles packet-ins; state is only which ICMP errors are being asked about."""

    def __init__(self, controller: Controller) -> None:
        self._core = controller
        self._asked: OrderedDict[bytes, _Question] = OrderedDict()
        self.counts: dict[str, int] = {}

    async def packet(self, event: PacketIn) -> None:
        """Deal with one reported packet; malformed ones are counted and dropped."""
        kind = event.cookie.kind
        self.counts[kind.name.lower()] = self.counts.get(kind.name.lower(), 0) + 1
        match kind:
            case Kind.EXCEPTION:
                self._exception(event)
            case Kind.PIN_SEEN:
                self._seen(event)
            case Kind.PIN_STALE:
                if self._core.state.pins.stale(event.cookie.id):
                    self._core.touch_pins()
            case Kind.RESET:
                await self._reset(event)
            case Kind.TOO_BIG:
                await self._too_big(event)
            case Kind.ICMP_KNOWN:
                await self._known(event)
            case Kind.ICMP_UNKNOWN:
                await self._unknown(event)
            case Kind.FRAGMENT_SHORT:
                self._short(event)

    def _exception(self, event: PacketIn) -> None:
        listener = self._listener(event.fields.get(LISTENER, 0))
        switch = self._core.switch_of(event.session.id)
        flow = tuple_of(event.frame)
        if listener is None or switch is None or flow is None:
            return
        port = 0 if listener.affinity is Affinity.SOURCE else flow.source_port
        key = PinKey(event.fields[LISTENER], flow.source, port)
        if self._core.state.pins.report(switch.name, key, listener.protocol, event.fields.get(BACKEND, 0)):
            self._core.touch_pins()

    def _seen(self, event: PacketIn) -> None:
        switch = self._core.switch_of(event.session.id)
        if switch is not None and self._core.state.pins.seen(switch.name, event.cookie.id):
            self._core.touch_pins()

    def _short(self, event: PacketIn) -> None:
        switch = self._core.switch_of(event.session.id)
        if switch is not None:
            trial.report(self._core, switch.name, event.cookie.id)

    async def _reset(self, event: PacketIn) -> None:
        listener = self._listener(event.fields.get(LISTENER, 0))
        if listener is None:
            return
        # With affinity ``source`` the packet's own ports are hidden at this stage.
        hidden = listener.affinity is Affinity.SOURCE
        ports = (event.fields.get(SOURCE_PORT, 0), listener.port) if hidden else None
        frame = tcp_reset(event.frame, self._mac(listener), ports)
        if frame is not None:
            await self._send(event.session, frame, hand_over(self._placed(event.session)))

    async def _too_big(self, event: PacketIn) -> None:
        listener = self._listener(event.fields.get(LISTENER, 0))
        if listener is None:
            return
        mtu = Here.tunnel_mtu
        frame = packet_too_big(event.frame, mtu, self._mac(listener))
        if frame is not None:
            await self._send(event.session, frame, hand_over(self._placed(event.session)))

    def _question(self, frame: bytes) -> _Question:
        """An edge sends an error to all lb switches, and we may send it again: it is one question all the same."""
        key = frame[22:]
        now = asyncio.get_running_loop().time()
        found = self._asked.get(key)
        if found is None or found.until <= now:
            found = self._asked[key] = _Question(now + _SAME)
        self._asked.move_to_end(key)
        while len(self._asked) > _ASKED:
            self._asked.popitem(last=False)
        return found

    async def _known(self, event: PacketIn) -> None:
        question = self._question(event.frame)
        if not question.answered:
            question.answered = True
            await self._error(event, event.fields.get(BACKEND, 0))

    async def _unknown(self, event: PacketIn) -> None:
        """No memory on this switch: ask the others once; if nobody knows, decide as the table says."""
        switch = self._core.switch_of(event.session.id)
        inside = quoted(event.frame)
        if switch is None or inside is None:
            return
        question = self._question(event.frame)
        if question.answered:
            return
        first = not question.asked
        question.asked.add(switch.name)
        others = [s.name for s in lbs(self._core.state.intent, switch.site) if s.name in self._core.members]
        if first:
            table = (Resubmit(switch.placement.entry_table),)
            for link in (self._core.members[n].link for n in others if n != switch.name):
                if isinstance(link, OpenFlowLink):
                    await self._send(link.session, event.frame, table)
        if set(others) <= question.asked and not question.answered:
            question.answered = True
            await self._decide(event, inside)

    async def _decide(self, event: PacketIn, inside: Quoted) -> None:
        listener = self._listener_of(inside)
        if listener is None:
            return
        state = self._core.state
        client, port = inside.client_side
        sticky = listener.affinity is Affinity.SOURCE
        number = state.numbers.of(Space.LISTENER, listener.name, 0.0)
        pin = state.pins.pins.get(PinKey(number, client, 0 if sticky else port))
        pool = state.pools[pool_key(listener)]
        slot = slot_of(client, 0 if sticky else port, len(pool.now))
        backend = pin.backend if pin else int(pool.before[slot] or pool.now[slot])
        fields = {**event.fields, LISTENER: number}
        await self._error(PacketIn(event.session, event.cookie, fields, event.frame), backend)

    async def _error(self, event: PacketIn, backend: int) -> None:
        """Deliver an ICMP error to its server, the packet inside rewritten as the mode demands."""
        listener = self._listener(event.fields.get(LISTENER, 0))
        real = self._backend(listener, backend) if listener else None
        if listener is None or real is None:
            return
        placed = self._placed(event.session)
        load: tuple[Action, ...] = (Set(LISTENER, event.fields[LISTENER]), Load(backend, Bits(BACKEND)))
        frame: bytes | None = event.frame
        onward: tuple[Action, ...] = (Resubmit(placed.table(Stage.BACKEND)),)
        if listener.mode in (Mode.NAT, Mode.FULLNAT):
            version = 4 if event.frame[12:14] == b"\x08\x00" else 6
            address = real.address(version)
            local = self._local(event.session, listener, version) if listener.mode is Mode.FULLNAT else None
            # Conntrack would give it the local address as sender anyway. But Open vSwitch, doing so to ICMPv6,
            # adjusts a "TCP checksum" where the error quotes the server's address: leave it nothing to adjust.
            frame = (
                redirect_error(event.frame, address, listener.backend_port, sender=local) if address else None
            )
            onward = (Resubmit(placed.table(Stage.NEXTHOP)),)
            if local is not None:
                zone = zones.fullnat(placed, event.fields[LISTENER])
                onward = (Conntrack(zone, placed.table(Stage.NEXTHOP), nat=Nat()),)
        if frame is not None:
            await self._send(event.session, frame, (*load, *onward))

    async def _send(self, session: Session, frame: bytes, actions: tuple[Action, ...]) -> None:
        if session.alive:
            await session.send_packet(frame, pack_all(actions), CONTROLLER)

    def _local(self, session: Session, listener: Listener, version: int) -> Address | None:
        switch = self._core.switch_of(session.id)
        assert switch is not None
        return local_address(self._core.state.world(0.0), switch, listener, version)

    def _placed(self, session: Session) -> Placed:
        switch = self._core.switch_of(session.id)
        assert switch is not None
        return Placed(switch.placement)

    def _mac(self, listener: Listener) -> str:
        return next(v.mac for v in self._core.state.intent.vips if v.name == listener.vip)

    def _listener(self, number: int) -> Listener | None:
        name = self._core.state.numbers.name(Space.LISTENER, number)
        return next((i for i in self._core.state.intent.listeners() if i.name == name), None)

    def _listener_of(self, inside: Quoted) -> Listener | None:
        address, port = inside.server_side
        for vip in self._core.state.intent.vips:
            if vip.address == address:
                for item in vip.listeners:
                    if (item.port, item.protocol.number) == (port, inside.protocol):
                        return item
        return None

    def _backend(self, listener: Listener, number: int) -> Backend | None:
        pool = self._core.state.pools.get(pool_key(listener))
        members = pool.members if pool else ()
        return next((m.backend for m in members if m.id == number), None)
