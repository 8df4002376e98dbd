"""Signs record sets (RFC 4034), and keeps signatures as long as they are in use. Does no I/O."""

from __future__ import annotations

import struct
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from controller.exits.names.serve.keys import ALGORITHM, ZoneKey
from controller.exits.names.serve.records import Rdata, Wired
from controller.exits.names.serve.wire import IN, Type, labels, of_text

DAY = 86400
VALID = 14 * DAY
"""Seconds for which a signature holds."""
LEFT = 7 * DAY
"""Seconds that it must still hold when tables are made: with less it is made again."""
BEFORE = 3600
"""Seconds that it holds already when it is made: clocks differ."""
KEEP = 200_000
"""Signatures that are kept, at most."""
KEY_TTL = 3600
"""Of the keys themselves."""

_HEAD = struct.Struct("!HBBIIIH")
_RECORD = struct.Struct("!HHIH")
_ECDSA = ec.ECDSA(hashes.SHA256())
_Signed = tuple[int, bytes, int, int, tuple[bytes, ...]]
"""Tag of the key, owner, type, TTL, values."""


class _Made(NamedTuple):
    rdata: bytes
    until: int


class Signatures:
    """All that were made and are in use: a table that follows another one signs only what is new in it."""

    def __init__(self) -> None:
        self._made: dict[_Signed, _Made] = {}
        self._used: dict[_Signed, _Made] = {}
        self.count = 0
        """Signatures that were made."""

    def turn(self) -> None:
        """New tables begin: what neither they nor those before them use is forgotten."""
        self._made, self._used = self._used, {}

    def of(self, records: Wired, key: ZoneKey, signer: bytes, now: int) -> bytes:
        """The RRSIG of a set. ``now``: Unix seconds."""
        known = (key.tag, records.owner, records.type, records.ttl, records.canonical)
        made = self._used.get(known) or self._made.get(known)
        if made is None or not now + LEFT <= made.until <= now + VALID:
            made = _Made(signature(records, key, signer, now - BEFORE, now + VALID), now + VALID)
            self.count += 1
        if len(self._used) < KEEP:
            self._used[known] = made
        return made.rdata


class Signer:
    """Of one zone, for one generation of tables."""

    def __init__(self, origin: bytes, keys: tuple[ZoneKey, ...], signatures: Signatures, now: int) -> None:
        self._origin, self._keys, self._signatures, self._now = origin, keys, signatures, now

    @property
    def dnskeys(self) -> Wired:
        """The set of the zone's keys."""
        values = tuple(Rdata(each.rdata) for each in self._keys)
        return Wired(self._origin, Type.DNSKEY, KEY_TTL, values)

    def of(self, records: Wired) -> tuple[bytes, ...]:
        """The RRSIGs of a set, one by each key."""
        return tuple(self._signatures.of(records, key, self._origin, self._now) for key in self._keys)


def signature(records: Wired, key: ZoneKey, signer: bytes, since: int, until: int) -> bytes:
    """An RRSIG. ``since``, ``until``: Unix seconds."""
    names = labels(records.owner)
    count = len(names) - (names[:1] == (b"*",))
    wrap = 1 << 32
    head = _HEAD.pack(records.type, ALGORITHM, count, records.ttl, until % wrap, since % wrap, key.tag)
    head += signer
    parts = [head]
    for value in records.canonical:
        parts += (records.owner, _RECORD.pack(records.type, IN, records.ttl, len(value)), value)
    r, s = decode_dss_signature(key.private.sign(b"".join(parts), _ECDSA))
    return head + r.to_bytes(32) + s.to_bytes(32)


def by_zone(keys: tuple[ZoneKey, ...]) -> dict[bytes, tuple[ZoneKey, ...]]:
    """Keys by the origin of their zone."""
    found: dict[bytes, tuple[ZoneKey, ...]] = {}
    for key in keys:
        origin = of_text(key.zone)
        found[origin] = (*found.get(origin, ()), key)
    return found
