"""A switch that ends no connection, since its site was cut off or lost its power, is seen to be gone within seconds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from controller.southbound.openflow.connection import UNACKNOWLEDGED, Hub
from controller.southbound.openflow.events import Connected, Event

SWITCH = 0x21


class Wire:
    """A datapath as os-ken hands it over, on a real connection."""

    id, xid = SWITCH, 0

    def __init__(self, stream: socket.socket) -> None:
        self.socket = stream
        self.address = stream.getpeername()

    def send(self, _data: Any) -> bool:
        """Take everything."""
        return True


@pytest.fixture
def stream() -> Iterator[socket.socket]:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
        server.accept()[0] as accepted,
    ):
        yield accepted


def test_the_kernel_asks_a_silent_switch_and_gives_up_one_that_acknowledges_nothing(
    stream: socket.socket,
) -> None:
    seen: list[Event] = []

    async def body() -> None:
        hub = Hub(asyncio.get_running_loop(), seen.append, {SWITCH: 1}, lambda: 7)
        try:
            hub.up(Wire(stream))
            async with asyncio.timeout(10):
                while not seen:
                    await asyncio.sleep(0.01)
        finally:
            hub.close()

    asyncio.run(body())
    assert isinstance(seen[0], Connected)
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000 * UNACKNOWLEDGED
    assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    asked = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    assert asked + UNACKNOWLEDGED < 5.0, "before Open vSwitch itself asks, which one that is gone does not"
