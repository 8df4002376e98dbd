"""ICMP echo over one shared socket per address family."""

from __future__ import annotations

import errno
import os
import socket
import struct
from ipaddress import ip_address
from itertools import count
from select import EPOLLIN
from typing import Protocol

from controller.health.attempt import Attempt, Machine, Plan
from controller.health.result import Outcome

_ECHO = {4: 8, 6: 128}
_REPLY = {4: 0, 6: 129}
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
_BUFFER = 4 << 20

NOT_PERMITTED = (
    "cannot probe: icmp needs CAP_NET_RAW, or a group of this process inside sysctl net.ipv4.ping_group_range"
)


class EchoSocket:
    """Sends echo requests and hands each reply to the attempt that waits for it.

    A datagram ICMP socket is tried first (no privilege, replies already sorted by the kernel), then a
    raw one. Replies are recognised by a random nonce and a counter in the payload, and by their source.
    ICMP errors are not looked at: an unreachable server shows as a timeout.
    """

    def __init__(self, machine: Machine, version: int) -> None:
        """Opens the socket. Raises ``PermissionError`` when neither kind is allowed."""
        self.version = version
        self.waiting: dict[bytes, EchoAttempt] = {}
        self._nonce = os.urandom(8)
        self._count = count(1)
        self._sock, self._header = self._open(version)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        machine.watch(self._sock.fileno(), EPOLLIN, self.ready)

    @staticmethod
    def _open(version: int) -> tuple[socket.socket, bool]:
        """The socket, and whether what it receives begins with an IPv4 header."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
        try:
            return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, protocol), False
        except PermissionError:
            raw = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
        # A set bit blocks the type; only echo replies may pass.
        if version == 4:
            raw.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~(1 << _REPLY[4])))
        else:
            words = [0xFFFFFFFF] * 8
            words[_REPLY[6] >> 5] &= ~(1 << (_REPLY[6] & 31)) & 0xFFFFFFFF
            raw.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words))
        return raw, version == 4

    def ask(self, attempt: EchoAttempt) -> bytes:
        """Send a request for ``attempt``; the answer is the token to wait under. Raises ``OSError``."""
        number = next(self._count)
        token = self._nonce + number.to_bytes(8, "big")
        ident = int.from_bytes(token[:2], "big")
        head = struct.pack("!BBHHH", _ECHO[self.version], 0, 0, ident, number & 0xFFFF)
        if self.version == 4:  # for IPv6 the kernel fills in the checksum, which covers addresses
            head = head[:2] + struct.pack("!H", _checksum(head + token)) + head[4:]
        self._sock.sendto(head + token, (attempt.plan.sockaddr[0], 0))
        self.waiting[token] = attempt
        return token

    def ready(self, events: int) -> None:
        """Read all replies that are there."""
        while True:
            try:
                data, source = self._sock.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError:
                continue  # an error queued for an earlier request; that one will time out
            self._match(data, source[0])

    def _match(self, data: bytes, source: str) -> None:
        if self._header:
            data = data[(data[0] & 15) * 4 :]
        if len(data) < 24 or data[0] != _REPLY[self.version]:
            return
        attempt = self.waiting.get(data[8:24])
        if attempt is not None and ip_address(source) == attempt.plan.probe.address:
            attempt.finish(Outcome.PASS)


class EchoMachine(Machine, Protocol):
    """A machine that keeps one echo socket per IP version."""

    def echo_socket(self, version: int) -> EchoSocket:
        """The socket of that IP version. Raises ``OSError`` when it cannot be opened."""


class EchoAttempt(Attempt):
    """Passes when the echo reply arrives."""

    __slots__ = ("echoes", "owner", "token")

    def __init__(self, machine: EchoMachine, plan: Plan, now: float) -> None:
        super().__init__(machine, plan, now)
        self.echoes = machine
        self.token = b""
        self.owner: EchoSocket | None = None

    def begin(self) -> None:
        """Send; without permission the probe ends as an error of ours, not of the server."""
        version = self.plan.probe.address.version
        try:
            self.owner = self.echoes.echo_socket(version)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES):
                self.finish(Outcome.LOCAL, NOT_PERMITTED)
                return
            raise
        self.token = self.owner.ask(self)
        self.holds = True

    def close(self) -> None:
        """The token is no longer awaited."""
        if self.owner is not None:
            del self.owner.waiting[self.token]


def _checksum(data: bytes) -> int:
    """RFC 1071, for data of even length."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
