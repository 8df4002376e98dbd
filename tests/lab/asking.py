"""A host that asks for a VIP's MAC all the time, and when it was answered, by the kernel's stamp on the wire."""

from __future__ import annotations

import itertools
import select
import socket
import struct
import threading
import time
from ipaddress import ip_address
from types import TracebackType

from tests.lab.wire import mac_of
from topo.lab import Lab

EVERY = 0.004
"""Seconds between questions."""
_TIMESTAMPNS = 35
_ARP = 0x0806
_REPLY = 2


def now() -> float:
    """The clock of all deadlines: seconds since boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Asker:
    """Asks from when it is entered."""

    def __init__(self, lab: Lab, host: str, address: str) -> None:
        own = lab.fabric.hosts[host]
        mac, self._target = mac_of(own.mac), ip_address(address).packed
        source = next(each.ip.packed for each in own.addresses if each.version == 4)
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + source + bytes(6) + self._target
        self._question = b"\xff" * 6 + mac + b"\x08\x06" + body
        with lab.namespace(host):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
        self._socket.bind(("eth0", _ARP))
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        self._answers: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Asker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def answers(self, since: float, until: float = float("inf")) -> list[float]:
        """When it was answered, seconds of the boot clock."""
        return [at for at in list(self._answers) if since <= at < until]

    def last(self) -> float:
        """When it was answered last."""
        return self._answers[-1]

    def first(self, since: float, within: float = 15.0) -> float:
        """When it was answered first after ``since``; AssertionError if that is not within so many seconds of now."""
        end = time.monotonic() + within
        while not (found := self.answers(since)):
            assert time.monotonic() < end, f"no answer within {within:g} s"
            time.sleep(EVERY)
        return found[0]

    def silence(self, length: float, within: float = 15.0) -> float:
        """Wait until so many seconds have passed without an answer; when the last one came."""
        end = time.monotonic() + within
        while now() < self.last() + length:
            assert time.monotonic() < end, (
                f"answered until {now() - self.last():.3f} s ago, after {within:g} s"
            )
            time.sleep(EVERY)
        return self.last()

    def gap(self, since: float) -> float:
        """The longest time without an answer from ``since`` until now."""
        at = [since, *self.answers(since), now()]
        return max(later - earlier for earlier, later in itertools.pairwise(at))

    def _run(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            if (left := due - time.monotonic()) <= 0:
                self._socket.send(self._question)
                due = max(due + EVERY, time.monotonic())
                continue
            ready, _, _ = select.select([self._socket], [], [], left)
            if ready:
                self._hear()

    def _hear(self) -> None:
        frame, notes, _, _ = self._socket.recvmsg(256, 64)
        if int.from_bytes(frame[20:22], "big") != _REPLY or frame[28:32] != self._target:
            return
        seconds, nanoseconds = struct.unpack("qq", notes[0][2])
        ago = time.clock_gettime(time.CLOCK_REALTIME) - (seconds + nanoseconds / 1e9)
        self._answers.append(now() - ago)
