"""The controller's part in answering packets that Open vSwitch reports: its own code, on a stand-in for its state."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

from controller.core.reports import Reports
from controller.frames.tuple import tuple_of
from controller.model.types import Switch
from controller.plan.duty import World
from controller.southbound.events import PacketIn
from flows import messages
from flows.actions import CONTROLLER
from flows.tables import BACKEND, LISTENER, PIN, Kind
from tests.conformance.ofstream import Stream, Told
from tests.conformance.target import Reason, Report

_ANSWERED = (Kind.RESET, Kind.TOO_BIG, Kind.ICMP_KNOWN, Kind.ICMP_UNKNOWN)


class _Session:
    """What ``Reports`` knows of a stream."""

    alive = True

    def __init__(self, switch: Switch, stream: Stream) -> None:
        self.id = switch.id
        self.sent = 0
        self._stream = stream

    async def send_packet(self, frame: bytes, actions: bytes, in_port: int = CONTROLLER) -> None:
        """Let the switch send a packet."""
        self.sent += 1
        self._stream.send(messages.packet_out(frame, actions, in_port))


class Answering:
    """Answers reports in one world."""

    def __init__(self, world: World, switch: Switch, stream: Stream) -> None:
        self._world = world
        self._session = _Session(switch, stream)
        state = SimpleNamespace(
            intent=world.intent,
            numbers=world.numbers,
            pools=world.pools,
            pins=world.pins,
            world=lambda now: world,
        )
        core: Any = SimpleNamespace(
            state=state,
            members={switch.name: SimpleNamespace(session=self._session)},
            switch_of=lambda datapath: switch if datapath == switch.id else None,
            touch=lambda: None,
        )
        self._reports = Reports(core)

    def answer(self, told: Told) -> bool:
        """Do what the controller does; returns whether a packet was sent."""
        if told.cookie.kind not in _ANSWERED:
            return False
        before = self._session.sent
        session: Any = self._session
        asyncio.run(self._reports.packet(PacketIn(session, told.cookie, told.fields, told.frame)))
        return self._session.sent > before

    def report(self, reason: Reason, told: Told) -> Report:
        """In the suite's words."""
        number = told.fields.get(LISTENER, 0)
        flow = tuple_of(told.frame)
        about_pin = told.cookie.kind in (Kind.PIN_SEEN, Kind.PIN_STALE)
        pin = (told.cookie.id or told.fields.get(PIN, 0)) if about_pin else 0
        source = flow.source if flow else ip_address("0.0.0.0")
        port = flow.source_port if flow else 0
        if self._sticky(number):
            port = 0
        return Report(reason, number, source, port, told.fields.get(BACKEND, 0), pin)

    def _sticky(self, number: int) -> bool:
        names = {n: name for name, n in self._world.numbers.given.get("listener", {}).items()}
        return any(
            i.affinity == "source" for i in self._world.intent.listeners() if i.name == names.get(number)
        )
