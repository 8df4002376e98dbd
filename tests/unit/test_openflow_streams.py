"""A stream whose other side is gone without a word ends soon: by the kernel, which asks for acknowledgements."""

from __future__ import annotations

import asyncio
import socket

from controller.southbound.openflow.connection import UNACKNOWLEDGED, Hub, StandbyHub
from controller.southbound.openflow.events import Connected, Event
from flows.messages import SET_ASYNC
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


def test_the_kernel_gives_a_stream_up_that_acknowledges_nothing() -> None:
    async def body(stream: socket.socket) -> None:
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

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as stream,
    ):
        asyncio.run(body(stream))


def test_a_controller_that_stands_by_holds_streams_and_ends_them_when_it_leads() -> None:
    """Nothing is reported there, and the switch dials again at once."""
    hub = StandbyHub()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as stream,
    ):
        other, _ = server.accept()
        datapath = Datapath(stream)
        gone = Datapath(stream)
        with other:
            hub.up(datapath)
            hub.up(gone)
            hub.down(gone)
            (said,) = datapath.sent
            assert (said[1], said[8:]) == (SET_ASYNC, bytes(24))
            hub.close()
            other.settimeout(30)
            assert other.recv(1) == b"", "it ended"
