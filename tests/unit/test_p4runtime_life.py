"""The driver against every P4Runtime server that is installed: pipelines, terms, restarts, connections that go dead."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import grpc
import numpy as np
import pytest
from finsy.proto import p4r, p4r_grpc

from controller.southbound.errors import SwitchGone
from controller.southbound.p4 import connection as p4link
from controller.southbound.p4.channel import P4Channel, translated
from controller.southbound.p4.events import (
    Backup,
    Connected,
    Disconnected,
    Event,
    PipelineMismatch,
    Unreachable,
)
from controller.southbound.p4.pipeline import balancer
from controller.southbound.p4.session import P4Session
from controller.spec.slots import SlotTable
from p4src.diff import diff
from p4src.ids import Op
from p4src.target import Changes, P4Target
from tests.fakes.p4driven import NAME, Driven, driven, target
from tests.fakes.p4relay import relay
from tests.fakes.p4switches import DEVICE, Startable, each_kind

switch = each_kind()


def test_a_newer_controller_finds_the_pipeline_and_changes_nothing(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch, term=7)
            await session.write(diff(P4Target(), target()))
        async with driven() as it:
            session = await it.session(switch, term=8)
            assert (await session.read()).target == target()

    asyncio.run(body())


def test_that_a_switch_came_without_our_program_is_said_once(switch: Startable) -> None:
    async def body() -> None:
        for empty in (True, False):
            async with driven() as it:
                it.driver.connect(NAME, switch.address, DEVICE, 7)
                assert (await it.next(Connected)).empty is empty

    asyncio.run(body())


def test_a_pipeline_that_somebody_else_pushed_is_noticed_and_replaced_when_allowed(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch, term=7)
            request = p4r.SetForwardingPipelineConfigRequest(
                device_id=DEVICE,
                election_id=session.election,
                action=p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT,
                config=balancer().config,
            )
            request.config.cookie.cookie = 1
            async with grpc.aio.insecure_channel(switch.address) as channel:
                stub = p4r_grpc.P4RuntimeStub(channel)
                await stub.SetForwardingPipelineConfig(request, timeout=10)
                assert (await it.next(Disconnected)).session is session
                assert (await it.next(PipelineMismatch)).cookie == 1
                it.driver.allow_push(DEVICE)
                await it.next(Connected)
                asked = p4r.GetForwardingPipelineConfigRequest(device_id=DEVICE)
                answer = await stub.GetForwardingPipelineConfig(asked, timeout=10)
                assert answer.config.cookie.cookie == balancer().cookie

    asyncio.run(body())


def test_a_switch_that_was_killed_is_connected_again_and_empty(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            await session.write(diff(P4Target(), target()))
            await asyncio.to_thread(switch.stop)
            assert (await it.next(Disconnected)).session is session
            with pytest.raises(SwitchGone):
                await session.write(Changes())
            await asyncio.to_thread(switch.start)
            again = (await it.next(Connected)).session
            assert again is not session
            assert (await again.read()).target == P4Target()

    asyncio.run(body())


def test_calls_under_way_end_when_the_switch_dies(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            calls = [asyncio.create_task(forever(call)) for call in (session.read, session.clock)]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(switch.stop)
            assert await asyncio.gather(*calls) == ["gone", "gone"]

    asyncio.run(body())


def test_a_link_told_to_end_ends_although_its_connection_is_lost_at_that_moment() -> None:
    async def body() -> None:
        link = p4link.Connection(NAME, "unix:/nowhere", DEVICE, 1, balancer(), lambda _: None)
        up = asyncio.Event()
        again = asyncio.Event()

        async def until_the_stream_ends() -> None:
            up.set()
            await asyncio.Event().wait()

        async def lost() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise SwitchGone("the stream ended") from None

        async def connection() -> None:
            if again.is_set():
                await asyncio.Event().wait()
            again.set()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(until_the_stream_ends())
                    group.create_task(lost())
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None

        link._connection = connection  # type: ignore[method-assign]
        task = asyncio.create_task(link.run())
        await up.wait()
        task.cancel()
        await asyncio.wait([task], timeout=10.0)
        assert task.cancelled()

    asyncio.run(body())


def test_a_message_for_a_stream_that_ends_meanwhile_finds_the_switch_gone() -> None:
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), "Internal error from Core"
    )
    assert isinstance(translated(NAME, "stream", error), SwitchGone)


async def forever(call: object) -> str:
    """Call again and again until the switch is gone."""
    assert callable(call)
    for _ in range(100_000):
        try:
            await call()
        except SwitchGone:
            return "gone"
    return "still there"


def test_the_newer_of_two_controllers_is_primary_and_the_other_one_takes_over_from_it(
    switch: Startable,
) -> None:
    async def body() -> None:
        async with driven() as old, driven() as new:
            session = await old.session(switch, term=7)
            successor = await new.session(switch, term=9)
            assert (await old.next(Disconnected)).session is session
            assert await old.next(Backup) == Backup(NAME, 9, 9)
            with pytest.raises(SwitchGone):
                await session.write(Changes())
            await successor.write(diff(P4Target(), target()))
            await new.driver.close()
            again = await promoted(old, switch.address)
            assert (await again.session.read()).target == target()

    asyncio.run(body())


async def promoted(it: Driven, address: str) -> Connected:
    """BMv2 promotes the next one; by the specification a switch waits for a term as new as the last primary's."""
    while True:
        event: Event = await it.events.get()
        if isinstance(event, Connected):
            return event
        if isinstance(event, Backup):
            assert event.primary is None
            it.driver.connect(NAME, address, DEVICE, 10)


def test_a_newer_term_is_claimed_on_the_same_connection(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch, term=7)
            await session.write(diff(P4Target(), target()))
            again = await it.session(switch, term=11)
            assert not session.alive
            assert again.term == 11
            assert (await again.read()).target == target(), "nothing was pushed"
            await again.write(diff(target(), P4Target()))

    asyncio.run(body())


def test_an_older_controller_is_told_that_it_is_backup(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as new, driven() as old:
            session = await new.session(switch, term=9)
            old.driver.connect(NAME, switch.address, DEVICE, 7)
            assert await old.next(Backup) == Backup(NAME, 9, 9)
            assert old.events.empty()
            assert session.alive

    asyncio.run(body())


def test_a_switch_that_is_not_there_is_told_once_and_connected_when_it_comes(switch: Startable) -> None:
    async def body() -> None:
        await asyncio.to_thread(switch.stop)
        async with driven() as it:
            it.driver.connect(NAME, switch.address, DEVICE, 7)
            first, *others = [await it.next(Unreachable) for _ in range(3)]
            assert (first.name, first.new) == (NAME, True)
            assert [each.new for each in others] == [False, False], "each refusal counts, and is said once"
            await asyncio.to_thread(switch.start)
            assert (await it.next(Connected)).session.name == NAME

    asyncio.run(body())


def test_a_connection_that_goes_dead_without_a_word_is_made_again(switch: Startable, tmp_path: Path) -> None:
    """The other side acknowledges what it is sent, and says nothing more."""

    async def body() -> None:
        async with relay(switch, listening(tmp_path)) as between, driven() as it:
            it.driver.connect(NAME, f"unix:{tmp_path}/relay", DEVICE, 7)
            session = (await it.next(Connected)).session
            await session.write(diff(P4Target(), target()))
            between.clear()
            assert (await it.next(Disconnected)).session is session
            between.set()
            again = (await it.next(Connected)).session
            assert (await again.read()).target == target(), "nothing was pushed"

    asyncio.run(body())


def test_a_switch_that_has_work_to_do_may_be_slow_to_answer(
    switch: Startable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(p4link, "BEAT", 0.05)
    monkeypatch.setattr(p4link, "BEAT_DEADLINE", 0.2)
    monkeypatch.setattr(p4link, "_MISSED_BUSY", 1000)

    async def body() -> None:
        async with relay(switch, listening(tmp_path)) as between, driven() as it:
            it.driver.connect(NAME, f"unix:{tmp_path}/relay", DEVICE, 7)
            session = (await it.next(Connected)).session
            between.clear()
            reading = asyncio.create_task(session.read())
            await asyncio.sleep(1.0)
            assert session.alive
            between.set()
            assert (await reading).target == P4Target()
            between.clear()
            assert (await it.next(Disconnected)).session is session

    asyncio.run(body())


def test_nonsense_from_a_switch_ends_the_connection_and_not_the_driver(
    switch: Startable, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nonsense(session: P4Session, message: object) -> None:
        raise KeyError("no such field")

    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            monkeypatch.setattr(P4Session, "take", nonsense)
            await session.packet_out(b"", op=Op.CLOCK)
            assert "unexpected KeyError: 'no such field'" in (await it.next(Unreachable)).why
            assert not session.alive
            monkeypatch.undo()
            assert await (await it.next(Connected)).session.clock() > 0

    asyncio.run(body())


def test_a_write_that_is_cut_short_is_finished_by_the_next_one(switch: Startable, tmp_path: Path) -> None:
    """Whatever arrived is read, and the rest is written."""

    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            table = SlotTable(np.arange(1, 65536, dtype=np.uint16), np.zeros(65535, np.uint16))
            want = P4Target(target().entries, target().configuration, target().limits, {1: table})
            writing = asyncio.create_task(session.write(diff(P4Target(), want)))
            await asyncio.sleep(0.05)
            session.abort()
            with pytest.raises(SwitchGone):
                await writing
            again = (await it.next(Connected)).session
            rest = diff((await again.read()).target, want)
            assert len(rest)
            await again.write(rest)
            assert not len(diff((await again.read()).target, want))

    asyncio.run(body())


def listening(folder: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(f"{folder}/relay")
    return made


def test_closing_leaves_nothing_running(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            await it.session(switch)
            it.driver.connect("elsewhere", "unix:/nowhere", DEVICE, 7)
            await it.next(Unreachable)
        for _ in range(500):
            if asyncio.all_tasks() == {asyncio.current_task()}:
                return
            await asyncio.sleep(0.01)  # gRPC ends its own a little later
        raise AssertionError(asyncio.all_tasks())

    asyncio.run(body())


def test_a_switch_that_is_released_is_let_go_of(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            it.driver.release(DEVICE)
            assert (await it.next(Disconnected)).session is session
            await asyncio.sleep(0.2)
            assert it.events.empty()

    asyncio.run(body())


def test_aborting_a_session_makes_the_connection_anew(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            await session.write(diff(P4Target(), target()))
            session.abort()
            assert (await it.next(Disconnected)).session is session
            again = (await it.next(Connected)).session
            assert (await again.read()).target == target(), "nothing was pushed"

    asyncio.run(body())


def test_a_call_on_a_connection_that_was_closed_meanwhile_says_that_the_switch_is_gone() -> None:
    async def body() -> None:
        channel = P4Channel("lb1", "127.0.0.1:1")
        await channel.close()
        for call in (channel.write(b""), channel.read(b""), channel.cookie(1)):
            with pytest.raises(SwitchGone, match="switch lb1: connection closed"):
                await call
        with pytest.raises(SwitchGone):
            channel.stream()

    asyncio.run(body())
