"""What to do about reports of P4 switches: digests about connections, packets that need an answer, idle pins. No I/O.

Returns the packets to send; pins are changed by the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from controller.core.directory import Directory
from controller.core.pinning import Pinning
from controller.core.questions import Questions
from controller.frames.reset import tcp_reset
from controller.frames.toobig import packet_too_big
from controller.plan.pins import PinKey
from controller.southbound.driver import Send
from controller.southbound.p4.driver import P4Packet
from controller.southbound.p4.events import PinEnded, Punted, Report
from controller.spec.kinds import Protocol
from controller.spec.types import Affinity, Listener, Mode, Switch
from p4src.ids import Op, Reason
from p4src.pipeline import TUNNEL_MTU


class P4Reports:
    """Handles digests, punted packets and idle pins; its only state is which ICMP errors were passed round."""

    def __init__(self, pinning: Pinning) -> None:
        self._pinning = pinning
        self._questions = Questions()
        self.counts: dict[str, int] = {}
        """Reports so far, by reason."""

    def handle(
        self, event: Report | Punted | PinEnded, known: Directory, here: Set[str], now: float
    ) -> list[Send]:
        """What to send for one report; those about listeners that are no more are counted and dropped.

        ``here``: connected switches; ``now``: seconds of the clock.
        """
        switch = known.switch(event.session.id)
        if switch is None:
            return []
        if isinstance(event, PinEnded):
            self._count("pin_ended")
            self._pinning.idle_by_key(switch.name, PinKey(event.listener, event.client, event.port), now)
            return []
        reason = Reason(event.reason)
        self._count(reason.name.lower())
        listener = known.listener(event.listener)
        if listener is None:
            return []
        if isinstance(event, Report):
            self._connection(switch, reason, event, listener, now)
            return []
        if reason is Reason.ERROR_UNKNOWN:
            return list(self._ask(switch, event, listener, known, here, now))
        frame = _answer(reason, event, listener, known)
        # As if it came in where it has to go out: it is routed like any other packet.
        return [] if frame is None else [Send(switch.name, P4Packet(frame, Op.INJECT, event.port))]

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _connection(
        self, switch: Switch, reason: Reason, event: Report, listener: Listener, now: float
    ) -> None:
        port = 0 if listener.affinity is Affinity.SOURCE else event.port
        key = PinKey(event.listener, event.client, port)
        if reason is Reason.EXCEPTION:
            self._pinning.exception(switch.name, key, listener.protocol, event.backend)
        elif reason in (Reason.FOUND, Reason.OVERFLOW):
            # Nothing is remembered of either: where it was opened another switch may know better.
            self._pinning.found(switch.name, key, listener.protocol, event.backend)
        elif reason is Reason.YOUNG:
            self._pinning.young(switch.name, key, listener.protocol, event.backend, now)
        elif reason is Reason.PIN_SEEN:
            self._pinning.seen_by_key(switch.name, key)
        elif reason is Reason.PIN_STALE:
            self._pinning.replaced_by_key(key, event.backend)

    def _ask(
        self,
        switch: Switch,
        event: Punted,
        listener: Listener,
        known: Directory,
        here: Set[str],
        now: float,
    ) -> Iterator[Send]:
        """An error about a connection that another lb switch may know: the one that does delivers it.

        Of a connection that only one switch can have that is all. Any other may as well be an old one of a slot that
        moves and that no switch remembers: the switch that asked sends it there too. A server that it does not concern
        ignores it.
        """
        if listener.mode is not Mode.FULLNAT:
            yield Send(switch.name, P4Packet(event.frame, Op.INJECT, event.port))
        question = self._questions.about(event.frame, now)
        if question.answered:
            return
        question.answered = True
        for other in known.lbs(switch.site):
            asked = other.name != switch.name and other.name in here
            if asked and other.of_kind.protocol is Protocol.P4RUNTIME:
                yield Send(other.name, P4Packet(event.frame, Op.ASK, event.port))


def _answer(reason: Reason, event: Punted, listener: Listener, known: Directory) -> bytes | None:
    """What a client or server is told in the VIP's name; None: nothing."""
    if reason is Reason.RESET:
        resets = known.resets(listener, event.backend)
        return tcp_reset(event.frame, known.mac(listener), None) if resets else None
    if reason is Reason.TOO_BIG:
        mtu = TUNNEL_MTU[_outer(known, listener, event.backend)]
        return packet_too_big(event.frame, mtu, known.mac(listener))
    return None


def _outer(known: Directory, listener: Listener, backend: int) -> int:
    """IP version of the tunnel to a backend."""
    real = known.backend(listener, backend)
    return 6 if real is not None and real.address(4) is None else 4
