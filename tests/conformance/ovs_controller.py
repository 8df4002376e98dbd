"""The controller's part in answering packets that Open vSwitch reports: its own code, on a stand-in for its state."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any

from controller.core.directory import Directory
from controller.core.openflow_reports import OpenFlowReports
from controller.frames.tuple import tuple_of
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.southbound.openflow.driver import OpenFlowPacket
from controller.southbound.openflow.events import PacketIn
from controller.spec.types import Switch
from flows import messages
from flows.actions import CONTROLLER
from flows.tables import BACKEND, LISTENER, PIN, Kind
from tests.conformance.mute import pinning
from tests.conformance.ofstream import Stream, Told
from tests.conformance.target import Reason, Report

_ANSWERED = (Kind.RESET, Kind.FRAGMENT_UNKNOWN, Kind.TOO_BIG, Kind.ICMP_KNOWN, Kind.ICMP_UNKNOWN)


class _Session:
    """What ``OpenFlowReports`` knows of a stream."""

    def __init__(self, switch: Switch) -> None:
        self.id = switch.id


class Answering:
    """Answers reports in one world."""

    def __init__(self, world: PlanInput, switch: Switch, stream: Stream) -> None:
        self._world = world
        self._switch = switch
        self._stream = stream
        self._known = Directory(world)
        self._reports = OpenFlowReports(pinning(world))

    def answer(self, told: Told) -> bool:
        """Do what the controller does; returns whether a packet was sent."""
        if told.cookie.kind not in _ANSWERED:
            return False
        session: Any = _Session(self._switch)
        event = PacketIn(session, told.cookie, told.fields, told.frame)
        sends = self._reports.handle(event, self._known, {self._switch.name}, time.monotonic())
        for send in sends:
            assert isinstance(send.packet, OpenFlowPacket)
            self._stream.send(messages.packet_out(send.packet.frame, send.packet.actions, CONTROLLER))
        return bool(sends)

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
        names = {n: name for name, n in self._world.ids.ids(Space.LISTENER).items()}
        return any(
            i.affinity == "source" for i in self._world.intent.listeners() if i.name == names.get(number)
        )
