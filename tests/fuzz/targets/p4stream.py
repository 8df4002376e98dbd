"""What a hostile P4 switch sends on its stream, and says of itself: to the controller, and to an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from finsy.proto import U128, p4r
from google.protobuf.message import DecodeError

from controller.core.cells import Cell
from controller.core.directory import Directory
from controller.core.p4_reports import P4Reports
from controller.core.pinning import Pinning
from controller.core.terms import Terms
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.southbound.errors import SwitchError
from controller.southbound.p4.connection import Connection
from controller.southbound.p4.events import Backup, Connected, PinEnded, Punted, Report
from controller.southbound.p4.foreign import pins_of
from controller.southbound.p4.guests import _Member
from controller.southbound.p4.packets import Packets
from controller.southbound.p4.pipeline import balancer
from controller.spec.types import Switch
from p4src.ids import Reason
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, p4_switch, web
from tests.fakes.core import SetClock
from tests.fuzz.messages import changed
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target
from tests.unit.craft import segment

PIPELINE = balancer()


class P4Stream(Target):
    """First octet 0: a pipeline that runs; else a message of the stream."""

    name = "p4stream"
    modules = (
        "controller/southbound/p4/session.py",
        "controller/southbound/p4/incoming.py",
        "controller/southbound/p4/packets.py",
        "controller/southbound/p4/foreign.py",
        "controller/core/p4_reports.py",
    )
    seconds = 3.0

    def begin(self) -> None:
        """A world with a switch, and a session of it."""
        self._switch: Switch = p4_switch("embedded")
        self._world = Plant(web("b1", "b2"), self._switch).world()
        committed: Cell[PlanInput | None] = Cell("committed", self._world)
        self._reports = P4Reports(Pinning(self._world.pins, committed, lambda: None))
        self._directory = Directory(self._world)
        self._clock = SetClock()
        self._terms = Terms(Cell("term", 1), self._clock)
        self._stream, self._channel = _Stream(), _Channel()
        self._count = 0
        self._connect()

    def _connect(self) -> None:
        self._connection = Connection("s1", "192.0.2.1:1", self._switch.id, 7, PIPELINE, self._handle)
        _done(self._connection._activate(self._channel, self._stream))  # type: ignore[arg-type]
        packets = Packets("s1", PIPELINE.packet_out, PIPELINE.packet_in, self._stream, lambda: 0.0)  # type: ignore[arg-type]
        self._member = _Member(self._switch.id, "s1", packets, self._stream, 1)  # type: ignore[arg-type]

    def seeds(self) -> list[bytes]:
        """One message of each kind."""
        item = next(each for each in self._world.intent.listeners() if each.port == DR.port)
        number = self._world.ids.id(Space.LISTENER, item.name)
        kind = p4r.StreamMessageResponse
        found = [kind(arbitration=_arbitration(code)) for code in (0, 6, 5, 3)]
        for reason in Reason:
            digest = p4r.DigestList(digest_id=PIPELINE.numbers["report_t"], list_id=int(reason))
            struct = digest.data.add().struct
            for value in (int(reason), number, 0xFFFF << 32 | 0xC0000207, 40_000, 1):
                struct.members.add().bitstring = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
            packet = p4r.PacketIn(payload=segment(4, 16))
            for each, name in PIPELINE.packet_in.items():
                value = {"reason": int(reason), "listener": number, "backend": 1}.get(name, 0)
                packet.metadata.add(metadata_id=each, value=value.to_bytes(2, "big"))
            found += [kind(digest=digest), kind(packet=packet)]
        found.append(kind(error=p4r.StreamError(canonical_code=3, message="no")))
        found.append(kind(idle_timeout_notification=p4r.IdleTimeoutNotification(table_entry=[_pin(number)])))
        info = p4r.ForwardingPipelineConfig()
        info.p4info.tables.extend(t for t in PIPELINE.config.p4info.tables if t.preamble.alias == "pin")
        info.p4info.actions.extend(PIPELINE.config.p4info.actions)
        return [*(b"\1" + each.SerializeToString() for each in found), b"\0" + info.SerializeToString()]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """A message of its kind."""
        kind = p4r.ForwardingPipelineConfig if data[:1] == b"\0" else p4r.StreamMessageResponse
        return data[:1] + changed(chance, kind, data[1:], other[1:] if other[:1] == data[:1] else b"")

    def feed(self, data: bytes) -> str:
        """As the connection takes it."""
        self._count += 1
        if self._count % 20_000 == 0:
            self.begin()  # as many pins as there may be make all else slow
        try:
            if data[:1] == b"\0":
                running = p4r.ForwardingPipelineConfig.FromString(data[1:])
                pins = _done(pins_of(self._channel, self._switch.id, running, PIPELINE))  # type: ignore[arg-type]
                return f"pins {pins is not None}"
            message = p4r.StreamMessageResponse.FromString(data[1:])
        except DecodeError:
            return "no message"
        try:
            said = self._took(message)
        except SwitchError as error:
            self._connect()
            return shape(f"ended: {error}")
        assert self._terms.now < 1 << 41
        assert all(pin.backend < 1 << 16 and pin.key.port < 1 << 16 for pin in self._world.pins.pins.values())
        return said

    def _took(self, message: p4r.StreamMessageResponse) -> str:
        what = message.WhichOneof("update")
        session = self._connection.session
        if what == "arbitration":
            _done(self._connection._arbitrated(self._channel, self._stream, message.arbitration))  # type: ignore[arg-type]
        elif session is not None:
            _done(session.take(message))
        else:
            self._connect()
        self._member.take(message)
        return f"{what}"

    def _handle(self, event: object) -> None:
        if isinstance(event, Report | Punted | PinEnded):
            for each in self._reports.handle(event, self._directory, {self._switch.name}, 100.0):
                assert each.switch
        elif isinstance(event, Backup) and event.primary is None:
            self._terms.outdo(event.highest)
        else:
            assert isinstance(event, Connected) or event is not None


class _Stream:
    async def send(self, message: p4r.StreamMessageRequest) -> None:
        assert message.ByteSize() < 1 << 20


class _Channel:
    """A switch that runs our program, and holds nothing."""

    async def cookie(self, _: int, __: float = 0.0) -> int:
        return PIPELINE.cookie

    async def write(self, _: bytes) -> dict[int, str]:
        return {}

    async def read(self, _: bytes) -> list[bytes]:
        return [p4r.ReadResponse(entities=[p4r.Entity(table_entry=_pin(1))]).SerializeToString()]


def _done(work: Coroutine[Any, Any, Any]) -> Any:
    """What comes of a coroutine that waits for nothing but what is there."""
    return _LOOP.run_until_complete(work)


_LOOP = asyncio.new_event_loop()


def _arbitration(code: int) -> p4r.MasterArbitrationUpdate:
    update = p4r.MasterArbitrationUpdate(device_id=1, election_id=U128.encode(7 << 64 | 1))
    update.status.code = code
    return update


def _pin(listener: int) -> p4r.TableEntry:
    table = PIPELINE.tables["pin"]
    entry = p4r.TableEntry(table_id=table.id)
    for field, value in zip(table.fields, (listener, 0xFFFF << 32 | 0xC0000207, 40_000), strict=True):
        entry.match.add(field_id=field.id).exact.value = value.to_bytes(16, "big")
    return entry
