"""A session on a stream that tests hold in their hands: late clocks, lost questions, acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from ipaddress import IPv4Address, IPv6Address
from typing import cast

import pytest
from finsy.proto import p4r

from controller.southbound.errors import SwitchGone, SwitchTimeout
from controller.southbound.p4 import packets as p4packets
from controller.southbound.p4 import session as p4session
from controller.southbound.p4.channel import P4Channel, Stream
from controller.southbound.p4.events import Event, PinEnded, Refused, Report
from controller.southbound.p4.incoming import address
from controller.southbound.p4.pipeline import balancer
from controller.southbound.p4.session import P4Session
from p4src.ids import Op, Reason

PIPELINE = balancer()


class Wire:
    """What the session sends, and a switch whose clock starts at a million seconds."""

    def __init__(self, delay_out: float = 0.0, delay_back: float = 0.0, lost: int = 0) -> None:
        self.sent: list[p4r.StreamMessageRequest] = []
        self.authorized: list[tuple[int, int]] = []
        """(VIP, deadline)"""
        self.asked = 0
        self._delays = delay_out, delay_back
        self._lost = lost
        self._tasks: set[asyncio.Task[None]] = set()
        self.events: list[Event] = []
        stream = cast(Stream, self)
        channel = cast(P4Channel, None)
        self.session = P4Session(
            "s1",
            1,
            p4r.Uint128(high=7, low=1),
            PIPELINE,
            channel,
            stream,
            self.events.append,
            lambda: None,
        )

    def now(self) -> int:
        """The switch's clock."""
        return int((1e6 + asyncio.get_running_loop().time()) * 1e6)

    async def send(self, message: p4r.StreamMessageRequest) -> None:
        self.sent.append(message)
        names = {number: name for name, number in PIPELINE.packet_out.items()}
        values = {names[m.metadata_id]: int.from_bytes(m.value, "big") for m in message.packet.metadata}
        if values.get("op") == Op.AUTHORIZE:
            self.authorized.append((values["vip"], values["deadline"]))
        if values.get("op") == Op.CLOCK:
            self.asked += 1
            if self.asked > self._lost:
                task = asyncio.create_task(self._answer(message.packet.payload))
                self._tasks.add(task)

    async def _answer(self, payload: bytes) -> None:
        await asyncio.sleep(self._delays[0])
        packet = p4r.PacketIn(payload=payload)
        ids = {name: number for number, name in PIPELINE.packet_in.items()}
        packet.metadata.add(metadata_id=ids["reason"], value=bytes([Reason.CLOCK]))
        packet.metadata.add(metadata_id=ids["time"], value=self.now().to_bytes(6, "big"))
        await asyncio.sleep(self._delays[1])
        await self.session.take(p4r.StreamMessageResponse(packet=packet))


def run(body: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(body())


@pytest.mark.parametrize(("out", "back"), [(0.0, 0.0), (0.05, 0.0), (0.0, 0.05), (0.03, 0.03)])
def test_whatever_is_late_makes_authority_shorter_never_longer(out: float, back: float) -> None:
    async def body() -> None:
        wire = Wire(out, back)
        began = wire.now()
        await wire.session.authorize(12, 2.0)
        ((vip, deadline),) = wire.authorized
        assert vip == 12
        assert deadline <= began + 2_000_001
        assert deadline > wire.now()

    run(body)


def test_one_reading_of_the_clock_serves_many_vips_and_none_gets_longer_by_it() -> None:
    async def body() -> None:
        wire = Wire(0.02, 0.02)
        for vip in range(1, 30):
            began = wire.now()
            await wire.session.authorize(vip, 1.5)
            assert wire.authorized[-1][0] == vip
            assert wire.authorized[-1][1] <= began + 1_500_001
            await asyncio.sleep(0.001)
        assert wire.asked == 1

    run(body)


def test_a_reading_of_the_clock_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        monkeypatch.setattr(p4session, "_FRESH", 0.0)
        wire = Wire()
        await wire.session.authorize(1, 1.0)
        await asyncio.sleep(0.001)
        await wire.session.authorize(1, 1.0)
        assert wire.asked == 2

    run(body)


def test_a_lost_question_is_asked_again_and_many_lost_ones_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body() -> None:
        monkeypatch.setattr(p4packets, "PATIENCE", 0.02)
        assert await Wire(lost=2).session.clock() > 0
        with pytest.raises(SwitchTimeout, match="did not tell its clock"):
            await Wire(lost=1000).session.clock()

    run(body)


def test_who_waits_for_the_clock_learns_that_the_switch_is_gone() -> None:
    async def body() -> None:
        wire = Wire(lost=1000)
        asking = asyncio.create_task(wire.session.clock())
        await asyncio.sleep(0)
        wire.session.close()
        with pytest.raises(SwitchGone):
            await asking

    run(body)


def test_every_digest_list_is_acknowledged_after_its_reports() -> None:
    async def body() -> None:
        wire = Wire()
        digest = p4r.DigestList(digest_id=PIPELINE.numbers["report_t"], list_id=77)
        for number in (1, 2):
            members = digest.data.add().struct.members
            for value in (number, 12, 0xFFFF0A000001, 40000, 300):
                members.add().bitstring = value.to_bytes(6, "big").lstrip(b"\0")
        await wire.session.take(p4r.StreamMessageResponse(digest=digest))
        client = IPv4Address("10.0.0.1")
        assert wire.events == [Report(wire.session, n, 12, client, 40000, 300) for n in (1, 2)]
        (ack,) = [message.digest_ack for message in wire.sent]
        assert (ack.digest_id, ack.list_id) == (digest.digest_id, 77)

    run(body)


@pytest.mark.parametrize(
    ("numbers", "missed"), [((5, 6, 7), 0), ((5, 7), 1), ((5, 9, 10, 12), 4), ((9, 1, 2, 4), 1)]
)
def test_lists_of_reports_that_do_not_arrive_are_counted(numbers: tuple[int, ...], missed: int) -> None:
    async def body() -> None:
        wire = Wire()
        for number in numbers:
            digest = p4r.DigestList(digest_id=PIPELINE.numbers["report_t"], list_id=number)
            await wire.session.take(p4r.StreamMessageResponse(digest=digest))
        assert wire.session.missed == missed

    run(body)


def test_an_answer_about_the_clock_that_nobody_waits_for_is_no_event() -> None:
    async def body() -> None:
        wire = Wire()
        await wire._answer(b"somebody else's")
        assert wire.events == []

    run(body)


def test_idle_entries_of_other_tables_are_no_pins() -> None:
    async def body() -> None:
        wire = Wire()
        notice = p4r.IdleTimeoutNotification()
        for table, values in (("fate", (1, 2)), ("pin", (5, 0xFD << 120, 9))):
            entry = notice.table_entry.add(table_id=PIPELINE.tables[table].id)
            for number, value in enumerate(values, 1):
                entry.match.add(field_id=number).exact.value = value.to_bytes(16, "big").lstrip(b"\0")
        await wire.session.take(p4r.StreamMessageResponse(idle_timeout_notification=notice))
        assert wire.events == [PinEnded(wire.session, 5, IPv6Address("fd00::"), 9)]

    run(body)


def test_stream_errors_say_what_they_are_about() -> None:
    async def body() -> None:
        wire = Wire()
        error = p4r.StreamError(canonical_code=3, message="no such list")
        error.digest_list_ack.digest_list_ack.list_id = 5
        await wire.session.take(p4r.StreamMessageResponse(error=error))
        assert wire.events == [Refused(wire.session, "digest_list_ack: INVALID_ARGUMENT no such list")]

    run(body)


def test_mapped_addresses_are_ipv4() -> None:
    assert address(0xFFFF0A000001) == IPv4Address("10.0.0.1")
    assert address(0xFD << 120 | 1) == IPv6Address("fd00::1")
