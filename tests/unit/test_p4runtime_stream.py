"""The driver against every P4Runtime server that is installed: digests, packets, clock, authority, idle pins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import numpy as np
import pytest

from controller.southbound.p4.driver import P4Driver
from controller.southbound.p4.events import PinEnded, Punted, Refused, Report
from controller.southbound.p4.session import P4Session
from controller.spec.slots import SlotTable
from p4src.diff import diff
from p4src.ids import Drop, Op, Reason
from p4src.spec import Secret
from p4src.target import EntryBody, EntryKey, P4Target, Rate
from tests.conformance.scenario import p4_switch
from tests.fakes.p4driven import CONFIGURATION, MAC, MAPPED, Driven, driven
from tests.fakes.p4switches import Bmv2Switch, Startable, each_kind
from tests.unit import craft

CLIENTS = {4: MAPPED | int(craft.CLIENT[4]), 6: int(craft.CLIENT[6])}
VIPS = {4: MAPPED | int(craft.VIP[4]), 6: int(craft.VIP[6])}
LISTENER, BACKEND = 12, 300


switch = each_kind()


def serving(extra: dict[EntryKey, EntryBody]) -> P4Target:
    """A VIP of each family with one listener; all of it on one next hop."""
    entries = {EntryKey("nexthop", (1, bucket)): EntryBody("send", (3,)) for bucket in range(256)}
    for number in (4, 6):
        entries[EntryKey("vip", (VIPS[number],))] = EntryBody("claim", (1, MAC, 0, 1))
        serve = EntryBody("serve", (LISTENER, LISTENER, 1, 255, 0, 0, 900, 1, 115))
        entries[EntryKey("listener", (VIPS[number], craft.TCP, 80))] = serve
    entries[EntryKey("backend", (LISTENER, BACKEND))] = EntryBody("dr", (MAC, 1))
    entries[EntryKey("fate", (1, BACKEND))] = EntryBody("normal")
    return P4Target({**entries, **extra}, CONFIGURATION)


async def serve(it: Driven, switch: Startable, extra: dict[EntryKey, EntryBody]) -> P4Session:
    session = await it.session(switch)
    await session.write(diff(P4Target(), serving(extra)))
    return session


@pytest.mark.parametrize("version", [4, 6])
def test_a_digest_is_a_report_with_the_clients_address(switch: Startable, version: int) -> None:
    async def body() -> None:
        async with driven() as it:
            pin = EntryKey("pin", (LISTENER, CLIENTS[version], 40000))
            session = await serve(it, switch, {pin: EntryBody("seen", (BACKEND,))})
            await session.packet_out(craft.segment(version, craft.ACK), op=Op.INJECT, port=1)
            report = await it.next(Report)
            client: IPv4Address | IPv6Address = craft.CLIENT[version]
            assert report == Report(session, Reason.PIN_SEEN, LISTENER, client, 40000, BACKEND)

    asyncio.run(body())


def test_the_same_report_comes_again_while_its_cause_lasts(switch: Startable) -> None:
    """A switch holds a digest back that it sent and that was not acknowledged."""

    async def body() -> None:
        async with driven() as it:
            pin = EntryKey("pin", (LISTENER, CLIENTS[4], 40000))
            session = await serve(it, switch, {pin: EntryBody("seen", (BACKEND,))})

            async def sending() -> None:
                while session.alive:
                    await session.packet_out(craft.segment(4, craft.ACK), op=Op.INJECT, port=1)
                    await asyncio.sleep(0.02)

            packets = asyncio.create_task(sending())
            first = await it.next(Report)
            for _ in range(3):
                assert await it.next(Report) == first
            packets.cancel()

    asyncio.run(body())


def test_a_packet_for_the_controller_comes_with_what_the_pipeline_knows(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            extra = {
                EntryKey("pin", (LISTENER, CLIENTS[4], 40000)): EntryBody("pinned", (BACKEND,)),
                EntryKey("fate", (1, BACKEND)): EntryBody("reset"),
            }
            session = await serve(it, switch, extra)
            frame = craft.segment(4, craft.ACK)
            await session.packet_out(frame, op=Op.INJECT, port=7)
            punted = await it.next(Punted)
            assert (punted.session, punted.reason, punted.port) == (session, Reason.RESET, 7)
            assert (punted.listener, punted.backend, punted.frame) == (LISTENER, BACKEND, frame)

    asyncio.run(body())


def test_every_question_about_the_clock_gets_its_own_answer(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            first = await session.clock()
            many = await asyncio.gather(*(session.clock() for _ in range(20)))
            assert all(first <= one for one in many)
            assert max(many) <= await session.clock()

    asyncio.run(body())


def test_authority_lasts_as_long_as_was_said_and_no_longer(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await serve(it, switch, {})

            async def refused() -> int:
                """Ask for the VIP's MAC; how many such questions were left without an answer by now."""
                await session.packet_out(arp_request(), op=Op.INJECT, port=1)
                await session.clock()
                return (await session.read()).drops.get(Drop.NO_AUTHORITY, 0)

            assert await refused() == 1
            await session.authorize(1, 30.0)
            assert await refused() == 1
            await session.authorize(1, 0.2)
            await asyncio.sleep(0.3)
            assert await refused() == 2

    asyncio.run(body())


def arp_request() -> bytes:
    """Who has the VIP?"""
    sender = bytes.fromhex(craft.CLIENT_MAC.replace(":", ""))
    head = b"\xff" * 6 + sender + bytes.fromhex("0806 0001 0800 0604 0001")
    return head + sender + craft.CLIENT[4].packed + bytes(6) + craft.VIP[4].packed


def test_a_pin_that_falls_idle_is_told_and_stays(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            pins = {
                EntryKey("pin", (LISTENER, CLIENTS[v], 40000)): EntryBody("pinned", (1,), 1) for v in (4, 6)
            }
            session = await serve(it, switch, pins)
            ended = {await it.next(PinEnded) for _ in pins}
            assert ended == {PinEnded(session, LISTENER, craft.CLIENT[v], 40000) for v in (4, 6)}
            assert pins.items() <= (await session.read()).target.entries.items()

    asyncio.run(body())


def test_counters_tell_what_each_backend_got(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            pin = EntryKey("pin", (LISTENER, CLIENTS[4], 40000))
            session = await serve(it, switch, {pin: EntryBody("pinned", (BACKEND,))})
            frame = craft.segment(4, craft.ACK, b"x" * 100)
            for _ in range(5):
                await session.packet_out(frame, op=Op.INJECT, port=1)
            await session.clock()
            packets, octets = (await session.read()).packets[LISTENER, BACKEND]
            assert packets == 5
            assert octets >= 5 * len(frame)

    asyncio.run(body())


def test_what_is_over_its_limit_is_not_told(switch: Startable) -> None:
    """Meter ``limits`` is in force as written."""

    async def body() -> None:
        async with driven() as it:
            pin = EntryKey("pin", (LISTENER, CLIENTS[4], 40000))
            session = await serve(it, switch, {pin: EntryBody("seen", (BACKEND,))})
            await session.write(diff(P4Target(), P4Target(limits={Reason.PIN_SEEN: Rate(1, 1)})))
            for _ in range(50):
                await session.packet_out(craft.segment(4, craft.ACK), op=Op.INJECT, port=1)
            await session.clock()
            await asyncio.sleep(0.2)
            told = [event for event in drain(it) if isinstance(event, Report)]
            assert 1 <= len(told) <= 2

    asyncio.run(body())


def drain(it: Driven) -> list[object]:
    out: list[object] = []
    while not it.events.empty():
        out.append(it.events.get_nowait())
    return out


def test_a_refused_message_is_told_and_the_session_lives_on(switch: Startable) -> None:
    async def body() -> None:
        if isinstance(switch, Bmv2Switch):
            pytest.skip("BMv2 says nothing about packets that it cannot send")
        async with driven() as it:
            session = await it.session(switch)
            await session.packet_out(b"", op=0x1FF)
            refused = await it.next(Refused)
            assert refused.session is session
            assert "packet_out" in refused.what
            assert await session.clock() > 0

    asyncio.run(body())


@pytest.mark.parametrize("reason", [Reason.FOUND, Reason.PIN_SEEN])
def test_reports_over_their_rate_are_counted_and_those_that_pins_come_of_are_missed(
    switch: Startable, reason: Reason
) -> None:
    async def body() -> None:
        async with driven() as it:
            pin = {EntryKey("pin", (LISTENER, CLIENTS[4], 40000)): EntryBody("seen", (BACKEND,))}
            want = serving(pin if reason is Reason.PIN_SEEN else {})
            want = replace(want, limits={reason: Rate(1, 1)}, slots={1: _tracked()})
            session = await it.session(switch)
            await session.write(diff(P4Target(), want))
            driver = P4Driver(p4_switch("embedded"), session, Secret.of(bytes(20)), lambda _: set())
            for _ in range(20):
                await session.packet_out(craft.segment(4, craft.ACK), op=Op.INJECT, port=1)
            await session.clock()
            lost = (await session.read()).lost
            assert set(lost) == {reason}
            assert 0 < lost[reason] < 20
            await driver.read()
            assert driver.unreported == (lost[reason] if reason is Reason.FOUND else 0)

    asyncio.run(body())


def _tracked() -> SlotTable:
    """Slots that have moved from the one backend to another one."""
    every = np.ones(256, np.uint16)
    return SlotTable(every + BACKEND, every * 0, class_=every, base=every * BACKEND)
