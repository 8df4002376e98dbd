"""A fake Open vSwitch for the large case: it takes the flows of slots as arrays, half a million of them in no time.

``tests.fakes.openflow`` carries out one message at a time, at some 15 us each. Twenty switches of half a million slots
cost it minutes: longer than the controller waits for a barrier's reply. An Open vSwitch has no such trouble.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import numpy as np

from controller.spec.slots import Bytes
from flows.messages import ADD
from flows.tables import Kind
from tests.fakes.openflow import MORE, MULTIPART_REPLY, MULTIPART_REQUEST, PACKET_OUT, STATS_FLOW, FakeSwitch
from tests.fakes.tables import ALL_TABLES, FLOW_MOD

_BODY = 48
"""Bytes of a flow mod before its match; a statistics entry has as many."""
_COMMAND, _TABLE, _PRIORITY = 25, 24, 30
_COOKIE = slice(8, 16)
_STATS = struct.Struct("!HBxIIHHHH4xQQQ")
_BULK = {Kind.SLOT, Kind.TRANSITION, Kind.EXCEPTION, Kind.YOUNG}
_FEW = 4
"""Messages alike that are worth an array."""

Alike = tuple[bytes, int]
"""Cookie and table."""


class BulkSwitch(FakeSwitch):
    """Holds flows of slots by cookie, one flow mod a row, and all others as its base does; keeps no record."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rows: dict[Alike, Bytes] = {}

    def _consume(self, buffer: bytes, link: socket.socket) -> bytes:
        at = 0
        while len(buffer) - at >= 8 and self._socket is link:
            (length,) = struct.unpack_from("!H", buffer, at + 2)
            if len(buffer) - at < length:
                break
            count = _alike(buffer, at, length) if buffer[at + 1] == FLOW_MOD else 1
            if count >= _FEW:
                self._take(np.frombuffer(buffer, np.uint8, count * length, at).reshape(count, length))
            elif not self._take_one(buffer[at : at + length]):
                self._handle(buffer[at : at + length])
                self.mods.clear()
            at += max(count, 1) * length if count >= _FEW else length
        return buffer[at:]

    def _take_one(self, message: bytes) -> bool:
        """Take what is not for the base: a slot's flow; packets go nowhere, but questions for the hash are answered."""
        if message[1] == PACKET_OUT:
            (length,) = struct.unpack_from("!H", message, 16)
            self.answer_hash(message[24 + length :])
            return True
        if message[1] != FLOW_MOD or message[10] not in _BULK:
            return False
        self._take(np.frombuffer(message, np.uint8).reshape(1, -1))
        return True

    def _take(self, rows: Bytes) -> None:
        """Carry out flow mods that are alike: those that add replace, those that delete end what has their match."""
        first = rows[0].tobytes()
        key = first[_COOKIE], first[_TABLE]
        (size,) = struct.unpack_from("!H", first, _BODY + 2)
        have = self.rows.get(key)
        if have is not None:
            kept = have[~np.isin(_matches(have, size), _matches(rows, size))]
        if first[_COMMAND] == ADD:
            self.rows[key] = rows.copy() if have is None else np.concatenate((kept, rows))
        elif have is not None:
            self.rows[key] = kept

    def _multipart(self, message: bytes, xid: int) -> None:
        (kind,) = struct.unpack_from("!H", message, 8)
        if kind == STATS_FLOW:
            for page in self._pages(message[16]):
                self._reply(MULTIPART_REQUEST, MULTIPART_REPLY, xid, struct.pack("!HH4x", kind, MORE) + page)
        super()._multipart(message, xid)

    def _pages(self, table: int) -> Iterator[bytes]:
        """Statistics of the flows of slots; a full page each."""
        for (cookie, at), rows in list(self.rows.items()):
            if table not in (at, ALL_TABLES) or not len(rows):
                continue
            head = rows[0].tobytes()
            (priority,) = struct.unpack_from("!H", head, _PRIORITY)
            length = rows.shape[1]
            entries = rows.copy()
            entries[:, :_BODY] = np.frombuffer(
                _STATS.pack(length, at, 7, 9, priority, 0, 0, 0, int.from_bytes(cookie, "big"), 0, 0),
                np.uint8,
            )
            most = self.most // length
            for start in range(0, len(entries), most):
                yield entries[start : start + most].tobytes()


def _alike(buffer: bytes, at: int, length: int) -> int:
    """How many whole messages from ``at`` on are flow mods of slots that differ in slot and backend only."""
    if buffer[at + 10] not in _BULK:
        return 1
    most = (len(buffer) - at) // length
    rows = np.frombuffer(buffer, np.uint8, most * length, at).reshape(most, length)
    same = (rows[:, :4] == rows[0, :4]).all(axis=1) & (rows[:, 8:_BODY] == rows[0, 8:_BODY]).all(axis=1)
    return most if same.all() else int(same.argmin())


def _matches(rows: Bytes, size: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The matches as values that can be compared."""
    part = np.ascontiguousarray(rows[:, _BODY : _BODY + size])
    return part.view(np.dtype((np.void, size))).reshape(-1)
