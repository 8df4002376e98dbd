"""What one peer can cost a controller through OpenFlow: each is bounded, and a good switch is served meanwhile."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from os_ken import cfg

from controller.southbound.errors import SwitchError
from controller.southbound.openflow import connection, hook, session
from controller.southbound.openflow.events import Connected, Disconnected, PacketIn, Refused
from controller.spec.types import OpenFlowPlacement
from flows.tables import Kind, Placed
from tests.fakes.control import PATIENCE, Control, control
from tests.fakes.openflow import ECHO_REQUEST, MORE, MULTIPART_REPLY, STATS_FLOW, FakeSwitch

PLACED = Placed(OpenFlowPlacement())
FRAMES, LENGTH = 12_000, 1_400


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 3 * PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def plugged() -> Iterator[Callable[[int], FakeSwitch]]:
    """Connects switches, and takes them away in the end."""
    made: list[FakeSwitch] = []

    def connect(number: int, kind: type[FakeSwitch] = FakeSwitch) -> FakeSwitch:
        made.append(kind(number, control().port))
        made[-1].connect()
        return made[-1]

    yield connect
    for switch in made:
        switch.hang_up()


def served(plug: Callable[[int], FakeSwitch], number: int) -> bool:
    """Whether a switch of ours is connected, and answers."""
    server = control()
    server.expect(number)
    switch = plug(number)
    server.run(server.session(number).port_names())
    switch.hang_up()
    server.event(number, Disconnected)
    return True


def is_ended(switch: FakeSwitch) -> bool:
    thread = switch._thread
    return thread is not None and not thread.is_alive()


def strangers(server: Control) -> int:
    return sum(1 if event.here else -1 for event in server.strangers)


def test_of_switches_that_are_not_ours_so_many_are_kept(
    plugged: Callable[[int], FakeSwitch], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = control()
    monkeypatch.setattr(connection, "STRANGERS", strangers(server) + 5)
    first = [plugged(0xBAD000 + n) for n in range(5)]
    until(lambda: strangers(server) == connection.STRANGERS, "five are kept")
    more = [plugged(0xBAD100 + n) for n in range(3)]
    until(lambda: all(map(is_ended, more)), "the others are ended")
    assert not any(map(is_ended, first))
    assert served(plugged, 0x600D01)
    first[0].hang_up()
    until(lambda: strangers(server) == connection.STRANGERS - 1, "one is gone")
    plugged(0xBAD200)
    until(lambda: strangers(server) == connection.STRANGERS, "there is room again")


def test_of_one_datapath_id_so_many_streams_are_kept(plugged: Callable[[int], FakeSwitch]) -> None:
    server, number = control(), 0x600D02
    server.expect(number)
    for _ in range(connection.TWINS):
        plugged(number)
        server.event(number, Connected)
    more = plugged(number)
    until(lambda: is_ended(more), "one too many is ended")
    assert served(plugged, 0x600D03)


def test_a_switch_that_reports_faster_than_we_handle_is_read_slower(
    plugged: Callable[[int], FakeSwitch],
) -> None:
    server, number = control(), 0x600D04
    server.expect(number)
    switch = plugged(number)
    server.event(number, Connected)
    go_on = threading.Event()

    async def busy() -> None:
        go_on.wait(PATIENCE)

    held = server.start(busy())
    sent = [0]

    def flood() -> None:
        for n in range(FRAMES):
            switch.packet_in(PLACED.cookie(Kind.SLOT), b"", struct.pack("!I", n) + bytes(LENGTH))
            sent[0] = n + 1

    sender = threading.Thread(target=flood, daemon=True)
    sender.start()
    before = -1
    while before != sent[0]:  # until it cannot send more
        before = sent[0]
        time.sleep(0.5)
    assert sent[0] < FRAMES, "it is held up, not we"
    go_on.set()
    held.result(PATIENCE)
    numbers = [server.event(number, PacketIn, 3 * PATIENCE).frame[:4] for _ in range(FRAMES)]
    assert numbers == [struct.pack("!I", n) for n in range(FRAMES)], "and nothing is lost"


class Endless(FakeSwitch):
    """Has no end of flows."""

    def _multipart(self, message: bytes, xid: int) -> None:
        (kind,) = struct.unpack_from("!H", message, 8)
        if kind != STATS_FLOW:
            super()._multipart(message, xid)
            return
        while self._socket is not None:
            body = struct.pack("!HH4x", kind, MORE) + bytes(1000)
            try:
                self._socket.sendall(struct.pack("!BBHI", 4, MULTIPART_REPLY, 8 + len(body), xid) + body)
            except OSError:
                return


def test_an_answer_without_end_ends_the_stream(
    plugged: Callable[..., FakeSwitch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LONGEST_ANSWER", 200_000)
    server, number = control(), 0x600D05
    server.expect(number)
    plugged(number, Endless)
    with pytest.raises(SwitchError, match="answers without end"):
        server.run(server.session(number).read(PLACED, {}))
    server.event(number, Disconnected)


def test_one_that_asks_and_reads_nothing_is_ended(plugged: Callable[[int], FakeSwitch]) -> None:
    """os-ken would go on to read it, and wait with every answer."""
    timeout = cfg.CONF.socket_timeout
    cfg.CONF.set_override("socket_timeout", 0.5)
    try:
        number = 0xBAD300
        switch = plugged(number)
        until(lambda: any(e.here and e.id == number for e in control().strangers), "it is a stranger")
        switch.listening.clear()
        link = switch._socket
        assert link is not None
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        question = struct.pack("!BBHI", 4, ECHO_REQUEST, 8 + 60_000, 1) + bytes(60_000)
        with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
            _ask_without_end(link, question)
        until(lambda: not [e for e in control().strangers if e.id == number][-1].here, "its end is told")
    finally:
        cfg.CONF.set_override("socket_timeout", timeout)


def _ask_without_end(link: socket.socket, question: bytes) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        link.sendall(question)


def _garbage(chance: random.Random) -> bytes:
    """Octets that begin as OpenFlow does: messages of any kind whose lengths are right, too short, or endless."""
    out = b""
    for _ in range(chance.randrange(1, 40)):
        body = chance.randbytes(chance.randrange(0, 200))
        length = chance.choice([8 + len(body), 0, 7, 0xFFFF, chance.randrange(0x10000)])
        out += struct.pack("!BBHI", chance.choice([1, 4, 6]), chance.randrange(40), length, 1) + body
    return out


def test_nonsense_ends_its_own_stream_and_holds_nothing_up(
    plugged: Callable[[int], FakeSwitch], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = connection._Listening.listener
    server, chance = control(), random.Random(1)
    assert listener is not None
    monkeypatch.setattr(listener, "handshake", 1.0)
    links = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(60)]
    try:
        for link in links:
            try:
                link.sendall(_garbage(chance))
            except OSError:
                continue
        monkeypatch.setattr(listener, "handshake", 5.0)
        assert served(plugged, 0x600D06)
        for link in links:
            while True:
                try:
                    if not link.recv(65536):
                        break
                except ConnectionError:
                    break
    finally:
        for link in links:
            link.close()


def test_a_hello_that_has_no_end_ends_its_own_stream() -> None:
    """os-ken would read it for ever."""
    endless = struct.pack("!BBHI", 4, 0, 16, 1) + struct.pack("!HHI", 1, 0, 0x10)
    with socket.create_connection(("127.0.0.1", control().port), PATIENCE) as link:
        link.sendall(endless)
        while link.recv(4096):
            pass


@pytest.mark.parametrize("entry", [bytes(64), b"\0\x40" + bytes(30)], ids=["of length 0", "cut off"])
def test_an_answer_that_is_no_openflow_is_an_error_of_that_switch(
    plugged: Callable[..., FakeSwitch], entry: bytes
) -> None:
    class Odd(FakeSwitch):
        def _multipart(self, message: bytes, xid: int) -> None:
            (kind,) = struct.unpack_from("!H", message, 8)
            body = struct.pack("!HH4x", kind, 0) + (entry if kind == STATS_FLOW else b"")
            self._reply(18, MULTIPART_REPLY, xid, body)

    server, number = control(), 0x600E00 + len(entry)
    server.expect(number)
    plugged(number, Odd)
    with pytest.raises(SwitchError, match="malformed answer: an entry says"):
        server.run(server.session(number).read(PLACED, {}))
    server.forget(number)


def test_an_error_that_is_cut_off_ends_the_stream(plugged: Callable[..., FakeSwitch]) -> None:
    server, number = control(), 0x600D08
    server.expect(number)
    switch = plugged(number)
    server.event(number, Connected)
    switch._send(1, hook.OWN_XID << 24, b"")
    assert "an error has 8 octets" in server.event(number, Refused).what
    server.event(number, Disconnected)
