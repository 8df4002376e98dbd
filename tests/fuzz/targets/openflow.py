"""What a hostile Open vSwitch sends: answers to what it was asked, and reports of its own accord."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from random import Random
from typing import Any

from controller.core.cells import Cell
from controller.core.directory import Directory
from controller.core.openflow_reports import OpenFlowReports
from controller.core.pinning import Pinning
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.southbound.openflow import hook
from controller.southbound.openflow.connection import Hub
from controller.southbound.openflow.events import Event, FlowEnded, PacketIn
from controller.spec.types import OpenFlowPlacement
from flows import messages
from flows.entries import Flow
from flows.fields import FIELDS, Malformed
from flows.readback import Reader
from flows.tables import BACKEND, LISTENER, Kind, Placed
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, switch_of, web
from tests.fakes.tables import Tables, match_struct
from tests.fuzz.octets import mutated
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target
from tests.unit.craft import segment

PLACED = Placed(OpenFlowPlacement())
_READERS: dict[int, Callable[[bytes], object]] = {
    0: lambda body: list(messages.parse_flow_stats(body)),
    1: lambda body: list(messages.parse_groups(body)),
    2: lambda body: list(messages.parse_meters(body)),
    3: lambda body: list(messages.parse_meter_drops(body)),
    4: messages.parse_live_ports,
    5: messages.parse_port_names,
}
_TABLE, _REPORT = 6, 7
"""Other kinds of input: a table with a good or bad one behind it, and a message of the stream."""


class OpenFlow(Target):
    """First octet: what the rest is taken for."""

    name = "openflow"
    modules = (
        "flows/messages.py",
        "flows/match.py",
        "flows/readback.py",
        "controller/southbound/openflow/naming.py",
        "controller/core/openflow_reports.py",
    )
    seconds = 3.0
    tokens = (
        b"\0\0",
        b"\0\1",
        b"\xff\xff",
        b"\x80\0",
        b"\0\x08",
        b"\0\x38",
        *(f.header for f in FIELDS.values()),
    )

    def __init__(self) -> None:
        self._hub: Hub | None = None

    def begin(self) -> None:
        """A world with a switch, and its stream."""
        self.switch = switch_of("ovs")
        self.world = Plant(web("b1", "b2"), self.switch).world()
        committed: Cell[PlanInput | None] = Cell("committed", self.world)
        self._reports = OpenFlowReports(Pinning(self.world.pins, committed, lambda: None))
        self._directory = Directory(self.world)
        self._loop = _Loop()
        self.end()
        self._hub = Hub(self._loop, self._handle, {self.switch.id: PLACED.place.cookie}, lambda: 1)  # type: ignore[arg-type]
        self._datapath = _Datapath(self.switch.id)
        self._hub.up(self._datapath)
        self._refused: list[str] = []

    def end(self) -> None:
        """Leave os-ken as it was."""
        if self._hub is not None:
            self._hub.close()
            self._hub = None

    def seeds(self) -> list[bytes]:
        """What a switch in order sends."""
        item = next(each for each in self.world.intent.listeners() if each.port == DR.port)
        number = self.world.ids.id(Space.LISTENER, item.name)
        tables = Tables()
        for flow in self._flows():
            tables.apply(messages.flow_mod(flow))
        stats = list(tables.flow_stats(255))
        tlvs = FIELDS[LISTENER].tlv(number) + FIELDS[BACKEND].tlv(1)
        frames = [segment(4, 16), segment(6, 2)]
        reports = [_packet_in(PLACED.cookie(kind, 1), tlvs, frame) for kind in Kind for frame in frames]
        ended = struct.pack(
            "!QHBBIIHHQQ", PLACED.cookie(Kind.PIN, 1), 5, 0, 3, 7, 9, 1, 0, 1, 1
        ) + match_struct(b"")
        error = struct.pack("!HH", 5, 1) + messages.flow_mod(next(iter(self._flows())))[:64]
        out = [bytes([0]) + b"".join(stats[:4]), bytes([_TABLE]) + b"".join(stats)]
        out += [bytes([n]) + bytes(64) for n in _READERS]
        out += [bytes([3]) + struct.pack("!IH6xIQQII", 1, 56, 0, 9, 900, 0, 0) + struct.pack("!QQ", 4, 400)]
        out += [bytes([1]) + struct.pack("!HBxI", 24, 3, 7) + struct.pack("!HHII4x", 16, 1, 2, 3)]
        return [
            *out,
            *reports,
            _message(hook.FLOW_REMOVED, ended),
            _message(hook.ERROR, error, hook.OWN_XID << 24),
        ]

    def _flows(self) -> list[Flow]:
        from controller.plan.flowplan import FlowPlan

        found = FlowPlan().target(self.world, self.switch)
        return [Flow(key, body) for key, body in list(found.flows.items())[:200]]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """The first octet mostly stays."""
        if chance.random() < 0.05:
            return mutated(chance, data, other, self.tokens)
        return data[:1] + mutated(chance, data[1:], other[1:], self.tokens)

    def feed(self, data: bytes) -> str:
        """Take it as what its first octet says."""
        kind, body = data[:1][0] % 8 if data else 0, data[1:]
        if kind == _REPORT:
            return self._streamed(body)
        try:
            if kind == _TABLE:
                reader = Reader(PLACED, {1: 256})
                for table in PLACED.tables:
                    reader.table(table, body)
                reader.result(b"", b"")
            else:
                _READERS[kind](body)
        except Malformed as error:
            return f"{kind}: {shape(str(error))}"
        return f"{kind}: read"

    def _streamed(self, body: bytes) -> str:
        if len(body) < 8:
            return "short"
        kind, xid = body[1], int.from_bytes(body[4:8], "big")
        if kind == hook.HELLO or body[0] != messages.VERSION:
            return "another's"
        self._refused.clear()
        assert self._hub is not None
        taken = self._hub._take(self._datapath, kind, xid, body)
        said = self._loop.run()
        return f"stream {kind}: {taken} {said} {shape(' '.join(self._refused))}"

    def _handle(self, event: Event) -> None:
        if isinstance(event, PacketIn):
            self._reports.handle(event, self._directory, {self.switch.name}, 100.0)
        elif isinstance(event, FlowEnded):
            self._reports.ended(event, self._directory, 100.0)
        elif hasattr(event, "what"):
            self._refused.append(event.what)


class _Loop:
    """Does what is handed over when it is told."""

    def __init__(self) -> None:
        self._todo: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def call_soon_threadsafe(self, work: Callable[..., None], *arguments: Any) -> None:
        self._todo.append((work, arguments))

    def create_future(self) -> asyncio.Future[Any]:
        raise AssertionError

    def run(self) -> int:
        todo, self._todo = self._todo, []
        for work, arguments in todo:
            work(*arguments)
        return len(todo)


class _Socket:
    def setsockopt(self, *_: object) -> None: ...

    def shutdown(self, _: int) -> None: ...


class _Datapath:
    """As much of os-ken's as a hub and a session need."""

    xid, address = 0, ("192.0.2.1", 1)

    def __init__(self, number: int) -> None:
        self.id, self.socket = number, _Socket()

    def send(self, _: object) -> bool:
        return True


def _message(kind: int, body: bytes, xid: int = 0) -> bytes:
    return bytes([_REPORT]) + struct.pack("!BBHI", messages.VERSION, kind, 8 + len(body), xid) + body


def _packet_in(cookie: int, tlvs: bytes, frame: bytes) -> bytes:
    head = struct.pack("!IHBBQ", 0xFFFFFFFF, len(frame), 1, 0, cookie)
    return _message(hook.PACKET_IN, head + match_struct(tlvs) + bytes(2) + frame)
