"""Entries of one table straight to the bytes of a read's response: for tables that are read by the ten thousand.

An entry that is a match of exact fields and a direct action, perhaps with an idle timeout, is put together from
pieces, each encoded once. Any other is encoded as the message that a read gives otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from finsy.proto import p4r

from topo.p4switch.runtime.actions import ActionCodec
from topo.p4switch.runtime.match import MatchCodec
from topo.p4switch.runtime.values import canonical
from topo.p4switch.state import Entry, MatchValue

MOST = 1 << 17
"""Pieces of one kind: all numbers of the largest pool's slots."""
_ENTITIES, _TABLE_ENTRY = b"\x0a", b"\x12"
"""Tags of ``ReadResponse.entities`` and ``Entity.table_entry``."""

K = TypeVar("K")


class Encoder:
    """One table's. The caller holds ``Switch.lock`` around every step."""

    def __init__(
        self,
        table_id: int,
        match: MatchCodec,
        actions: Mapping[int, ActionCodec],
        message: Callable[[Entry], p4r.TableEntry],
    ) -> None:
        """``actions`` by the program's id; ``message`` is what a read gives that asks for the entry alone."""
        self._actions = actions
        self._message = message
        self._start = p4r.TableEntry(table_id=table_id).SerializeToString()
        self._fields = [Pieces(partial(_field, _varint(spec.id))) for spec in match.fields]
        self._calls: Pieces[tuple[int, tuple[int, ...]]] = Pieces(self._call)
        self._idle: Pieces[int] = Pieces(
            lambda ns: bytes(p4r.TableEntry(idle_timeout_ns=ns).SerializeToString())
        )
        self._heads: Pieces[int] = Pieces(_head)

    def entities(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """Each entry as one of ``ReadResponse.entities``, its tag and length included."""
        start, fields, calls, heads = self._start, self._fields, self._calls, self._heads
        for entry in entries:
            if entry.action < 0 or entry.metadata or entry.const or entry.priority:
                body = self._message(entry).SerializeToString()
            else:
                parts = [field[value] for field, value in zip(fields, entry.key, strict=True)]
                body = b"".join((start, *parts, calls[entry.action, entry.params]))
                if entry.idle_timeout_ns:
                    body += self._idle[entry.idle_timeout_ns]
            yield heads[len(body)] + body

    def _call(self, call: tuple[int, tuple[int, ...]]) -> bytes:
        action, params = call
        table_action = p4r.TableAction(action=self._actions[action].message(params))
        return bytes(p4r.TableEntry(action=table_action).SerializeToString())


class Pieces(dict[K, bytes]):
    """Encoded when first asked for; all forgotten when there are ``most``."""

    def __init__(self, encode: Callable[[K], bytes], most: int = MOST) -> None:
        super().__init__()
        self._encode = encode
        self._most = most

    def __missing__(self, key: K) -> bytes:
        if len(self) >= self._most:
            self.clear()
        made = self[key] = self._encode(key)
        return made


def _field(number: bytes, value: MatchValue) -> bytes:
    """``TableEntry.match`` of one exact field: {field_id: 1, exact: {value: 1} = 2} = 2.

    A pool has 65,536 slots; a message for each would take as long as all the rest of the first read.
    """
    assert isinstance(value, int)
    return _within(b"\x12", b"\x08" + number + _within(b"\x12", _within(b"\x0a", canonical(value))))


def _within(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _head(length: int) -> bytes:
    """What stands before a table entry of so many bytes."""
    inner = _TABLE_ENTRY + _varint(length)
    return _ENTITIES + _varint(len(inner) + length) + inner


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
