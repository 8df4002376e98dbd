"""One switch's control stream, seen from asyncio: read everything, write changes in phases, send packets.

Messages go out in large pieces from a thread of their own, so that neither os-ken's queue nor a slow switch holds up
the event loop. Every request has a deadline; every error is matched to the message it is about.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from controller.southbound.aside import aside
from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout, TooLate, WriteRefused
from controller.southbound.openflow.hook import ERROR, OWN_XID
from controller.southbound.openflow.naming import describe_message, error_name
from controller.southbound.openflow.pieces import message_at, shares
from controller.spec.slots import Bytes
from flows import messages
from flows.diff import Changes, Phase
from flows.entries import Target
from flows.fields import Malformed
from flows.match import Match
from flows.messages import MULTIPART_REPLY, FlowStat
from flows.readback import Readback, Reader
from flows.tables import Placed

DEADLINE = 10.0
"""Seconds for which a switch may do nothing about a request or a phase: take no more of it, send no part of an answer.

Not for the whole: half a million flows take a slow switch longer, and it would be cut and read for ever."""
_SHARE = 1024 * 1024
"""Bytes after which a switch that takes them counts as alive, and packets have their turn."""
_GENTLE_SHARE = 64 * 1024
"""The same for a switch that serves: some 400 flows."""
_BREATH = 0.005
"""Seconds between two of these. With its userspace datapath Open vSwitch carries flow changes out in the thread that
also takes packets in: a stream of them without a gap delays BFD until neighbours take the switch for dead."""
_TOGETHER = 128
"""Messages that are not stamped in bulk and go out as one."""
_PIECE = 256 * 1024
"""Bytes handed to os-ken at a time."""
_SHORT = 32 * 1024
"""Bytes of statistics that are read in the event loop: a few milliseconds."""
_XIDS = 1 << 24
LONGEST_ANSWER = 1 << 28
"""Octets of an answer: a million flows. A switch that sends more is not what it should be."""
UNHANDLED = 256
"""Messages of one switch that wait for the event loop; its stream is not read while there are more."""
_ERROR_DATA, _PART_DATA = 12, 16
"""Where the contents of an error and of a part of an answer begin."""
_EACH = 100
"""Octets that a part of an answer takes here besides its own."""
_ROLE_REFUSED = 11
"""OFPET_ROLE_REQUEST_FAILED."""


class _Pace(NamedTuple):
    """How fast a switch is written to."""

    share: int
    """Bytes at a time."""
    gap: float = 0.0
    """Seconds between."""


_FAST, _GENTLE = _Pace(_SHARE), _Pace(_GENTLE_SHARE, _BREATH)


@dataclass
class _Request:
    """The answer is awaited."""

    future: asyncio.Future[list[bytes]]
    limit: asyncio.Timeout
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def goes_on(self) -> None:
        """The switch is at work: the deadline begins again."""
        if not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time() + DEADLINE)


class Session:
    """The stream to one switch. Its methods belong to the event loop, ``take`` to os-ken's thread."""

    def __init__(
        self,
        datapath: Any,
        loop: asyncio.AbstractEventLoop,
        on_refused: Callable[[str], None],
        obey: bool = False,
    ) -> None:
        """``on_refused`` gets errors about messages whose answer is not awaited. ``obey``: give the stream up when the
        switch knows a newer term, which is another controller's; else it would take our writes all the same."""
        self.datapath = datapath
        self.id: int = datapath.id
        self.alive = True
        self._loop = loop
        self._on_refused = on_refused
        self._obey = obey
        self._sender = ThreadPoolExecutor(1, thread_name_prefix=f"openflow-{datapath.id:x}")
        self._xid = itertools.count(1)
        self._waiting: dict[int, _Request] = {}
        self._phase: tuple[int, list[bytes | Bytes], list[str]] | None = None
        self._writing = asyncio.Lock()
        self._apart: dict[int, tuple[bytes, list[str]]] = {}
        """Messages that are not of a phase, and where what is refused of them is noted."""
        self._room = threading.BoundedSemaphore(UNHANDLED)

    def __str__(self) -> str:
        return f"{self.id:#x}"

    def claim(self, term: int) -> None:
        """Claim the primary role without waiting; a switch refuses a term older than one it knows."""
        request = self._stamp(messages.role_request(term), self._next())
        self._sender.submit(self._push, [request])

    async def read(
        self,
        placed: Placed,
        pool_slots: dict[int, int],
        made: Target | None = None,
        of_agents: bool = False,
    ) -> Readback:
        """Everything in our tables, all groups and meters; what is as in ``made`` is shared with it. ``of_agents``:
        but for the flows that answer for VIPs.

        Raises SwitchError when the stream ends or a deadline passes.
        """
        reader, long = Reader(placed, pool_slots, of_agents), False
        with self._understood():
            for table in placed.tables:
                parts = await self._parts(messages.flow_stats_request(table))
                if sum(map(len, parts)) <= _SHORT:
                    reader.table(table, b"".join(parts))
                else:
                    await aside(lambda number, of: reader.table(number, b"".join(of)), table, parts)
                    long = True
            groups = await self._ask(messages.group_desc_request())
            meters = await self._ask(messages.meter_config_request())
            if long:
                return await aside(reader.result, groups, meters, made)
            return reader.result(groups, meters, made)

    async def flows(self, table: int, match: Match) -> list[FlowStat]:
        """Flows of one table that match at least this. Raises SwitchError."""
        answer = await self._ask(messages.flow_stats_request(table, match))
        with self._understood():
            return list(messages.parse_flow_stats(answer))

    async def live_ports(self) -> set[int]:
        """Numbers of the ports that are up and, where BFD runs, whose neighbour is alive."""
        answer = await self._ask(messages.ports_request())
        with self._understood():
            return messages.parse_live_ports(answer)

    async def port_names(self) -> dict[int, str]:
        """Names of all ports by number."""
        answer = await self._ask(messages.ports_request())
        with self._understood():
            return messages.parse_port_names(answer)

    async def meter_drops(self) -> dict[int, int]:
        """Packets dropped by each meter."""
        answer = await self._ask(messages.meter_stats_request())
        with self._understood():
            return dict(messages.parse_meter_drops(answer))

    async def write(self, changes: Changes, name: str) -> None:
        """Carry out the phases in order, a barrier behind each.

        Raises WriteRefused with every message that the switch ``name`` refused (the others stand),
        SwitchGone or SwitchTimeout.
        """
        refused: list[str] = []
        async with self._writing:
            # One that holds nothing to be changed serves nothing yet, and is filled as fast as it goes.
            pace = _GENTLE if changes.modified or changes.deleted else _FAST
            for phase in changes.phases:
                refused += await self._write_phase(phase, pace)
        if refused:
            raise WriteRefused(name, refused)

    async def put(self, sent: Sequence[bytes], holds: Callable[[], bool] = lambda: True) -> list[str]:
        """Carry messages out beside whatever else is written, a barrier behind them; what the switch refused, in words.

        ``holds``: asked in the sender's thread just before they go; False: they are not sent. Raises TooLate then, and
        SwitchGone or SwitchTimeout.
        """
        first, refused = self._reserve(len(sent) + 1), list[str]()
        numbers = [self._own(first + n) for n in range(len(sent) + 1)]
        self._apart |= {n: (each, refused) for n, each in zip(numbers, sent, strict=False)}
        try:
            piece = b"".join(self._stamp(each, n) for n, each in zip(numbers, sent, strict=False))
            await self._parts(messages.barrier(), [piece], numbers[-1], holds=holds)
        finally:
            for n in numbers:
                self._apart.pop(n, None)
        return refused

    async def send_packet(self, frame: bytes, actions: bytes, in_port: int) -> None:
        """Let the switch send a packet of ours."""
        await self._send([self._stamp(messages.packet_out(frame, actions, in_port), self._next())])

    def take(self, kind: int, xid: int, message: bytes) -> None:
        """An answer to one of our messages (called in os-ken's thread)."""
        self.hand(self._answer, kind, xid, message)

    def hand(self, work: Callable[..., None], *arguments: Any) -> None:
        """Have the event loop do something for this switch; waits while much of that is undone (os-ken's thread)."""
        while not self._room.acquire(timeout=1.0):
            if not self.alive:
                return
        self._loop.call_soon_threadsafe(self._handed, work, *arguments)

    def _handed(self, work: Callable[..., None], *arguments: Any) -> None:
        self._room.release()
        try:
            work(*arguments)
        except Malformed as error:
            self._on_refused(f"its stream: {error}")
            self.abort()

    def abort(self) -> None:
        """Cut a stream that does not answer; the switch will connect again."""
        with contextlib.suppress(OSError):
            self.datapath.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The stream is gone: all that wait get SwitchGone."""
        self.alive = False
        for request in self._waiting.values():
            if not request.future.done():
                request.future.set_exception(SwitchGone(f"switch {self} is gone"))
        self._waiting.clear()
        self._sender.shutdown(wait=False)

    async def _write_phase(self, phase: Phase, pace: _Pace) -> list[str]:
        first = self._reserve(len(phase) + 1)
        pieces: list[bytes | Bytes] = []
        xid = first
        for at in range(0, len(phase.messages), _TOGETHER):
            some = phase.messages[at : at + _TOGETHER]
            pieces.append(b"".join(self._stamp(m, self._own(xid + n)) for n, m in enumerate(some)))
            xid += len(some)
        for rows in phase.bulk:
            pieces.append(self._stamp_rows(rows, xid))
            xid += len(rows)
        errors: list[str] = []
        sent: list[bytes | Bytes] = [*phase.messages, *phase.bulk]
        self._phase = (first, sent, errors)
        try:
            await self._parts(messages.barrier(), pieces, self._own(xid), pace)
        finally:
            self._phase = None
        return errors

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Raises SwitchError for an answer that is no OpenFlow."""
        try:
            yield
        except Malformed as error:
            raise SwitchError(f"switch {self}: malformed answer: {error}") from None

    async def _ask(self, request: bytes) -> bytes:
        return b"".join(await self._parts(request))

    async def _parts(
        self,
        request: bytes,
        pieces: Iterable[bytes | Bytes] = (),
        xid: int | None = None,
        pace: _Pace | None = None,
        holds: Callable[[], bool] | None = None,
    ) -> list[bytes]:
        """What is answered to a request behind these pieces, by message."""
        pace = pace or _FAST
        number = self._next() if xid is None else xid
        try:
            async with asyncio.timeout(DEADLINE) as limit:
                waiting = self._waiting[number] = _Request(self._loop.create_future(), limit)
                for n, share in enumerate(shares([*pieces, self._stamp(request, number)], pace.share)):
                    if n and pace.gap:
                        await asyncio.sleep(pace.gap)
                    await self._send(share, holds)
                    waiting.goes_on()
                return await waiting.future
        except TimeoutError:
            raise SwitchTimeout(f"switch {self} did not answer within {DEADLINE:g} s") from None
        finally:
            self._waiting.pop(number, None)

    async def _send(self, pieces: list[bytes | Bytes], holds: Callable[[], bool] | None = None) -> None:
        if not self.alive:
            raise SwitchGone(f"switch {self} is gone")
        await self._loop.run_in_executor(self._sender, self._push, pieces, holds)

    def _push(self, pieces: list[bytes | Bytes], holds: Callable[[], bool] | None = None) -> None:
        if holds is not None and not holds():
            raise TooLate(f"switch {self}: what was to be written holds no longer")
        for piece in pieces:
            data = memoryview(piece if isinstance(piece, bytes) else piece.tobytes())
            for at in range(0, len(data), _PIECE):
                if not self.datapath.send(data[at : at + _PIECE]):
                    raise SwitchGone(f"switch {self} is gone")

    def _answer(self, kind: int, xid: int, message: bytes) -> None:
        if kind == ERROR:
            self._error(xid, message)
            return
        request = self._waiting.get(xid)
        if request is None or request.future.done():
            return
        if kind == MULTIPART_REPLY:
            if len(message) < _PART_DATA:
                raise Malformed(f"a part of an answer has {len(message)} octets")
            request.parts.append(message[_PART_DATA:])
            request.size += len(message) + _EACH
            if request.size > LONGEST_ANSWER:
                request.future.set_exception(SwitchError(f"switch {self} answers without end"))
                self.abort()
                return
            if int.from_bytes(message[10:12], "big") & 1:
                request.goes_on()
                return
        request.future.set_result(request.parts)

    def _error(self, xid: int, message: bytes) -> None:
        if len(message) < _ERROR_DATA:
            raise Malformed(f"an error has {len(message)} octets")
        kind, code = struct.unpack_from("!HH", message, 8)
        if kind == _ROLE_REFUSED and self._obey:
            self.alive = False  # the claim is sent first, so nothing was written yet, and now nothing is
            self.abort()
        request = self._waiting.get(xid)
        if request is not None and not request.future.done():
            request.future.set_exception(SwitchError(f"switch {self}: {error_name(kind, code)}"))
            return
        if xid in self._apart:
            original, refused = self._apart[xid]
            refused.append(f"{error_name(kind, code)} for {describe_message(original)}")
            return
        if self._phase is not None:
            first, sent, errors = self._phase
            found = message_at(sent, (xid - self._own(first)) % _XIDS)
            if found is not None:
                errors.append(f"{error_name(kind, code)} for {describe_message(found)}")
                return
        self._on_refused(f"{error_name(kind, code)} for {describe_message(message[_ERROR_DATA:])}")

    def _next(self) -> int:
        return self._own(next(self._xid))

    def _reserve(self, count: int) -> int:
        first = next(self._xid)
        self._xid = itertools.count(first + count)
        return first

    @staticmethod
    def _own(number: int) -> int:
        return OWN_XID << 24 | number % _XIDS

    @staticmethod
    def _stamp(message: bytes, xid: int) -> bytes:
        return message[:4] + xid.to_bytes(4, "big") + message[8:]

    def _stamp_rows(self, rows: Bytes, first: int) -> Bytes:
        numbers = (np.arange(first, first + len(rows)) % _XIDS + (OWN_XID << 24)).astype(">u4")
        rows[:, 4:8] = numbers.view(np.uint8).reshape(-1, 4)
        return np.ascontiguousarray(rows)
