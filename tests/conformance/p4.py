"""A P4 switch as a target: the controller's own driver and link write it, and its reports are answered as by the core.

The switch itself is made elsewhere: see ``embedded.py``.
"""

from __future__ import annotations

import asyncio
import queue
import secrets
import threading
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from controller.core.directory import Directory
from controller.core.p4_reports import P4Reports
from controller.frames.tuple import tuple_of
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.plan.pins import PinKey
from controller.southbound.p4.connections import P4Runtime
from controller.southbound.p4.driver import P4Driver
from controller.southbound.p4.events import Connected, Event, PinEnded, Punted
from controller.southbound.p4.events import Report as Digest
from controller.southbound.p4.pipeline import balancer
from controller.southbound.p4.session import P4Session
from controller.spec.types import Affinity, Switch
from p4src.ids import Reason as Said
from p4src.spec import Secret
from p4src.target import P4Target
from tests.conformance import p4marks
from tests.conformance.mute import pinning
from tests.conformance.target import Counts, Damage, Reason, Report

_PATIENCE = 30.0
LONG = 3600.0
"""Seconds for which a lease is renewed, at most."""
_REASONS = {
    Said.EXCEPTION: Reason.EXCEPTION,
    Said.YOUNG: Reason.YOUNG,
    Said.FOUND: Reason.FOUND,
    Said.OVERFLOW: Reason.OVERFLOW,
    Said.PIN_SEEN: Reason.PIN_SEEN,
    Said.PIN_STALE: Reason.PIN_STALE,
    Said.RESET: Reason.RESET,
    Said.TOO_BIG: Reason.TOO_BIG,
    Said.CONFLICT: Reason.CONFLICT,
    Said.ERROR_UNKNOWN: Reason.ICMP,
}
_T = TypeVar("_T")


class P4Controller:
    """The controller's side of one P4 switch, its event loop in a thread of its own."""

    def __init__(self, switch: Switch, address: str, *, marked: bool = False) -> None:
        """``marked``: the switch is to tell of everything at once, and of the mark of ``p4marks``."""
        self.switch = switch
        self._marked = marked
        self.damage: Damage | None = None
        self._events: queue.Queue[Event] = queue.Queue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="p4 controller", daemon=True)
        self._thread.start()
        self._driver = self._run(self._start(address))
        self._session = self._connected()
        self.sent = 0
        """Packets that the controller has sent to the switch."""
        self._count_sent()
        if marked:
            self._run(p4marks.tell_at_once(self._session))
        self._link = P4Driver(switch, self._session, _new_secret(), _all_ports)
        self._have = P4Target()
        self._world: PlanInput | None = None
        self._reports: P4Reports | None = None
        self._known: Directory

    async def _start(self, address: str) -> P4Runtime:
        driver = P4Runtime(self._events.put, balancer())
        driver.connect(self.switch.name, address, self.switch.id, 1)
        return driver

    def _connected(self) -> P4Session:
        while True:
            event = self._events.get(timeout=_PATIENCE)
            if isinstance(event, Connected):
                return event.session

    def _count_sent(self) -> None:
        packets = self._session._packets
        send = packets.send

        async def counting(*arguments: Any, **named: Any) -> None:
            self.sent += 1
            await send(*arguments, **named)

        packets.send = counting  # type: ignore[method-assign]

    def apply(self, world: PlanInput) -> None:
        """Write what differs, take authority back that is no more, and renew the other."""
        self._world = world
        self._reports = P4Reports(pinning(world))
        self._known = Directory(world)
        want = self._link.plan(world)
        if self.damage is not None:
            want = replace(want, slots={pool: self.damage(table) for pool, table in want.slots.items()})
        if self._marked:
            want = p4marks.marked(want)
        delta = self._link.diff(self._have, want)
        if len(delta):
            self._have = self._run(self._link.write(delta, want))
        left = dict.fromkeys(world.ids.ids(Space.VIP).values(), LONG)
        self._run(self._link.apply_leases(left))
        self._run(self._link.renew(want, left))

    def clock_moved(self) -> None:
        """The switch's clock was set: what was read of it counts no more."""
        self._session._packets.reading = None

    def counts(self) -> dict[tuple[int, int], Counts]:
        """What it has counted by now."""
        found = self._run(self._session.read())
        return {
            pair: Counts(packets, *found.sessions.get(pair, (0, 0)))
            for pair, (packets, _) in found.packets.items()
        }

    def forget(self) -> None:
        """Give the memory's digests another key: nothing that is in it will be found again."""
        self._link._secret = _new_secret()
        if self._world is not None:
            self.apply(self._world)

    def settle(self) -> None:
        """Wait until what this side has sent was taken (acknowledgements of digests above all)."""
        self._run(self._session.clock())

    def reports(self, wait: float) -> list[Report]:
        """What was told since the last time; packets that want an answer get it."""
        found: list[Report] = []
        while True:
            try:
                event = self._events.get(timeout=wait) if wait and not found else self._events.get_nowait()
            except queue.Empty:
                return found
            made = self._told(event)
            if made is not None:
                found.append(made)

    def told(self) -> tuple[list[Report], int]:
        """All that was told before the mark, which was sent; and how many packets the controller answered with."""
        events: list[Event] = []
        while True:
            try:
                event = self._events.get(timeout=_PATIENCE)
            except queue.Empty:
                raise AssertionError(f"{self.switch.name} did not tell of the mark: {events}") from None
            if isinstance(event, Digest) and event.listener == p4marks.LISTENER:
                break
            events.append(event)
        # Packets for the controller are in a queue of their own, in which the clock's answer is the last.
        self.settle()
        while not self._events.empty():
            events.append(self._events.get_nowait())
        before = self.sent
        reports = [made for event in events if (made := self._told(event)) is not None]
        return reports, self.sent - before

    def _told(self, event: Event) -> Report | None:
        if isinstance(event, Punted):
            assert self._reports is not None
            for send in self._reports.handle(event, self._known, {self.switch.name}, time.monotonic()):
                self._run(self._link.transmit(send.packet))
            flow = tuple_of(event.frame)
            source, port = (flow.source, flow.source_port) if flow else (None, 0)
            return self._report(event.reason, event.listener, source, port, event.backend)
        if isinstance(event, Digest):
            return self._report(event.reason, event.listener, event.client, event.port, event.backend)
        assert isinstance(event, PinEnded), f"the switch said {event}"
        return None

    def _report(self, reason: int, listener: int, source: Any, port: int, backend: int) -> Report:
        assert self._world is not None
        if reason == Said.CONFLICT:
            return Report(Reason.CONFLICT)
        port = 0 if self._sticky(listener) else port
        pin = self._world.pins.pins.get(PinKey(listener, source, port))
        about_pin = pin is not None and reason in (Said.PIN_SEEN, Said.PIN_STALE)
        number = pin.id if pin is not None and about_pin else 0
        return Report(_REASONS[Said(reason)], listener, source, port, backend, number)

    def _sticky(self, number: int) -> bool:
        assert self._world is not None
        name = self._world.ids.name(Space.LISTENER, number)
        items = self._world.intent.listeners()
        return any(item.affinity is Affinity.SOURCE for item in items if item.name == name)

    def close(self) -> None:
        """Release the switch, and end the thread."""
        self._run(self._driver.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)


def _all_ports(switch: Switch) -> set[int]:
    """There is no other switch whose hellos could get lost."""
    return {port.number for port in switch.ports}


def _new_secret() -> Secret:
    return Secret.of(secrets.token_bytes(20))
