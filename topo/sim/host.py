"""A simulated host: one cable, ARP, IPv4 and TCP, for programs that are written for asyncio's streams."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_interface
from pathlib import Path

from topo.p4switch.unixlink import UnixLink
from topo.sim.connection import Connection, State
from topo.sim.packets import (
    ACK,
    ARP,
    BROADCAST,
    IPV4,
    RST,
    SYN,
    Segment,
    arp,
    ethernet,
    read_arp,
    read_tcp,
    tcp,
)

ASK_AGAIN = 0.5
"""Seconds between ARP questions."""
_BATCH = 64
_FIRST_PORT, _LAST_PORT = 32768, 60999
_HELD = 256
"""Packets that wait for an answer to ARP."""


@dataclass(frozen=True)
class HostSpec:
    """Who a simulated host is."""

    name: str
    cable: str
    """Socket file of its end."""
    mac: str
    address: str
    """With prefix length; neighbours in the prefix are asked for by ARP, all others are behind the gateway."""
    gateway_mac: str
    vips: tuple[str, ...] = ()
    """Further addresses, never told by ARP."""

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(vars(self))

    @staticmethod
    def load(path: Path) -> HostSpec:
        """From a file that ``dump`` was written to."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        return HostSpec(**{**raw, "vips": tuple(raw["vips"])})


class SimHost:
    """Belongs to the event loop."""

    def __init__(
        self,
        spec: HostSpec,
        link: UnixLink,
        listeners: Mapping[int, Callable[[], asyncio.Protocol]] | None = None,
        seed: str = "",
    ) -> None:
        """``listeners``: port -> who serves there."""
        self._interface = ip_interface(spec.address)
        self._own = str(self._interface.ip)
        self._addresses = {self._own, *spec.vips}
        self._mac, self._gateway = _mac(spec.mac), _mac(spec.gateway_mac)
        self._link = link
        self._listeners = listeners or {}
        self._random = random.Random(f"{spec.name}/{seed}")
        self._port = self._random.randint(_FIRST_PORT, _LAST_PORT)
        self._macs: dict[str, bytes] = {}
        self._held: dict[str, list[bytes]] = {}
        self._connections: dict[tuple[tuple[str, int], tuple[str, int]], Connection] = {}
        asyncio.get_running_loop().add_reader(link.fileno(), self._readable)

    async def open_connection(
        self, address: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Like ``asyncio.open_connection``. Raises OSError."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        connection = self._connection((self._own, self._free_port(address, port)), (address, port), protocol)
        connection.connect()
        try:
            await connection.opened
        except asyncio.CancelledError:
            connection.abort()
            raise
        return reader, asyncio.StreamWriter(connection, protocol, reader, loop)

    def _free_port(self, address: str, port: int) -> int:
        for _ in range(_FIRST_PORT, _LAST_PORT + 1):
            self._port = self._port + 1 if self._port < _LAST_PORT else _FIRST_PORT
            if ((self._own, self._port), (address, port)) not in self._connections:
                return self._port
        raise OSError(f"no free port towards {address}:{port}")

    def _connection(
        self, local: tuple[str, int], peer: tuple[str, int], protocol: asyncio.Protocol
    ) -> Connection:
        start = self._random.getrandbits(32)
        made = Connection(local, peer, start, protocol, self._transmit, self._forget)
        self._connections[local, peer] = made
        return made

    def _forget(self, connection: Connection) -> None:
        key = (connection.local, connection.peer)
        if self._connections.get(key) is connection:
            del self._connections[key]

    # -- in

    def _readable(self) -> None:
        for frame in self._link.receive(_BATCH):
            kind, payload = int.from_bytes(frame[12:14], "big"), frame[14:]
            if frame[:6] not in (self._mac, BROADCAST):
                continue
            if kind == ARP:
                self._arp(payload)
            elif kind == IPV4:
                segment = read_tcp(payload)
                if segment is not None and segment.dst in self._addresses:
                    self._segment(segment)

    def _segment(self, segment: Segment) -> None:
        local, peer = (segment.dst, segment.dport), (segment.src, segment.sport)
        connection = self._connections.get((local, peer))
        if connection is not None and not (segment.flags == SYN and connection.state is State.OPEN):
            connection.take(segment)
        elif segment.flags == SYN and segment.dport in self._listeners:
            self._connection(local, peer, self._listeners[segment.dport]()).accept(segment)
        elif not segment.flags & RST:
            room = len(segment.data) + (segment.flags & SYN != 0)
            answer = Segment(*local, *peer, segment.ack, segment.seq + room & 0xFFFFFFFF, RST | ACK)
            self._transmit(answer)

    # -- out

    def _transmit(self, segment: Segment) -> None:
        packet = tcp(segment)
        if IPv4Address(segment.dst) not in self._interface.network:
            self._link.send(ethernet(self._gateway, self._mac, IPV4, packet))
        elif segment.dst in self._macs:
            self._link.send(ethernet(self._macs[segment.dst], self._mac, IPV4, packet))
        else:
            held = self._held.setdefault(segment.dst, [])
            if len(held) < _HELD:
                held.append(packet)
            if len(held) == 1:
                self._ask(segment.dst)

    def _ask(self, address: str) -> None:
        if address in self._macs:
            return
        question = arp(1, self._mac, self._own, bytes(6), address)
        self._link.send(ethernet(BROADCAST, self._mac, ARP, question))
        asyncio.get_running_loop().call_later(ASK_AGAIN, self._ask, address)

    def _arp(self, payload: bytes) -> None:
        heard = read_arp(payload)
        if heard is None:
            return
        if heard.op == 1 and heard.target == self._own:
            answer = arp(2, self._mac, self._own, heard.mac, heard.sender)
            self._link.send(ethernet(heard.mac, self._mac, ARP, answer))
        self._macs[heard.sender] = heard.mac
        for packet in self._held.pop(heard.sender, []):
            self._link.send(ethernet(heard.mac, self._mac, IPV4, packet))


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
