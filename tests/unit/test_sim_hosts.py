"""Simulated hosts: frames that are right, connections that lose nothing over a cable that does, refusals and resets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from tests.conformance.packets import one_sum
from topo.p4switch.unixlink import UnixLink
from topo.sim.connection import Connection
from topo.sim.host import HostSpec, SimHost
from topo.sim.packets import ACK, IPIP, PSH, RST, SYN, Segment, arp, read_arp, read_tcp, tcp

HELLO = Segment("10.0.0.11", 40000, "10.0.0.12", 80, 7, 9, ACK | PSH, b"hello")


def test_a_segment_survives_the_wire_and_its_checksums_are_right() -> None:
    packet = tcp(HELLO)
    assert one_sum(packet[:20]) == 0
    assert read_tcp(packet) == HELLO


@pytest.mark.parametrize("place", [8, 16, 24, 40])
def test_a_changed_octet_is_noticed(place: int) -> None:
    packet = bytearray(tcp(HELLO))
    packet[place] ^= 0x10
    assert read_tcp(bytes(packet)) is None


def test_a_packet_in_ipip_is_taken_out() -> None:
    inner = tcp(HELLO)
    bare = tcp(HELLO._replace(data=b""))[:20]
    head = bytearray(bare[:10] + bytes(2) + bare[12:])
    head[9] = IPIP
    head[2:4] = (20 + len(inner)).to_bytes(2, "big")
    head[10:12] = one_sum(bytes(head)).to_bytes(2, "big")
    assert read_tcp(bytes(head) + inner) == HELLO


def test_arp_is_read_as_it_was_written() -> None:
    question = read_arp(arp(1, b"\2" * 6, "10.0.0.11", bytes(6), "10.0.0.12"))
    assert question is not None
    assert (question.op, question.mac, question.sender, question.target) == (
        1,
        b"\2" * 6,
        "10.0.0.11",
        "10.0.0.12",
    )


class Echo(asyncio.Protocol):
    """Says everything back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Lossy(UnixLink):
    """A cable that loses every n-th frame sent here."""

    def __init__(self, own: Path, nth: int) -> None:
        super().__init__(own)
        self.nth = nth
        self.count = 0

    def send(self, frame: bytes) -> None:
        self.count += 1
        if self.count % self.nth:
            super().send(frame)


def host(folder: Path, name: str, other: str, number: int, lose: int, **more: object) -> SimHost:
    cable = folder / f"{name}-{other}"
    mac = f"02:00:00:00:00:{number:02x}"
    spec = HostSpec(name, str(cable), mac, f"10.0.0.{number}/24", "02:00:00:00:00:fe")
    listeners = cast(dict[str, Callable[[], asyncio.Protocol]], more)
    return SimHost(spec, Lossy(cable, lose), {int(port[1:]): who for port, who in listeners.items()})


@pytest.mark.parametrize("lose", [1_000_000, 3])
def test_everything_sent_comes_back_in_order_even_if_frames_are_lost(tmp_path: Path, lose: int) -> None:
    text = os.urandom(20_000)

    async def talk() -> bytes:
        client = host(tmp_path, "a", "b", 1, lose)
        _server = host(tmp_path, "b", "a", 2, 1_000_000, p80=Echo)
        reader, writer = await client.open_connection("10.0.0.2", 80)
        writer.write(text)
        back = await reader.readexactly(len(text))
        writer.close()
        return back

    assert asyncio.run(asyncio.wait_for(talk(), 60)) == text


def test_a_port_without_a_listener_refuses(tmp_path: Path) -> None:
    async def knock() -> None:
        client = host(tmp_path, "a", "b", 1, 1_000_000)
        _server = host(tmp_path, "b", "a", 2, 1_000_000, p80=Echo)
        with pytest.raises(ConnectionRefusedError):
            await client.open_connection("10.0.0.2", 81)

    asyncio.run(asyncio.wait_for(knock(), 20))


def test_a_server_that_knows_nothing_of_a_connection_resets_it() -> None:
    async def reset() -> None:
        sent: list[Segment] = []
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        one = Connection(
            ("10.0.0.1", 5), ("10.0.0.2", 80), 100, protocol, sent.append, lambda _connection: None
        )
        one.connect()
        one.take(Segment("10.0.0.2", 80, "10.0.0.1", 5, 500, 101, SYN | ACK))
        assert one.opened.done()
        assert [each.flags for each in sent] == [SYN, ACK]
        one.take(Segment("10.0.0.2", 80, "10.0.0.1", 5, 501, 101, RST))
        assert one.is_closing()
        one.write(b"nobody hears this")
        assert len(sent) == 2

    asyncio.run(reset())


def test_frames_to_an_end_that_is_not_there_are_dropped_and_flow_once_it_is(tmp_path: Path) -> None:
    one = UnixLink(tmp_path / "a-b")
    one.send(b"lost")
    assert one.dropped == 1
    other = UnixLink(tmp_path / "b-a")
    one.send(b"found")
    assert other.receive(10) == [b"found"]
    other.close()
    one.send(b"lost again")
    again = UnixLink(tmp_path / "b-a")
    one.send(b"found again")
    assert again.receive(10) == [b"found again"]
    for end in (one, again):
        end.close()


def test_more_frames_than_the_kernel_lets_wait_are_kept_and_come_in_order(tmp_path: Path) -> None:
    one, other = UnixLink(tmp_path / "a-b"), UnixLink(tmp_path / "b-a")
    frames = [number.to_bytes(2, "big") for number in range(1000)]
    for frame in frames:
        one.send(frame)
    got: list[bytes] = []
    for _ in range(1000):
        got += other.receive(64)
        # A host that has something waiting sends it whenever it looks for frames itself.
        one.receive(64)
    assert got == frames
    one.close()
    other.close()
