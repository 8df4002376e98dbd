"""Live connections through a switch, with clients and servers that know what they should get; and floods of SYNs."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import count, islice

import numpy as np
import numpy.typing as npt

from controller.plan.pins import PinKey
from controller.spec.types import Address, Mode, Protocol
from tests.conformance import packets
from tests.conformance.packets import ACK, ETHER, PSH, SYN, Packet, ethernet
from tests.p4 import wires
from tests.p4.box import Box, Frame
from tests.p4.scene import (
    CLIENT_MAC,
    CLIENTS,
    SWITCH_MAC,
    VIRTUAL_MAC,
    Service,
    server_address,
    server_mac,
    server_port,
)

BATCH = 256
"""Frames handed to a switch at a time."""
_MARK = 8
_fresh = count(1)
_BACKEND_BY_MAC = {packets.mac(server_mac(number)): number for number in range(1, 255)}


def client_address(number: int, version: int = 4) -> Address:
    """The address of a client, one of a million."""
    return IPv4Address("192.168.0.0") + number if version == 4 else IPv6Address("2001:db8::") + number


@dataclass(eq=False)
class Talk:
    """One connection, as its client knows it."""

    service: Service
    client: Address
    port: int
    size: int = _MARK
    """Bytes of payload."""
    backend: int = 0
    """To which the switch sent its first packet; 0: none has arrived yet."""
    peer: tuple[Address, int] | None = None
    """Whom the server sees: the client, or with fullnat the switch."""
    _frames: dict[int, bytes] = field(default_factory=dict)
    _answer: bytes = b""

    @property
    def key(self) -> PinKey:
        """How a pin names it."""
        return PinKey(self.service.id, self.client, 0 if self.service.sticky else self.port)

    def packet(self, flags: int = ACK | PSH, payload: bytes | None = None, **fields: object) -> Packet:
        """A packet of the client; ``fields`` are those of ``Packet``."""
        service = self.service
        return Packet(
            self.client,
            self.port,
            service.vip,
            service.port,
            service.protocol,
            bytes(self.size) if payload is None else payload,
            flags,
            **fields,  # type: ignore[arg-type]
        )

    def frame(self, flags: int = ACK | PSH, mark: bytes = bytes(_MARK)) -> Frame:
        """A packet of the client that carries a mark at its end."""
        if flags not in self._frames:
            self._frames[flags] = from_client(self.packet(flags))[1]
        return CLIENTS, marked(self._frames[flags], self.service, mark)

    def arrived(self, frame: Frame) -> int:
        """Take a packet at a server; the backend."""
        backend = backend_of(frame)
        if self.peer is None or self.service.mode is Mode.FULLNAT:
            peer = wires.source(frame[1])
            if peer != self.peer:
                self.peer, self._answer = peer, b""
        if backend != self.backend:
            self._answer = b""
        return backend

    def answer(self, backend: int, flags: int = ACK | PSH, **fields: object) -> Packet:
        """What the server sends back."""
        assert self.peer is not None
        service = self.service
        translated = service.mode in (Mode.NAT, Mode.FULLNAT)
        source = server_address(backend, service.version) if translated else service.vip
        return Packet(
            source,
            service.backend_port,
            *self.peer,
            service.protocol,
            fields.pop("payload", bytes(self.size)),  # type: ignore[arg-type]
            flags,
            **fields,  # type: ignore[arg-type]
        )

    def answer_frame(self, backend: int, mark: bytes) -> Frame:
        """The same with a mark."""
        if not self._answer:
            self._answer = from_server(self.answer(backend), backend)[1]
        return server_port(backend), marked(self._answer, self.service, mark)


def from_client(packet: Packet) -> Frame:
    """A client's packet at the switch."""
    return CLIENTS, ethernet(VIRTUAL_MAC, CLIENT_MAC, ETHER[packet.source.version], packet.build())


def from_server(packet: Packet, backend: int) -> Frame:
    """A server's packet at the switch."""
    kind = ETHER[packet.source.version]
    return server_port(backend), ethernet(SWITCH_MAC, server_mac(backend), kind, packet.build())


def backend_of(frame: Frame) -> int:
    """Which server gets a frame; 0 for one that goes to no server."""
    port, data = frame
    backend = _BACKEND_BY_MAC.get(data[:6], 0)
    return backend if backend and server_port(backend) == port else 0


def marked(frame: bytes, service: Service, mark: bytes) -> bytes:
    """A frame whose last eight bytes, zero so far, are a mark; its checksum follows."""
    at = (34 if service.version == 4 else 54) + (16 if service.protocol is Protocol.TCP else 6)
    total = ~int.from_bytes(frame[at : at + 2], "big") & 0xFFFF
    total += sum(struct.unpack("!4H", mark))
    total = (total & 0xFFFF) + (total >> 16)
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    if service.protocol is Protocol.UDP:
        total = total or 0xFFFF
    return frame[:at] + total.to_bytes(2, "big") + frame[at + 2 : -_MARK] + mark


@dataclass
class Crowd:
    """Connections that exchange data through a switch; who is moved, and what does not arrive, is found out."""

    box: Box
    talks: list[Talk] = field(default_factory=list)
    moved: set[int] = field(default_factory=set)
    """Numbers of connections that another server got a packet of."""
    lost: Counter[int] = field(default_factory=Counter)
    """Packets, either way, that did not arrive, by connection."""
    wrong: list[str] = field(default_factory=list)
    """Frames that are not what they should be."""
    delivered: int = 0
    """Packets that arrived, either way."""
    two_way: bool = True
    """Whether servers answer."""
    noise: Iterator[list[Frame]] | None = None
    """Frames of others that are sent between those of clients, some in each round."""
    _turn: int = 0

    def open(self, talks: Sequence[Talk]) -> None:
        """New connections: SYN, answer, ACK; with UDP a datagram each way and another one."""
        first = len(self.talks)
        self.talks += talks
        numbers = range(first, first + len(talks))
        for part in _parts(numbers):
            self._round(part, SYN)
            self._round(part, ACK)

    def exchange(self, numbers: Iterable[int] | None = None) -> None:
        """Data from each client, and an answer to it."""
        for part in _parts(range(len(self.talks)) if numbers is None else numbers):
            self._round(part, ACK | PSH)

    def send(self, numbers: Sequence[int], flags: int = ACK | PSH) -> list[Frame]:
        """One packet from each client; what came out, after it was looked at."""
        return self._round(numbers, flags)

    @property
    def unharmed(self) -> bool:
        """None moved, nothing lost, nothing wrong."""
        return not (self.moved or self.lost or self.wrong)

    def _round(self, numbers: Sequence[int], flags: int) -> list[Frame]:
        self._turn += 1
        marks = {number.to_bytes(4, "big") + self._turn.to_bytes(4, "big"): number for number in numbers}
        out = self.box.send(self._mixed([self.talks[n].frame(flags, mark) for mark, n in marks.items()]))
        answers = []
        missing = dict(marks)
        for frame in out:
            number = missing.pop(frame[1][-_MARK:], None)
            if number is None:
                continue
            talk = self.talks[number]
            backend = talk.arrived(frame)
            if not backend:
                self.wrong.append(f"{number}: came out of port {frame[0]}")
                continue
            self.delivered += 1
            if talk.backend and talk.backend != backend:
                self.moved.add(number)
            talk.backend = talk.backend or backend
            if self.two_way:
                answers.append(talk.answer_frame(backend, frame[1][-_MARK:]))
        self.lost.update(missing.values())
        if answers:
            self._answers(answers, marks)
        return out

    def _mixed(self, frames: list[Frame]) -> list[Frame]:
        noise = [] if self.noise is None else next(self.noise, [])
        if not noise:
            return frames
        step = max(1, len(noise) // len(frames))
        out = []
        for n, frame in enumerate(frames):
            out += [*noise[n * step : (n + 1) * step], frame]
        return out + noise[len(frames) * step :]

    def _answers(self, answers: list[Frame], marks: dict[bytes, int]) -> None:
        waiting = {frame[-_MARK:] for _, frame in answers}
        for port, frame in self.box.send(answers):
            mark = frame[-_MARK:]
            if mark not in waiting:
                continue
            waiting.discard(mark)
            talk = self.talks[marks[mark]]
            ends = wires.source(frame), wires.destination(frame)
            if port != CLIENTS or ends != ((talk.service.vip, talk.service.port), (talk.client, talk.port)):
                self.wrong.append(f"{marks[mark]}: answer at port {port} from {ends[0]} to {ends[1]}")
            self.delivered += 1
        self.lost.update(marks[mark] for mark in waiting)


def fresh(service: Service) -> Talk:
    """A connection that no test has had before, on a switch that several tests share."""
    number = next(_fresh)
    return Talk(
        service, client_address((1 << 18) + number * 7919 % (1 << 18), service.version), 1024 + number
    )


def talks(service: Service, number: int, first: int = 0, port: int = 40_000, size: int = _MARK) -> list[Talk]:
    """Connections of as many clients."""
    return [
        Talk(service, client_address(1000 + first + n, service.version), port, size) for n in range(number)
    ]


def _parts(numbers: Iterable[int]) -> Iterator[list[int]]:
    them = iter(numbers)
    while part := list(islice(them, BATCH)):
        yield part


def syn_flood(service: Service, number: int, seed: int, batch: int = BATCH) -> Iterator[list[Frame]]:
    """Bare SYNs from addresses and ports that no host has (198.18.0.0/15), in batches; all different."""
    assert service.version == 4
    assert service.protocol is Protocol.TCP
    model = from_client(Packet(IPv4Address(0), 0, service.vip, service.port, service.protocol, flags=SYN))[1]
    generator = np.random.default_rng(seed)
    # A number below 2^33 is 17 bits of address and 16 of port; an odd factor makes each a different one.
    start, step = int(generator.integers(1 << 33)), int(generator.integers(1 << 32)) * 2 + 1
    for at in range(0, number, batch):
        n = np.arange(at, min(at + batch, number), dtype=np.uint64)
        mixed = (n * np.uint64(step) + np.uint64(start)) & np.uint64((1 << 33) - 1)
        addresses = (198 << 24 | 18 << 16) + (mixed >> np.uint64(16))
        yield _stamp(model, addresses.astype(np.uint32), (mixed & np.uint64(0xFFFF)).astype(np.uint32))


def _stamp(model: bytes, addresses: npt.NDArray[np.uint32], ports: npt.NDArray[np.uint32]) -> list[Frame]:
    rows = np.tile(np.frombuffer(model, np.uint8), (len(addresses), 1))
    rows[:, 26:30] = addresses.astype(">u4").view(np.uint8).reshape(-1, 4)
    rows[:, 34:36] = ports.astype(">u2").view(np.uint8).reshape(-1, 2)
    inside = (addresses >> 16) + (addresses & 0xFFFF)
    for at, added in ((24, inside), (50, inside + ports)):
        total = (0xFFFF ^ int.from_bytes(model[at : at + 2], "big")) + added
        for _ in range(2):
            total = (total & 0xFFFF) + (total >> 16)
        rows[:, at : at + 2] = (0xFFFF ^ total).astype(">u2").view(np.uint8).reshape(-1, 2)
    data, size = rows.tobytes(), len(model)
    return [(CLIENTS, data[n : n + size]) for n in range(0, len(data), size)]
