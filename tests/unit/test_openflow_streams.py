"""A stream whose other side is gone without a word ends soon: by the kernel, which asks for acknowledgements."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from controller.southbound.openflow import connection
from controller.southbound.openflow.connection import UNACKNOWLEDGED, Hub, StandbyHub
from controller.southbound.openflow.events import Connected, Disconnected, Event
from flows.messages import ROLE_REQUEST, SET_ASYNC
from tests.fakes.core import until


class Datapath:
    """As much of a connected switch as a hub and a session need."""

    id, xid = 7, 0
    address = ("127.0.0.1", 1)

    def __init__(self, stream: socket.socket) -> None:
        self.socket = stream

        self.sent: list[bytes] = []

    def send(self, data: bytes) -> bool:
        """It takes everything."""
        self.sent.append(data)
        return True


@pytest.fixture
def stream() -> Iterator[socket.socket]:
    """A stream to a listener that takes nothing."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as made,
    ):
        yield made


def test_the_kernel_gives_a_stream_up_that_acknowledges_nothing(stream: socket.socket) -> None:
    async def body() -> None:
        heard: list[Event] = []
        datapath = Datapath(stream)
        hub = Hub(asyncio.get_running_loop(), heard.append, {datapath.id: 1}, lambda: 3)
        try:
            hub.up(datapath)
            await until(lambda: heard, "it is connected")
            assert isinstance(heard[0], Connected)
            option = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert option == 1000 * UNACKNOWLEDGED
            hub.down(datapath)
            await until(lambda: len(heard) == 2, "it is gone")
        finally:
            hub.close()

    asyncio.run(body())


def test_a_controller_that_stands_by_holds_streams_and_serves_them_when_it_leads(
    stream: socket.socket,
) -> None:
    """Nothing is reported there before, and what ends or comes meanwhile is not lost."""

    async def body() -> None:
        heard: list[Event] = []
        standby = StandbyHub()
        ended, other = socket.socketpair()
        former, held, gone, late = Datapath(ended), *(Datapath(stream) for _ in range(3))
        standby.up(former)
        standby.up(held)
        standby.up(gone)
        standby.down(gone)
        (said,) = held.sent
        assert (said[1], said[8:]) == (SET_ASYNC, bytes(24))
        hub = Hub(asyncio.get_running_loop(), heard.append, {Datapath.id: 1}, lambda: 3)
        try:
            standby.hand_over(hub)
            with ended, other:
                assert other.recv(1) == b"", "one that the switch had before is ended"
            standby.up(late)
            await until(lambda: len(heard) == 2, "both are connected")
            sessions = [each.session for each in heard if isinstance(each, Connected)]
            assert [each.datapath for each in sessions] == [held, late]
            await until(lambda: len(held.sent) == 3 and len(late.sent) == 1, "both are claimed")
            assert [message[1] for message in held.sent[1:]] == [SET_ASYNC, ROLE_REQUEST]
            assert held.sent[1][8:] != bytes(24), "it reports again"
            standby.down(held)
            await until(lambda: len(heard) == 3, "it is gone")
            assert isinstance(heard[2], Disconnected)
        finally:
            hub.close()

    asyncio.run(body())


class Mute(socket.socket):
    """A stream whose other side is gone: what it was sent last was never acknowledged."""

    heard_ms = 5000

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        """As Linux has it of such a stream."""
        if option == socket.TCP_INFO:
            return struct.pack("24xI28xI", 1, self.heard_ms)
        return super().getsockopt(level, option)


@pytest.mark.parametrize(("heard_ms", "ends"), [(5000, True), (20, False)])
def test_a_switch_that_died_while_another_controller_led_is_let_go_soon(
    heard_ms: int, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stream still looks alive. One that has acknowledged something is busy, and stays."""
    monkeypatch.setattr(connection, "PROVES", 0.1)
    ours, other = socket.socketpair(socket.AF_UNIX)
    mute = Mute(fileno=ours.detach())
    mute.heard_ms = heard_ms
    connection._let_go_unless_heard(mute)
    other.setblocking(False)
    with mute, other:
        if ends:
            assert other.recv(1) == b"", "it ended"
        else:
            with pytest.raises(BlockingIOError):
                other.recv(1)


def test_acknowledgements_are_read_as_linux_says_them() -> None:
    """Of a stream that lives: nothing is left unacknowledged."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as stream,
    ):
        other, _ = server.accept()
        with other:
            stream.sendall(b"x")
            assert other.recv(1) == b"x"
            connection._let_go_unless_heard(stream)
            other.sendall(b"y")
            assert stream.recv(1) == b"y", "it goes on"
