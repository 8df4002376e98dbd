"""A network that is cut: the kernel's part in noticing it, which needs a network to cut."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import netns

from controller.southbound.p4.channel import UNACKNOWLEDGED
from controller.southbound.p4.connection import BEAT_DEADLINE
from controller.southbound.p4.events import Connected, Disconnected, Unreachable
from p4src.diff import diff
from p4src.target import P4Target
from tests.fakes.p4driven import NAME, driven, target
from tests.fakes.p4relay import relay
from tests.fakes.p4switches import DEVICE, EmbeddedSwitch
from topo import state

SPACE = f"p4cut{os.getpid()}"
HERE, THERE = f"{SPACE}a", f"{SPACE}b"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10)


@pytest.fixture
def wire() -> Iterator[socket.socket]:
    """A listening socket in a namespace at the other end of a wire."""
    with state.space(SPACE):
        ip("link", "add", HERE, "type", "veth", "peer", "name", THERE, "netns", SPACE)
        ip("addr", "add", "198.18.77.1/30", "dev", HERE)
        ip("link", "set", HERE, "up")
        ip("-n", SPACE, "addr", "add", "198.18.77.2/30", "dev", THERE)
        ip("-n", SPACE, "link", "set", THERE, "up")
        found: list[socket.socket] = []
        thread = threading.Thread(target=listen, args=(found,))
        thread.start()
        thread.join(10)
        yield found[0]
        found[0].close()


def listen(found: list[socket.socket]) -> None:
    """In a thread of its own, which stays in the namespace until it ends."""
    netns.setns(SPACE)
    found.append(socket.create_server(("198.18.77.2", 0)))


@pytest.mark.needs_root
def test_a_cut_network_is_noticed_while_the_switch_has_work_to_do(
    wire: socket.socket, tmp_path: Path
) -> None:
    """A read is under way, so that no answer is no proof; bytes that are not acknowledged are."""
    assert UNACKNOWLEDGED < 2 * BEAT_DEADLINE

    async def body() -> None:
        async with relay(switch, wire), driven() as it:
            it.driver.connect(NAME, f"198.18.77.2:{wire.getsockname()[1]}", DEVICE, 7)
            session = (await it.next(Connected)).session
            await session.write(diff(P4Target(), target()))
            await session._busy.acquire()
            ip("link", "set", HERE, "down")
            assert (await it.next(Disconnected)).session is session
            assert "is gone" in (await it.next(Unreachable)).why
            session._busy.release()
            ip("link", "set", HERE, "up")
            again = (await it.next(Connected)).session
            assert (await again.read()).target == target(), "nothing was pushed"

    switch = EmbeddedSwitch(tmp_path)
    switch.start()
    try:
        asyncio.run(body())
    finally:
        switch.stop()
