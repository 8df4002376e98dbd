"""What becomes of a stream whose switch knows a newer term than ours."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from controller.southbound.errors import SwitchGone
from controller.southbound.openflow.hook import ERROR
from controller.southbound.openflow.session import Session
from flows import messages

STALE = struct.pack("!BBHIHH", 4, ERROR, 36, 1, 11, 0) + messages.role_request(5)


class Wire:
    """A datapath as os-ken hands it over, which takes everything."""

    id = 0x21

    def __init__(self) -> None:
        self.socket, self.switch = socket.socketpair()
        self.sent: list[bytes] = []

    def send(self, data: memoryview) -> bool:
        """Keep it."""
        self.sent.append(bytes(data))
        return True


async def _refused(wire: Wire, obey: bool) -> tuple[Session, list[str]]:
    told: list[str] = []
    session = Session(wire, asyncio.get_running_loop(), told.append, obey)
    session.take(ERROR, 1, STALE)
    await asyncio.sleep(0)
    return session, told


def test_where_a_newer_term_is_another_controllers_nothing_more_is_written_to_its_switch() -> None:
    async def body() -> None:
        wire = Wire()
        session, told = await _refused(wire, obey=True)
        with pytest.raises(SwitchGone):
            await session.send_packet(b"frame", b"", 1)
        assert wire.sent == []
        assert wire.switch.recv(1) == b"", "the switch is let go"
        assert told[0].startswith("error type 11 (code 0)")

    asyncio.run(body())


def test_where_it_can_only_be_our_own_the_switch_is_served_on() -> None:
    async def body() -> None:
        wire = Wire()
        session, told = await _refused(wire, obey=False)
        await session.send_packet(b"frame", b"", 1)
        assert len(wire.sent) == 1
        assert len(told) == 1

    asyncio.run(body())
