"""How values lie in etcd's keys, and batches in its transactions. Pure.

    PREFIX/state/head              who wrote the last batch: its modification revision is the store's revision
    PREFIX/state/value/NAME        a value; NAME\\0 0001 and on: what does not fit into one
    PREFIX/state/batch/GENERATION/0000 and on: a batch that does not fit into one transaction, in parts
    PREFIX/register/NAME           a register
    PREFIX/log/NAME                a value of the log, as a register is

A batch that fits is one transaction on values and head. Another one is written in parts first, and then by one
transaction on the head, which names its generation and is the moment in which it becomes visible: as long as its parts
are there, they count, whatever the values say. They are carried over to the values and deleted, all at once, before
the next batch. Parts that the head does not name are of a writer that did not come so far, and nothing to readers;
the next writer deletes them. The transaction on the head compares each part too, so one that was deleted meanwhile is
written again.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from controller.sites.base import ABSENT, Batch, Stored

OPERATIONS = 120
"""In one transaction; a server takes 128 at its defaults (``--max-txn-ops``)."""
OCTETS = 1 << 20
"""Of keys and values in one transaction; a server takes 1.5 MiB at its defaults (``--max-request-bytes``)."""
PART = OCTETS - 4096
"""Octets of a batch or of a value under one key."""
FORMAT = 1
"""Of all that this module writes; another one is refused."""
CHUNKS = 100
"""Keys of one batch in parts, at most: the transaction on the head compares each."""

_VALUE = struct.Struct(">BHQ")
"""Format, number of keys, revision (0: that of the key)."""
_ENTRY = struct.Struct(">IBI")
"""Octets of the name, whether there is a value, octets of the value."""
_KEY_COST = 64
"""Octets of a request beside key and value, at most."""


class Damaged(ValueError):
    """What lies in etcd is not what this version writes."""


class Op(NamedTuple):
    """One operation on keys."""

    key: bytes
    data: bytes | None
    """None: delete."""
    end: bytes = b""
    """Of a deletion: up to here, left out; empty: the one key."""

    @property
    def cost(self) -> int:
        """Octets in a request."""
        return len(self.key) + len(self.data or b"") + len(self.end) + _KEY_COST


class KeyValue(NamedTuple):
    """A key as it is stored."""

    key: bytes
    data: bytes
    revision: int


@dataclass(frozen=True)
class Parts:
    """A batch in parts."""

    generation: str
    count: int
    digest: str


@dataclass(frozen=True)
class Head:
    """The last batch."""

    revision: int = ABSENT
    writer: str = ""
    commit: str = ""
    """Unique: tells a batch that was written although its answer was lost."""
    parts: Parts | None = None
    """Of a batch in parts. Once they are gone, all is in the values."""

    def dump(self) -> bytes:
        """All but the revision, which is that of its key."""
        parts = asdict(self.parts) if self.parts else None
        return json.dumps(
            {"format": FORMAT, "writer": self.writer, "commit": self.commit, "parts": parts}
        ).encode()

    @classmethod
    def load(cls, stored: KeyValue | None) -> Head:
        """Inverse of ``dump``. Raises Damaged."""
        if stored is None:
            return cls()
        try:
            found = json.loads(stored.data)
            if found["format"] == FORMAT:
                parts = Parts(**found["parts"]) if found["parts"] else None
                return cls(stored.revision, str(found["writer"]), str(found["commit"]), parts)
            why = f"has the format {found['format']}, this version reads {FORMAT}"
        except (ValueError, TypeError, KeyError, LookupError) as error:
            why = f"is damaged ({type(error).__name__}: {error})"
        raise Damaged(f"{stored.key.decode(errors='replace')} {why}")


class Keys:
    """Names of keys below one prefix."""

    def __init__(self, prefix: str) -> None:
        """``prefix``: such as ``/evenkeel``; several fabrics have one each."""
        base = f"{prefix.rstrip('/')}/state/".encode()
        self.head = base + b"head"
        self.values = base + b"value/"
        self.batches = base + b"batch/"
        self.registers = f"{prefix.rstrip('/')}/register/".encode()
        self.log = f"{prefix.rstrip('/')}/log/".encode()
        self.base = base

    def value(self, name: str, chunk: int = 0) -> bytes:
        """Where a value lies; the first chunk lies at its name."""
        return self.values + name.encode() + (b"\0%04d" % chunk if chunk else b"")

    def name(self, key: bytes) -> tuple[str, int]:
        """Inverse of ``value``. Raises Damaged."""
        name, separator, chunk = key.removeprefix(self.values).partition(b"\0")
        try:
            return name.decode(), int(chunk) if separator else 0
        except ValueError as error:
            raise Damaged(f"{key!r} is no key of this store") from error

    def part_prefix(self, generation: str) -> bytes:
        """What the keys of all parts of a batch begin with."""
        return self.batches + f"{generation}/".encode()

    def part(self, generation: str, number: int) -> bytes:
        """Where a part of a batch lies."""
        return self.part_prefix(generation) + b"%04d" % number


def after(prefix: bytes) -> bytes:
    """The first key behind all that begin with a prefix."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def value_ops(keys: Keys, name: str, data: bytes | None, old_chunks: int, revision: int = 0) -> list[Op]:
    """Operations that write a value, or delete it. ``old_chunks``: keys that it has now.

    ``revision``: of the batch, if that is another than the one in which these operations are carried out.
    """
    key = keys.value(name)
    if data is None:
        return [
            Op(key, None, key + b"\1")
        ]  # and all that one of several keys, or a writer before, left behind it
    chunks = cut(data)
    ops = [Op(key, _VALUE.pack(FORMAT, len(chunks), revision) + chunks[0])]
    ops += [Op(keys.value(name, number), chunk) for number, chunk in enumerate(chunks[1:], 1)]
    if old_chunks > len(chunks):
        ops.append(Op(keys.value(name, len(chunks)), None, key + b"\1"))
    return ops


def cut(data: bytes) -> list[bytes]:
    """Pieces that fit under a key each; at least one."""
    return [data[at : at + PART] for at in range(0, len(data), PART)] or [b""]


def fits(ops: Sequence[Op]) -> bool:
    """Whether operations fit into one transaction beside one on the head."""
    return len(ops) < OPERATIONS and sum(op.cost for op in ops) <= OCTETS


def groups(ops: Iterable[Op]) -> Iterator[list[Op]]:
    """Operations in order, as few transactions as they fit into."""
    group: list[Op] = []
    cost = 0
    for op in ops:
        if group and (len(group) == OPERATIONS or cost + op.cost > OCTETS):
            yield group
            group, cost = [], 0
        group.append(op)
        cost += op.cost
    if group:
        yield group


def pack(batch: Batch) -> bytes:
    """A batch as bytes."""
    out = []
    for name, data in batch.items():
        text = name.encode()
        out += [_ENTRY.pack(len(text), data is not None, len(data or b"")), text, data or b""]
    return b"".join(out)


def unpack(packed: bytes) -> dict[str, bytes | None]:
    """Inverse of ``pack``. Raises Damaged."""
    batch: dict[str, bytes | None] = {}
    at = 0
    try:
        while at < len(packed):
            length, there, size = _ENTRY.unpack_from(packed, at)
            at += _ENTRY.size
            if at + length + size > len(packed):
                raise Damaged("a batch ends within a value")
            name, data = packed[at : at + length].decode(), packed[at + length : at + length + size]
            batch[name] = data if there else None
            at += length + size
    except (struct.error, UnicodeDecodeError) as error:
        raise Damaged(f"a batch is no list of values ({error})") from error
    return batch


def digest(packed: bytes) -> str:
    """Of a batch in parts."""
    return hashlib.sha256(packed).hexdigest()


def joined(head: Head, parts: Mapping[bytes, bytes], keys: Keys) -> dict[str, bytes | None] | None:
    """The batch that the head names, of the parts that are there; None: all of it is in the values. Raises Damaged."""
    if head.parts is None:
        return None
    wanted = [keys.part(head.parts.generation, number) for number in range(head.parts.count)]
    there = [parts[key] for key in wanted if key in parts]
    if not there:
        return None
    packed = b"".join(there)
    if len(there) < len(wanted) or digest(packed) != head.parts.digest:
        raise Damaged(f"of the batch {head.parts.generation} parts are missing or altered")
    return unpack(packed)


def values(
    found: Iterable[KeyValue], keys: Keys, skip: Iterable[str] = ()
) -> tuple[dict[str, Stored], dict[str, int]]:
    """Values by name, and in how many keys each lies. ``skip``: names that a batch in parts has. Raises Damaged."""
    chunks: dict[str, dict[int, KeyValue]] = {}
    for each in found:
        name, number = keys.name(each.key)
        chunks.setdefault(name, {})[number] = each
    ignored = frozenset(skip)
    out, counts = {}, {}
    for name, pieces in chunks.items():
        counts[name] = max(pieces) + 1
        if name not in ignored:
            out[name] = value(name, pieces)
    return out, counts


def value(name: str, pieces: Mapping[int, KeyValue]) -> Stored:
    """One value of its keys by number. Raises Damaged."""
    first = pieces.get(0)
    if first is None or len(first.data) < _VALUE.size:
        raise Damaged(f"the stored value {name!r} has no beginning")
    found, count, revision = _VALUE.unpack_from(first.data)
    if found != FORMAT:
        raise Damaged(f"the stored value {name!r} has the format {found}, this version reads {FORMAT}")
    missing = [number for number in range(1, count) if number not in pieces]
    if missing:
        raise Damaged(f"the stored value {name!r} lacks part {missing[0]} of {count}")
    rest = [pieces[number].data for number in range(1, count)]
    return Stored(b"".join([first.data[_VALUE.size :], *rest]), revision or first.revision)
