"""Frames get from link to link, and links that go down are known to the program's selectors."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.unit.p4programs import FRAME, assign, ethernet, field, forward
from topo.p4switch.cables import QUEUE, Cable
from topo.p4switch.dataplane import DataPlane
from topo.p4switch.errors import ProgramError
from topo.p4switch.hashes import csum16
from topo.p4switch.links import LinkError, PacketLink, complete_checksum, link_events
from topo.p4switch.program import load_program
from topo.p4switch.state import Switch


def running(port: int, cpu_port: int | None = None) -> DataPlane:
    """A data plane whose program sends everything to a port."""
    builder = ethernet()
    builder.do([forward(port)])
    plane = DataPlane(cpu_port)
    plane.run(Switch(load_program(builder.json), plane.ports))
    return plane


def test_frames_cross_from_cable_to_cable() -> None:
    plane = running(2)
    one, two = Cable(), Cable()
    plane.add_cable(1, one.a)
    plane.add_cable(2, two.a)
    one.b.send(FRAME)
    one.b.send(FRAME + b"2")
    plane.step(1)
    plane.step()
    assert two.b.receive(10) == [FRAME, FRAME + b"2"]
    plane.close()


def test_a_thread_drives_the_loop_until_it_is_stopped() -> None:
    plane = running(1)
    cable = Cable()
    plane.add_cable(1, cable.a)
    plane.start()
    cable.b.send(FRAME)
    deadline = time.monotonic() + 10
    got: list[bytes] = []
    while not got and time.monotonic() < deadline:
        got = cable.b.receive(1)
        time.sleep(0.001)
    plane.close()
    assert got == [FRAME]


def test_a_cut_cable_drops_and_tells_both_ends() -> None:
    plane = running(2)
    cable = Cable()
    plane.add_cable(2, cable.a)
    assert plane.ports.is_up(2)
    cable.set(False)
    assert not plane.ports.is_up(2)
    cable.b.send(FRAME)
    assert (cable.a.receive(1), cable.b.dropped) == ([], 1)
    cable.set(True)
    assert plane.ports.is_up(2)
    plane.close()


def test_a_full_end_drops_what_comes_next_and_keeps_its_order() -> None:
    cable = Cable()
    for number in range(QUEUE + 3):
        cable.a.send(number.to_bytes(2, "big"))
    assert cable.a.dropped == 3
    assert [int.from_bytes(f, "big") for f in cable.b.receive(5)] == [0, 1, 2, 3, 4]
    assert len(cable.b.receive(QUEUE)) == QUEUE - 5


def test_the_cpu_port_goes_to_the_controller_and_comes_from_it() -> None:
    plane = running(510, cpu_port=510)
    seen: list[bytes] = []
    plane.on_cpu = seen.append
    plane.inject(FRAME)
    assert seen == [FRAME]
    assert plane.ports.is_up(510)
    plane.close()


def test_without_a_program_frames_are_dropped_and_counted() -> None:
    plane = DataPlane()
    plane.process([(1, FRAME)])
    assert plane.dropped == 1
    plane.close()


def test_a_program_that_cannot_run_leaves_the_old_one() -> None:
    plane = running(2)
    cable = Cable()
    plane.add_cable(2, cable.a)
    with pytest.raises(ProgramError):
        plane.load(b"{}")
    plane.process([(1, FRAME)])
    assert cable.b.receive(1) == [FRAME]
    plane.close()


def test_a_new_program_takes_over_and_the_old_one_lets_the_ports_go() -> None:
    plane = running(2)
    old = plane.engine
    builder = ethernet()
    builder.do([assign("standard_metadata", "egress_spec", field("standard_metadata", "ingress_port"))])
    plane.run(Switch(load_program(builder.json), plane.ports))
    assert old is not None
    assert plane.engine is not old
    cable = Cable()
    plane.add_cable(1, cable.a)
    plane.process([(1, FRAME)])
    assert cable.b.receive(1) == [FRAME]
    plane.close()


def test_a_port_takes_one_link() -> None:
    plane = DataPlane()
    plane.add_cable(1, Cable().a)
    with pytest.raises(ValueError, match="port 1 is in use"):
        plane.add_cable(1, Cable().a)
    plane.close()


def test_a_checksum_left_to_hardware_is_filled_in() -> None:
    pseudo = struct.pack("!IIBBH", 0x0A000001, 0x0A000002, 0, 17, 11)
    partial = 0xFFFF - csum16(pseudo)
    udp = struct.pack("!HHHH", 1, 2, 11, partial) + b"abc"
    done = complete_checksum(b"\0" * 34 + udp, 34, 6)
    assert csum16(pseudo + done[34:]) == 0


def test_link_events_give_name_and_state() -> None:
    name = struct.pack("=HH8s", 4 + 6, 3, b"veth1\0")

    def event(kind: int, flags: int) -> bytes:
        body = struct.pack("=BBHiII", 0, 0, 1, 7, flags, 0) + name
        return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body

    data = event(16, 0x41) + event(16, 0x1) + event(17, 0x41)
    assert link_events(data) == [("veth1", True), ("veth1", False), ("veth1", False)]


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(LinkError, match="interface nosuch0"):
        PacketLink("nosuch0")


@pytest.fixture
def wires() -> Iterator[list[str]]:
    """Two veth pairs, p4w0-p4w1 and p4w2-p4w3, in this namespace."""
    if shutil.which("ip") is None:
        pytest.skip("needs the program ip")
    names = ["p4w0", "p4w1", "p4w2", "p4w3"]
    for one, other in (names[:2], names[2:]):
        subprocess.run(["ip", "link", "add", one, "type", "veth", "peer", "name", other], check=True)
    try:
        for name in names:
            subprocess.run(["ip", "link", "set", name, "addrgenmode", "none", "up"], check=True)
        yield names
    finally:
        for name in ("p4w0", "p4w2"):
            subprocess.run(["ip", "link", "del", name], check=False)


@pytest.mark.needs_root
def test_real_interfaces_carry_frames_and_report_their_state(wires: list[str]) -> None:
    plane = running(2)
    plane.add_interface(1, wires[0])
    plane.add_interface(2, wires[2])
    source, sink = PacketLink(wires[1]), PacketLink(wires[3])
    tagged = FRAME[:12] + bytes.fromhex("81000005") + FRAME[12:]
    source.send(FRAME)
    source.send(tagged)
    got: list[bytes] = []
    deadline = time.monotonic() + 10
    while len(got) < 2 and time.monotonic() < deadline:
        plane.step(0.05)
        got += sink.receive(10)
    assert got == [FRAME, tagged]
    # The kernel may tell a new carrier a moment after the first frames.
    while not plane.ports.is_up(2) and time.monotonic() < deadline:
        plane.step(0.05)
    assert plane.ports.is_up(2)
    subprocess.run(["ip", "link", "set", wires[3], "down"], check=True)
    while plane.ports.is_up(2) and time.monotonic() < deadline:
        plane.step(0.05)
    assert not plane.ports.is_up(2)
    for link in (source, sink):
        link.close()
    plane.close()


@pytest.mark.needs_root
def test_a_datagram_of_this_kernel_arrives_with_its_checksum(wires: list[str]) -> None:
    link = PacketLink(wires[1])
    subprocess.run(["ip", "addr", "add", "192.0.2.1/24", "dev", wires[0]], check=True)
    subprocess.run(
        ["ip", "neigh", "add", "192.0.2.2", "lladdr", "02:00:00:00:00:09", "dev", wires[0]], check=True
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, wires[0].encode())
        sender.sendto(b"hello", ("192.0.2.2", 9))
    got: list[bytes] = []
    deadline = time.monotonic() + 10
    while not got and time.monotonic() < deadline:
        got = [f for f in link.receive(10) if f[12:14] == b"\x08\0" and f[23] == 17]
        time.sleep(0.001)
    link.close()
    datagram = got[0][34:]
    pseudo = got[0][26:34] + struct.pack("!BBH", 0, 17, len(datagram))
    assert csum16(pseudo + datagram) == 0
