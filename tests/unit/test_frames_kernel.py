"""What a real kernel makes of crafted frames: it takes them for true, as client, server and neighbour."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address
from select import select
from time import monotonic, sleep

import pytest

from controller.frames import (
    gratuitous_arp,
    packet_too_big,
    redirect_error,
    tcp_reset,
    tuple_of,
    unsolicited_na,
)
from controller.spec.types import Address
from tests.unit.craft import SERVER_MAC, TCP, UDP, VIP, VIRTUAL_MAC, error, packet, udp

pytestmark = pytest.mark.needs_root
both = pytest.mark.parametrize("version", [4, 6])

HOST: dict[int, Address] = {4: IPv4Address("10.0.0.1"), 6: IPv6Address("fd00::1")}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
OTHER: dict[int, Address] = {4: IPv4Address("10.0.0.9"), 6: IPv6Address("fd00::9")}
NEW_NETWORK, SET_TAP, TAP_WITHOUT_HEADER = 0x40000000, 0x400454CA, 0x1002
# (level, MTU_DISCOVER, "do", MTU) of linux/in.h and linux/in6.h.
PATH_MTU = {4: (socket.IPPROTO_IP, 10, 2, 14), 6: (socket.IPPROTO_IPV6, 23, 2, 24)}
LONGEST_WAIT = 10.0
OLD_MAC = "02:45:56:00:01:99"

Tap = int
SETUP = (
    "ip link set lo up",
    f"ip link set wire0 address {SERVER_MAC} up",
    "ip address add 10.0.0.1/8 dev wire0",
    "ip address add fd00::1/16 dev wire0 nodad",
    f"ip neighbour add 10.0.0.100 lladdr {OLD_MAC} dev wire0 nud stale",
    f"ip neighbour add fd00::100 lladdr {OLD_MAC} dev wire0 nud stale",
)


@contextmanager
def tap() -> Iterator[Tap]:
    """The other end of a wire to the kernel of this thread's network namespace."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(fd, SET_TAP, struct.pack("16sH22x", b"wire0", TAP_WITHOUT_HEADER))
        for command in SETUP:
            subprocess.run(command.split(), check=True, timeout=LONGEST_WAIT)
        yield fd
    finally:
        os.close(fd)


def on_a_wire(check: Callable[[Tap], None]) -> None:
    """Run ``check`` in a network namespace of its own, which ends with the thread that is in it."""

    def inside() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(NEW_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), "cannot leave the network namespace")
        with tap() as fd:
            check(fd)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(inside).result()


def sent(fd: Tap, protocol: int, to: Address) -> bytes:
    """The next frame of ``protocol`` that the kernel sends to ``to``."""
    while select([fd], [], [], LONGEST_WAIT)[0]:
        frame = os.read(fd, 65535)
        flow = tuple_of(frame)
        if flow is not None and (flow.protocol, flow.destination) == (protocol, to):
            return frame
    raise AssertionError(f"the kernel sent nothing of protocol {protocol} to {to}")


def settled(value: Callable[[], int | str], wanted: int | str) -> int | str:
    """``value()`` when it is as wanted, or when the longest wait is over."""
    end = monotonic() + LONGEST_WAIT
    while (now := value()) != wanted and monotonic() < end:
        sleep(0.01)
    return now


def path_socket(version: int, port: int, to: Address) -> socket.socket:
    """A UDP socket that asks for the path's MTU, connected to port 80 of ``to``."""
    level, discover, do, _ = PATH_MTU[version]
    sock = socket.socket(FAMILY[version], socket.SOCK_DGRAM)
    sock.setsockopt(level, discover, do)
    sock.bind((str(HOST[version]), port))
    sock.connect((str(to), 80))
    return sock


def path_mtu(sock: socket.socket, version: int) -> int:
    level, _, _, mtu = PATH_MTU[version]
    return sock.getsockopt(level, mtu)


@both
def test_a_client_takes_the_reset_for_the_vips(version: int) -> None:
    def check(fd: Tap) -> None:
        with closing(socket.socket(FAMILY[version])) as sock:
            sock.setblocking(False)
            assert sock.connect_ex((str(VIP[version]), 80)) == errno.EINPROGRESS
            reset = tcp_reset(sent(fd, TCP, VIP[version]), VIRTUAL_MAC)
            assert reset is not None
            os.write(fd, reset)
            select([], [sock], [], LONGEST_WAIT)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED

    on_a_wire(check)


@both
def test_a_client_learns_the_mtu_that_it_is_told(version: int) -> None:
    def check(fd: Tap) -> None:
        with closing(path_socket(version, 40000, VIP[version])) as sock:
            sock.send(bytes(1400))
            told = packet_too_big(sent(fd, UDP, VIP[version]), 1300, VIRTUAL_MAC)
            assert told is not None
            assert path_mtu(sock, version) == 1500
            os.write(fd, told)
            assert settled(lambda: path_mtu(sock, version), 1300) == 1300

    on_a_wire(check)


@both
def test_a_server_takes_a_redirected_error_for_its_own(version: int) -> None:
    client, server, vip = OTHER[version], HOST[version], VIP[version]

    def check(fd: Tap) -> None:
        with closing(path_socket(version, 8080, client)) as sock:
            # As the router saw it: behind the VIP, to the client.
            answer = packet(vip, client, UDP, udp(vip, client, (443, 80), bytes(1400)))
            came = error(vip, answer[:576])
            redirected = redirect_error(came, server, 8080, SERVER_MAC)
            assert redirected is not None
            assert path_mtu(sock, version) == 1500
            os.write(fd, redirected)
            assert settled(lambda: path_mtu(sock, version), 1280) == 1280

    on_a_wire(check)


@both
def test_a_neighbour_believes_the_announcement(version: int) -> None:
    def check(fd: Tap) -> None:
        vip = VIP[version]
        frame = (
            gratuitous_arp(vip, VIRTUAL_MAC)
            if isinstance(vip, IPv4Address)
            else unsolicited_na(vip, VIRTUAL_MAC)
        )
        assert known_mac(vip) == OLD_MAC
        os.write(fd, frame)
        assert settled(lambda: known_mac(vip), VIRTUAL_MAC) == VIRTUAL_MAC

    on_a_wire(check)


def known_mac(address: Address) -> str:
    """The MAC that the kernel has for a neighbour."""
    command = ["ip", "neighbour", "show", str(address), "dev", "wire0"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LONGEST_WAIT)
    words = shown.stdout.split()
    return words[words.index("lladdr") + 1]
