"""What to do about that which P4 switches tell: digests about connections, packets that need an answer, idle pins."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from controller.core.state import lbs
from controller.frames.reset import tcp_reset
from controller.frames.toobig import packet_too_big
from controller.plan.ids import Space
from controller.plan.pins import PinKey
from controller.southbound.p4.events import PinEnded, Punted, Report
from controller.southbound.p4.session import P4Session
from controller.spec.types import Affinity, Listener, Mode, Switch
from p4src.ids import Op, Reason
from p4src.pipeline import TUNNEL_MTU

if TYPE_CHECKING:
    from controller.core.controller import Controller

P4Told = Report | Punted | PinEnded

_ASKED = 1024
"""ICMP errors remembered while the other lb switches are asked."""
_SAME = 1.0
"""Seconds within which an error that comes again, byte for byte, is the same one."""


class P4Reports:
    """Handles what switches tell; its only state is which ICMP errors were passed round."""

    def __init__(self, controller: Controller) -> None:
        self._core = controller
        self._asked: OrderedDict[bytes, float] = OrderedDict()
        self.counts: dict[str, int] = {}

    async def told(self, event: P4Told) -> None:
        """Deal with one report; those about listeners that are no more are counted and dropped."""
        switch = self._core.switch_of(event.session.id)
        if switch is None:
            return
        if isinstance(event, PinEnded):
            self._count("pin_ended")
            self._ended(switch, event)
            return
        reason = Reason(event.reason)
        self._count(reason.name.lower())
        if isinstance(event, Report):
            self._connection(switch, reason, event)
        else:
            await self._packet(switch, reason, event)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _connection(self, switch: Switch, reason: Reason, event: Report) -> None:
        listener = self._listener(event.listener)
        if listener is None:
            return
        pins = self._core.state.pins
        port = 0 if listener.affinity is Affinity.SOURCE else event.port
        key = PinKey(event.listener, event.client, port)
        known = pins.pins.get(key)
        changed = False
        if reason in (Reason.EXCEPTION, Reason.OVERFLOW):
            changed = pins.report(switch.name, key, listener.protocol, event.backend)
        elif known is not None and reason is Reason.PIN_SEEN:
            changed = pins.seen(switch.name, known.id)
        elif known is not None and reason is Reason.PIN_STALE:
            changed = pins.stale(known.id)
        if changed:
            self._core.touch_pins()

    def _ended(self, switch: Switch, event: PinEnded) -> None:
        pins = self._core.state.pins
        known = pins.pins.get(PinKey(event.listener, event.client, event.port))
        if known is not None and pins.idle(switch.name, known.id):
            self._core.touch_pins()

    async def _packet(self, switch: Switch, reason: Reason, event: Punted) -> None:
        listener = self._listener(event.listener)
        if listener is None:
            return
        mac = next(v.mac for v in self._core.state.intent.vips if v.name == listener.vip)
        frame: bytes | None = None
        if reason is Reason.RESET:
            frame = tcp_reset(event.frame, mac, None)
        elif reason is Reason.TOO_BIG:
            version = self._outer(event, listener)
            frame = packet_too_big(event.frame, TUNNEL_MTU[version], mac)
        elif reason is Reason.ERROR_UNKNOWN:
            await self._ask(switch, event, listener)
        if frame is not None:
            # As if it came in where it has to go out: it is routed like any other packet.
            await self._send(event.session, frame, Op.INJECT, event.port)

    def _outer(self, event: Punted, listener: Listener) -> int:
        pool = self._core.state.intent.pool(listener.pool)
        number = self._core.state.numbers.given.get(Space.BACKEND, {})
        real = next((b for b in pool.backends if number.get(b.name) == event.backend), None)
        return 6 if real is not None and real.address(4) is None else 4

    async def _ask(self, switch: Switch, event: Punted, listener: Listener) -> None:
        """An error about a connection that another lb switch may know: the one that does delivers it.

        Of a connection that only one switch can have that is all. Any other may as well be an old one of a slot that
        moves and that nobody remembers: the switch that asked sends it there too. Whom it does not concern ignores it.
        """
        if listener.mode is not Mode.FULLNAT:
            await self._send(event.session, event.frame, Op.INJECT, event.port)
        now = asyncio.get_running_loop().time()
        if self._asked.get(event.frame, 0.0) > now:
            return
        self._asked[event.frame] = now + _SAME
        while len(self._asked) > _ASKED:
            self._asked.popitem(last=False)
        for other in lbs(self._core.state.intent, switch.site):
            member = self._core.members.get(other.name)
            session = None if member is None or other.name == switch.name else member.link.session
            if isinstance(session, P4Session):
                await self._send(session, event.frame, Op.ASK, event.port)

    async def _send(self, session: P4Session, frame: bytes, op: Op, port: int) -> None:
        if session.alive:
            await session.packet_out(frame, op=op, port=port)

    def _listener(self, number: int) -> Listener | None:
        name = self._core.state.numbers.name(Space.LISTENER, number)
        return next((i for i in self._core.state.intent.listeners() if i.name == name), None)
