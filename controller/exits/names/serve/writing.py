"""Writes the sections of an answer behind its question, names compressed against it. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from controller.exits.names.serve.records import Wired
from controller.exits.names.serve.wire import IN, Rcode

_RECORD = struct.Struct("!HHIH")


class Body(NamedTuple):
    """An answer without its header, its question and its OPT."""

    rcode: Rcode
    authoritative: bool
    answers: int = 0
    authorities: int = 0
    others: int = 0
    octets: bytes = b""


class Writer:
    """Of one answer."""

    def __init__(self, question: bytes) -> None:
        """``question``: its name in lower case."""
        self._octets = bytearray()
        self._begin = 12 + len(question) + 4
        self._known: dict[bytes, int] = {}
        at = 0
        while question[at]:
            self._known.setdefault(question[at:], 12 + at)
            at += 1 + question[at]

    @property
    def octets(self) -> bytes:
        """So far."""
        return bytes(self._octets)

    def add(self, records: Wired, owner: bytes | None = None, ttl: int | None = None) -> int:
        """Write a set, with another owner or TTL if one is given. How many records that were."""
        owner = records.owner if owner is None else owner
        ttl = records.ttl if ttl is None else ttl
        for value in records.values:
            self._record(owner, records.type, ttl)
            begin = len(self._octets)
            self._octets += value.before
            for name in value.names:
                self._name(name)
            self._octets += value.behind
            self._close(begin)
        return len(records.values)

    def raw(self, owner: bytes, kind: int, ttl: int, values: Iterable[bytes]) -> int:
        """Write records whose values have no names to compress."""
        count = 0
        for value in values:
            self._record(owner, kind, ttl)
            begin = len(self._octets)
            self._octets += value
            self._close(begin)
            count += 1
        return count

    def _record(self, owner: bytes, kind: int, ttl: int) -> None:
        self._name(owner)
        self._octets += _RECORD.pack(kind, IN, ttl, 0)

    def _close(self, begin: int) -> None:
        self._octets[begin - 2 : begin] = (len(self._octets) - begin).to_bytes(2)

    def _name(self, name: bytes) -> None:
        at = 0
        while name[at]:
            rest = name[at:]
            known = self._known.get(rest)
            if known is not None:
                self._octets += (0xC000 | known).to_bytes(2)
                return
            here = self._begin + len(self._octets)
            if here < 0x4000:
                self._known[rest] = here
            end = at + 1 + name[at]
            self._octets += name[at:end]
            at = end
        self._octets.append(0)
