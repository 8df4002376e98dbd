"""One TCP connection of a simulated host, as an asyncio transport: enough of RFC 9293 to lose nothing unnoticed.

Segments are numbered, acknowledged, sent again when they are not, and taken in order; there is no flow control.

    connect: SYN_SENT ─► OPEN          accept: SYN_RECEIVED ─► OPEN          OPEN ─► (FINs both ways, or RST) ─► CLOSED
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from topo.sim.packets import ACK, FIN, PSH, RST, SYN, Segment

MSS = 1200
"""Octets of data in a segment: fits behind a tunnel's outer header."""
FIRST_SYN, FIRST_DATA = 1.0, 0.2
"""Seconds until a segment is sent again, as kernels have it; doubled each time."""
TRIES = 7
_MASK = 0xFFFFFFFF


class State(Enum):
    """Where a connection is in its life."""

    SYN_SENT = "syn sent"
    SYN_RECEIVED = "syn received"
    OPEN = "open"
    CLOSED = "closed"


class Connection(asyncio.Transport):
    """One end of a connection."""

    def __init__(
        self,
        local: tuple[str, int],
        peer: tuple[str, int],
        start: int,
        protocol: asyncio.Protocol,
        send: Callable[[Segment], None],
        ended: Callable[[Connection], None],
    ) -> None:
        """``start``: the first sequence number; ``send`` puts a segment on the way; ``ended`` is called at the end."""
        super().__init__({"sockname": local, "peername": peer})
        self.local, self.peer = local, peer
        self.state = State.CLOSED
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol = protocol
        self._send = send
        self._ended = ended
        self._next = start
        self._expected = 0
        self._unacknowledged: deque[tuple[int, int, bytes]] = deque()
        """(sequence number, flags, data), oldest first."""
        self._tries = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._peer_done = False

    # -- the life of it

    def connect(self) -> None:
        """Begin."""
        self.state = State.SYN_SENT
        self._queue(SYN, b"")

    def accept(self, first: Segment) -> None:
        """Answer a SYN."""
        self.state = State.SYN_RECEIVED
        self._expected = first.seq + 1 & _MASK
        self._queue(SYN | ACK, b"")

    def take(self, segment: Segment) -> None:
        """A segment has come."""
        if segment.flags & RST:
            refused = self.state is State.SYN_SENT
            self._end(ConnectionRefusedError("refused") if refused else ConnectionResetError("reset"))
            return
        if self.state is State.SYN_SENT:
            if segment.flags & (SYN | ACK) != SYN | ACK:
                return
            self._expected = segment.seq + 1 & _MASK
        if segment.flags & ACK:
            self._acknowledged(segment.ack)
        if self.state is State.SYN_SENT or (self.state is State.SYN_RECEIVED and not self._unacknowledged):
            self._open()
        self._receive(segment)
        if self._closing and self._peer_done and not self._unacknowledged:
            self._end(None)

    def _open(self) -> None:
        self.state = State.OPEN
        if not self.opened.done():
            self.opened.set_result(None)
        self._protocol.connection_made(self)

    def _receive(self, segment: Segment) -> None:
        """Data and FIN, if they are what is expected next; whatever takes up room is acknowledged."""
        room = len(segment.data) + (segment.flags & FIN != 0)
        if not room and not segment.flags & SYN:
            return
        fresh = room and segment.seq == self._expected and self.state is State.OPEN and not self._peer_done
        if fresh:
            self._expected = self._expected + room & _MASK
        self._emit(self._next, ACK, b"")
        if fresh and segment.data:
            self._protocol.data_received(segment.data)
        if fresh and segment.flags & FIN:
            self._peer_done = True
            if not self._protocol.eof_received():
                self.close()

    # -- sending

    def _queue(self, flags: int, data: bytes) -> None:
        self._unacknowledged.append((self._next, flags, data))
        self._emit(self._next, flags, data)
        self._next = self._next + len(data) + (flags & (SYN | FIN) != 0) & _MASK
        if self._timer is None:
            self._wind()

    def _emit(self, seq: int, flags: int, data: bytes) -> None:
        ack = self._expected if flags & ACK else 0
        self._send(Segment(*self.local, *self.peer, seq, ack, flags, data))

    def _acknowledged(self, ack: int) -> None:
        before = len(self._unacknowledged)
        while self._unacknowledged:
            seq, flags, data = self._unacknowledged[0]
            end = seq + len(data) + (flags & (SYN | FIN) != 0) & _MASK
            if ack - end & _MASK >= 1 << 31:
                break
            self._unacknowledged.popleft()
        if len(self._unacknowledged) != before:
            self._tries = 0
            self._unwind()
            if self._unacknowledged:
                self._wind()

    def _wind(self) -> None:
        first = FIRST_DATA if self.state is State.OPEN else FIRST_SYN
        self._timer = asyncio.get_running_loop().call_later(first * 2**self._tries, self._again)

    def _unwind(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        self._timer = None
        self._tries += 1
        if self._tries > TRIES:
            self._end(TimeoutError("not acknowledged"))
            return
        for one in self._unacknowledged:
            self._emit(*one)
        self._wind()

    def _end(self, error: Exception | None) -> None:
        if self.state is State.CLOSED:
            return
        was, self.state = self.state, State.CLOSED
        self._closing = True
        self._unwind()
        self._ended(self)
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionResetError("ended"))
        if was is State.OPEN:
            self._protocol.connection_lost(error)

    # -- as a transport

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send data, unless the end was said already."""
        octets = bytes(data)
        if self._closing:
            return
        for at in range(0, len(octets), MSS):
            self._queue(ACK | PSH, octets[at : at + MSS])

    def close(self) -> None:
        """Say that no more comes; ends when the other one has said it as well."""
        if self._closing or self.state is State.CLOSED:
            return
        self._closing = True
        self._queue(FIN | ACK, b"")

    def abort(self) -> None:
        """End it now."""
        if self.state is not State.CLOSED:
            self._emit(self._next, RST | ACK, b"")
            self._end(None)

    def is_closing(self) -> bool:
        """Whether the end was said."""
        return self._closing

    def can_write_eof(self) -> bool:
        """A half-closed end is of no use here."""
        return False

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is told."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Report to another callback from now on."""
        self._protocol = cast(asyncio.Protocol, protocol)
