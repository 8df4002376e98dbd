"""A fake OpenFlow 1.3 switch: connects to a controller over TCP, keeps tables, misbehaves when told to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.core.hashing import QUESTIONS, Question
from controller.frames.tuple import tuple_of
from controller.spec.types import OpenFlowPlacement
from flows.fields import FIELDS
from flows.stages.slotted import HASHED, SLOW
from flows.tables import Kind, Placed
from tests.fakes.tables import FLOW_MOD, GROUP_MOD, METER_MOD, Entry, Key, Refusal, Tables, match_struct

VERSION = 4
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY = 0, 1, 2, 3
FEATURES_REQUEST, FEATURES_REPLY, CONFIG_REQUEST, CONFIG_REPLY, SET_CONFIG = 5, 6, 7, 8, 9
PACKET_IN, FLOW_REMOVED, PORT_STATUS, PACKET_OUT = 10, 11, 12, 13
MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY = 18, 19, 20, 21
ROLE_REQUEST, ROLE_REPLY = 24, 25
STATS_FLOW, STATS_GROUP_DESC, STATS_METER, STATS_METER_CONFIG, STATS_PORTS = 1, 7, 9, 10, 13
BAD_TYPE, BAD_MULTIPART, STALE = Refusal(1, 1), Refusal(1, 2), Refusal(11, 0)
MODS = (FLOW_MOD, GROUP_MOD, METER_MOD)
MORE = 1
_MODIFIED = 2


class PacketOut(NamedTuple):
    """A packet that the controller let out."""

    in_port: int
    actions: bytes
    data: bytes


@dataclass
class Rule:
    """Refuse messages that ``applies`` says True to."""

    applies: Callable[[bytes], bool]
    refusal: Refusal


@dataclass
class FakeSwitch:
    """All that a test wants to know or decide is an attribute; ``connect`` may be called again and again."""

    datapath_id: int
    port: int
    """Controller's TCP port on the loopback interface."""
    tables: Tables = field(default_factory=Tables)
    rules: list[Rule] = field(default_factory=list)
    mods: list[bytes] = field(default_factory=list)
    """Flow, group and meter mods in the order of arrival."""
    barriers: list[int] = field(default_factory=list)
    """For each barrier: how many mods had arrived."""
    packets_out: list[PacketOut] = field(default_factory=list)
    drops: dict[int, int] = field(default_factory=dict)
    """Packets that each meter dropped."""
    most: int = 60_000
    """Bytes of entries in one multipart reply; more entries make more messages."""
    silent: set[int] = field(default_factory=set)
    """Types of requests that are never answered."""
    listening: threading.Event = field(default_factory=threading.Event)
    """Cleared: nothing more is read from the connection."""
    hang_up_after: int | None = None
    """Close the connection abruptly after so many more mods."""
    mixes: Callable[[int], int] | None = int
    """What its datapath makes of the hash that it should have; None: it never tells."""
    generation: int = 0
    """Generation id of the last role request that was obeyed."""

    def __post_init__(self) -> None:
        self.tables.ended = self._removed
        self.listening.set()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._sending = threading.Lock()

    def connect(self) -> None:
        """Connect to the controller as a switch that has just started, with the tables as they are."""
        self.hang_up()
        self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._run, args=(self._socket,), daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """End the connection abruptly; may be repeated."""
        self.listening.set()
        link, self._socket = self._socket, None
        if link is not None:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(10)

    def packet_in(self, cookie: int, tlvs: bytes, frame: bytes, table: int = 0) -> None:
        """Report a packet; ``tlvs`` are the match fields."""
        body = struct.pack("!IHBBQ", 0xFFFFFFFF, len(frame), 1, table, cookie)
        self._send(PACKET_IN, 0, body + match_struct(tlvs) + bytes(2) + frame)

    def port_status(self, number: int, state: int) -> None:
        """Say that a port has changed."""
        port = struct.pack("!I4x6s2x16sII24x", number, bytes(6), b"leaf1", 0, state)
        self._send(PORT_STATUS, 0, struct.pack("!B7x", _MODIFIED) + port)

    def expire(self, key: Key, reason: int) -> None:
        """Let a flow time out."""
        self.tables.end(key, reason)

    def _removed(self, key: Key, entry: Entry, reason: int) -> None:
        head = struct.pack(
            "!QHBBIIHHQQ", entry.cookie, key.priority, reason, key.table, 7, 9, entry.idle, entry.hard,
            entry.packets, entry.octets,
        )  # fmt: skip
        self._send(FLOW_REMOVED, 0, head + match_struct(key.match))

    def _run(self, link: socket.socket) -> None:
        self._send(HELLO, 1, b"")
        buffer = b""
        with contextlib.suppress(OSError):
            while data := link.recv(1 << 18):
                buffer = self._consume(buffer + data, link)
                self.listening.wait()

    def _consume(self, buffer: bytes, link: socket.socket) -> bytes:
        at = 0
        while len(buffer) - at >= 8 and self._socket is link:
            (length,) = struct.unpack_from("!H", buffer, at + 2)
            if len(buffer) - at < length:
                break
            self._handle(buffer[at : at + length])
            at += length
        return buffer[at:]

    def _handle(self, message: bytes) -> None:
        kind, xid = message[1], int.from_bytes(message[4:8], "big")
        if kind in MODS:
            self._modify(message, xid)
        elif kind == BARRIER_REQUEST:
            self.barriers.append(len(self.mods))
            self._reply(kind, BARRIER_REPLY, xid, b"")
        elif kind == MULTIPART_REQUEST:
            self._multipart(message, xid)
        elif kind == PACKET_OUT:
            self._let_out(message, xid)
        elif kind == ECHO_REQUEST:
            self._reply(kind, ECHO_REPLY, xid, message[8:])
        elif kind == FEATURES_REQUEST:
            self._reply(
                kind, FEATURES_REPLY, xid, struct.pack("!QIBB2xII", self.datapath_id, 0, 254, 0, 0x4F, 0)
            )
        elif kind == CONFIG_REQUEST:
            self._reply(kind, CONFIG_REPLY, xid, struct.pack("!HH", 0, 0xFFFF))
        elif kind == ROLE_REQUEST:
            self._role(message, xid)
        elif kind not in (HELLO, ECHO_REPLY, SET_CONFIG, ERROR):
            self._refuse(BAD_TYPE, message, xid)

    def _let_out(self, message: bytes, xid: int) -> None:
        in_port, length = struct.unpack_from("!IH", message, 12)
        self.packets_out.append(PacketOut(in_port, message[24 : 24 + length], message[24 + length :]))
        if not self._judge(message, xid):
            self.answer_hash(self.packets_out[-1].data)

    def answer_hash(self, frame: bytes) -> None:
        """Answer if this is a question for the datapath's hash."""
        flow = tuple_of(frame)
        question = None if flow is None else Question(*flow[:4])
        if self.mixes is None or question not in QUESTIONS or question is None:
            return
        said = {HASHED: self.mixes(question.hash), SLOW: self.mixes(question.hash) & 0xFFFF}
        tlvs = b"".join(FIELDS[name].tlv(value) for name, value in said.items())
        self.packet_in(Placed(OpenFlowPlacement()).cookie(Kind.HASH), tlvs, frame)

    def _role(self, message: bytes, xid: int) -> None:
        (generation,) = struct.unpack_from("!Q", message, 16)
        if generation < self.generation:
            self._refuse(STALE, message, xid)
            return
        self.generation = generation
        self._reply(ROLE_REQUEST, ROLE_REPLY, xid, message[8:])

    def _modify(self, message: bytes, xid: int) -> None:
        self.mods.append(message)
        if not self._judge(message, xid):
            refusal = self.tables.apply(message)
            if refusal is not None:
                self._refuse(refusal, message, xid)
        if self.hang_up_after is not None:
            self.hang_up_after -= 1
            if self.hang_up_after == 0:
                self.hang_up()

    def _judge(self, message: bytes, xid: int) -> bool:
        """Whether a rule of the test refuses this message."""
        for rule in self.rules:
            if rule.applies(message):
                self._refuse(rule.refusal, message, xid)
                return True
        return False

    def _multipart(self, message: bytes, xid: int) -> None:
        if self._judge(message, xid):
            return
        (kind,) = struct.unpack_from("!H", message, 8)
        entries: Iterable[bytes]
        if kind == STATS_FLOW:
            cookie, mask = struct.unpack_from("!QQ", message, 32)
            entries = self.tables.flow_stats(message[16], cookie, mask)
        elif kind == STATS_GROUP_DESC:
            entries = self.tables.group_desc()
        elif kind == STATS_METER_CONFIG:
            entries = self.tables.meter_config()
        elif kind == STATS_METER:
            entries = (self._meter_stats(number) for number in self.tables.meters)
        elif kind == STATS_PORTS:
            entries = ()
        else:
            self._refuse(BAD_MULTIPART, message, xid)
            return
        pages = [b""]
        for entry in entries:
            if pages[-1] and len(pages[-1]) + len(entry) > self.most:
                pages.append(b"")
            pages[-1] += entry
        for page in pages:
            more = MORE if page is not pages[-1] else 0
            self._reply(MULTIPART_REQUEST, MULTIPART_REPLY, xid, struct.pack("!HH4x", kind, more) + page)

    def _meter_stats(self, number: int) -> bytes:
        dropped = self.drops.get(number, 0)
        return struct.pack("!IH6xIQQII", number, 56, 0, 0, 0, 0, 0) + struct.pack("!QQ", dropped, 0)

    def _refuse(self, refusal: Refusal, message: bytes, xid: int) -> None:
        self._send(ERROR, xid, struct.pack("!HH", *refusal) + message[:64])

    def _reply(self, request: int, kind: int, xid: int, body: bytes) -> None:
        if request not in self.silent:
            self._send(kind, xid, body)

    def _send(self, kind: int, xid: int, body: bytes) -> None:
        link = self._socket
        if link is not None:
            with self._sending, contextlib.suppress(OSError):
                link.sendall(struct.pack("!BBHI", VERSION, kind, 8 + len(body), xid) + body)
