"""Records who claims VIPs at the edges of a lab, and asks for them all the time, so that an owner is heard.

    clients' interfaces ─► a question for each VIP every ``period``
    every cable of every edge ─► claims that come in, and that leave: made here, or passed on ─► ``heard``

It takes the times of the kernel, and waits ``SETTLED`` for what is read late, so what several edges do is in the right
order. It listens where frames arrive, for switches may send past all who listen.
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from topo import netns, wires
from topo.lab import Lab
from topo.plan import Address, Host, Port
from topo.wire.claims import claim, question
from topo.wire.judge import Findings, Heard, judge
from topo.wire.origin import Origin

PERIOD = 0.1
"""Seconds between two questions of a client for the same VIP."""
PATIENCES = 5
"""Periods without an answer after which a spell is over."""
SETTLED = 0.1
"""Seconds from when the kernel puts a time to a frame to when it can be read, at most."""
_TOGETHER = 50e-6
"""Seconds between two looks at a clock that count as one moment."""
_SET = 0.01
"""Seconds by which the wall clock moves only if it is set."""
_EVERYTHING = 3
_SOL_PACKET, _IGNORE_OUTGOING = 263, 23
_SO_TIMESTAMPNS, _SO_ATTACH_FILTER = 35, 26
_BUFFER = 1 << 22
# ARP, and ICMPv6 of type 136, in classic BPF: (code, jump if true, jump if false, operand).
_FILTER = (
    (0x28, 0, 0, 12),  # EtherType
    (0x15, 5, 0, 0x0806),  # ARP: accept
    (0x15, 0, 5, 0x86DD),
    (0x30, 0, 0, 20),  # next header
    (0x15, 0, 3, 58),
    (0x30, 0, 0, 54),  # ICMPv6 type
    (0x15, 0, 1, 136),
    (0x06, 0, 0, 0x40000),
    (0x06, 0, 0, 0),
)


@dataclass
class _Ear:
    """An end of a cable of an edge."""

    socket: socket.socket
    edge: str
    port: str
    """The edge's interface."""
    leaving: bool
    """Whether it is the other end, at which what leaves the edge arrives."""


class _Frame(NamedTuple):
    at: float
    """By the kernel, moved to the monotonic clock."""
    ear: int
    frame: bytes


class Recorder:
    """As a context manager it records and asks; ``findings`` afterwards, or between."""

    def __init__(self, lab: Lab, period: float = PERIOD, vips: Iterable[Address] | None = None) -> None:
        """``vips``: default: all of the lab."""
        self.heard: list[Heard] = []
        self.begun = self.ended = 0.0
        self._lab = lab
        self.period = period
        """Seconds between two questions of a client for the same VIP."""
        self._vips = tuple(lab.fabric.vips if vips is None else vips)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._ears: list[_Ear] = []
        self._askers: list[tuple[Host, socket.socket]] = []
        self._origins: dict[str, Origin] = {}

    @property
    def patience(self) -> float:
        """Seconds without a claim after which a spell is over."""
        return PATIENCES * self.period

    @property
    def asked(self) -> list[tuple[str, str]]:
        """(VIP, site) that is asked for all the time."""
        sites = {self._lab.fabric.site_of(host.name) for host, _ in self._askers}
        return [(str(vip), site) for vip in self._vips for site in sorted(sites)]

    def __enter__(self) -> Recorder:
        fabric = self._lab.fabric
        for edge in (each for each in fabric.switches.values() if "edge" in each.roles):
            self._origins[edge.name] = Origin()
            for port in edge.ports:
                far, there = self._far_end(edge.name, port)
                inside = self._open(edge.name, port.interface, listen=True)
                outside = self._open(far, there, listen=True)
                self._ears += [
                    _Ear(inside, edge.name, port.interface, leaving=False),
                    _Ear(outside, edge.name, port.interface, leaving=True),
                ]
        askers: dict[str, Host] = {}
        for host in fabric.hosts.values():
            if host.kind == "client":
                askers.setdefault(host.attach, host)
        self._askers = [
            (host, self._open(host.name, wires.HOST_INTERFACE, listen=False)) for host in askers.values()
        ]
        # Of what is on its way now only a part may be heard.
        self.begun = time.monotonic() + SETTLED
        for work in (self._listen, self._ask):
            self._threads.append(threading.Thread(target=work, daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for one in (*(ear.socket for ear in self._ears), *(each for _, each in self._askers)):
            one.close()

    def findings(self, begin: float | None = None, end: float | None = None) -> Findings:
        """What was heard, judged; from ``begin`` to ``end`` of the monotonic clock, or all of it."""
        until = self.ended or time.monotonic() - SETTLED
        return judge(
            list(self.heard),
            self.asked,
            self.patience,
            self.begun if begin is None else begin,
            until if end is None else end,
        )

    def _far_end(self, edge: str, port: Port) -> tuple[str, str]:
        """Node and interface at the other end of an edge's cable."""
        fabric = self._lab.fabric
        if port.stretch:
            link = next(each for each in fabric.stretch if each.name == port.stretch)
            return wires.CONTROL_BRIDGE, wires.relayed(fabric)[port.stretch][link.ends.index(edge)]
        return port.to, edge if port.to in fabric.switches else wires.HOST_INTERFACE

    def _open(self, node: str, interface: str, listen: bool) -> socket.socket:
        with netns.enter(self._lab.spaces[node]):
            one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        if listen:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            one.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
            one.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            _attach(one)
            one.setblocking(False)
        one.bind((interface, _EVERYTHING if listen else 0))
        return one

    def _listen(self) -> None:
        waiting: list[_Frame] = []
        offset = _offset(None)
        sockets = {ear.socket: number for number, ear in enumerate(self._ears)}
        while not self._stop.is_set():
            # All that arrived before is read in this round, however long it takes.
            settled = time.monotonic() - SETTLED
            ready, _, _ = select.select(list(sockets), [], [], 0.1)
            offset = _offset(offset)
            frames = [frame for one in ready for frame in _take(one, sockets[one], offset)]
            waiting = sorted([*waiting, *frames], key=lambda each: each.at)
            while waiting and waiting[0].at <= settled:
                self._hear(waiting.pop(0))
        # What arrives from now on is left unheard: of some of it only a part would be.
        self.ended = time.monotonic() - SETTLED
        waiting += [frame for one in sockets for frame in _take(one, sockets[one], offset)]
        for frame in sorted(waiting, key=lambda each: each.at):
            if frame.at <= self.ended:
                self._hear(frame)

    def _hear(self, seen: _Frame) -> None:
        said = claim(seen.frame)
        ear = self._ears[seen.ear]
        if said is None or said.address not in self._vips:
            return
        origin = self._origins[ear.edge]
        if not ear.leaving:
            origin.came(seen.frame, ear.port, seen.at)
            return
        made = origin.left(seen.frame, ear.port, seen.at)
        if seen.at < self.begun:
            return
        host = self._lab.fabric.hosts.get(ear.port)
        self.heard.append(
            Heard(
                seen.at,
                str(said.address),
                said.kind,
                ear.edge,
                self._lab.fabric.site_of(ear.edge),
                ear.port,
                made,
                host is not None and host.kind == "client",
            )
        )

    def _ask(self) -> None:
        questions = [
            (one, question(vip, host.mac, source))
            for vip in self._vips
            for host, one in self._askers
            if (source := next((a.ip for a in host.addresses if a.version == vip.version), None)) is not None
        ]
        due = time.monotonic()
        while questions and not self._stop.wait(max(0.0, due - time.monotonic())):
            for one, frame in questions:
                with suppress(OSError):  # its cable is out: it is not heard
                    one.send(frame)
            due = max(due + self.period, time.monotonic())


def _offset(known: float | None) -> float:
    """Seconds from the monotonic clock to the wall clock, as it was ``known``, unless the wall clock was set.

    Not measured for every frame: a thread that stands still between two looks would put frames out of order.
    """
    for _ in range(10):
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        if after - before < _TOGETHER:
            break
    measured = wall - (before + after) / 2
    return measured if known is None or abs(measured - known) > _SET else known


def _take(one: socket.socket, ear: int, offset: float) -> list[_Frame]:
    found: list[_Frame] = []
    while True:
        try:
            frame, more, _, _ = one.recvmsg(2048, 64)
        except BlockingIOError:
            return found
        except OSError:
            return found  # the interface went down; it is heard again when it is up
        stamp = next((data for _, kind, data in more if kind == _SO_TIMESTAMPNS), None)
        seconds, nanos = struct.unpack("qq", stamp) if stamp is not None else (time.time(), 0)
        found.append(_Frame(seconds + nanos / 1e9 - offset, ear, frame))


def _attach(one: socket.socket) -> None:
    """Let the kernel show claims alone."""
    program = b"".join(struct.pack("HBBI", *each) for each in _FILTER)
    code = ctypes.create_string_buffer(program)
    one.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_FILTER), ctypes.addressof(code))
    )
