"""Record sets as octets: in messages, and as they are signed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from controller.exits.names.content import RecordSet
from controller.exits.names.serve.wire import Malformed, Type, name_end, of_text

_NAMED = {Type.NS: (0, 1), Type.CNAME: (0, 1), Type.PTR: (0, 1), Type.MX: (2, 1), Type.SOA: (0, 2)}
"""Types whose names may be compressed: octets before the first one, and how many there are."""


class Rdata(NamedTuple):
    """One value: octets, then names, then octets."""

    before: bytes
    names: tuple[bytes, ...] = ()
    behind: bytes = b""

    @property
    def whole(self) -> bytes:
        """Without compression; names are in lower case already, so this is what is signed (RFC 4034, 6.2)."""
        return b"".join((self.before, *self.names, self.behind))


@dataclass(frozen=True)
class Wired:
    """A record set."""

    owner: bytes
    type: int
    ttl: int
    values: tuple[Rdata, ...]

    @cached_property
    def canonical(self) -> tuple[bytes, ...]:
        """Values in the order in which they are signed, each once."""
        return tuple(sorted({each.whole for each in self.values}))


def type_number(text: str) -> int:
    """Of a type's name. Raises Malformed."""
    try:
        return int(dns.rdatatype.from_text(text))
    except (dns.exception.DNSException, ValueError) as error:
        raise Malformed(f"{text!r} is no type of records") from error


def wired(records: RecordSet) -> Wired:
    """The octets of a record set. Raises Malformed."""
    kind = type_number(records.type)
    try:
        values = tuple(_rdata(kind, text) for text in records.values)
    except (dns.exception.DNSException, ValueError) as error:
        raise Malformed(f"{records.name} {records.type}: {error}") from error
    return Wired(of_text(records.name), kind, records.ttl, values)


def _rdata(kind: int, text: str) -> Rdata:
    if kind == Type.A:
        return Rdata(IPv4Address(text).packed)
    if kind == Type.AAAA:
        return Rdata(IPv6Address(text).packed)
    if kind in (Type.CNAME, Type.NS):
        return Rdata(b"", (of_text(text),))
    read = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType.make(kind), text, relativize=False)
    octets = read.to_digestable()
    known = _NAMED.get(kind)  # type: ignore[call-overload]
    if known is None:
        return Rdata(octets)
    begin, count = known
    names, at = [], begin
    for _ in range(count):
        end = name_end(octets, at)
        names.append(octets[at:end])
        at = end
    return Rdata(octets[:begin], tuple(names), octets[at:])
