"""What is on the wire (RFC 1035, RFC 6891): names as octets, questions read, numbers that have names. Pure.

A name is what a message has, without compression: length and octets of each label, and a 0 at the end. Names that are
compared are in lower case: no length octet looks like a letter, so all of a name may be turned at once.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct("!6H")
PLAIN = 512
"""Octets of an answer over UDP to one who says nothing of its size."""
LARGEST = 1232
"""Octets of an answer over UDP, at most: what passes everywhere without fragments."""
LONGEST_NAME, LONGEST_LABEL = 255, 63
QR, AA, TC, RD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0010
OPCODE = 0x7800
DO = 0x8000
IN, ANY_CLASS = 1, 255
ECS, COOKIE = 8, 10
"""Options."""
ROOT = b"\0"


class Rcode(IntEnum):
    """What became of a question."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16
    BADCOOKIE = 23


class Type(IntEnum):
    """Types that are treated in a way of their own."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    AAAA = 28
    OPT = 41
    DS = 43
    RRSIG = 46
    NSEC = 47
    DNSKEY = 48
    TKEY = 249
    IXFR = 251
    AXFR = 252
    ANY = 255


class Malformed(ValueError):
    """Octets that are no message."""


class Subnet(NamedTuple):
    """Of a client, as its resolver tells it (RFC 7871)."""

    family: int
    prefix: int
    address: bytes
    """As many octets as ``prefix`` needs."""


class Query(NamedTuple):
    """A message with one question."""

    id: int
    flags: int
    name: bytes
    """In lower case."""
    question: bytes
    """As it was asked: name, type and class."""
    type: int
    of: int
    """Class."""
    edns: bool = False
    version: int = 0
    size: int = PLAIN
    """Octets that the one who asks takes over UDP."""
    dnssec: bool = False
    subnet: Subnet | None = None
    cookie: bytes | None = None
    """Of the client, and perhaps ours behind it."""


def read(data: bytes) -> Query:
    """The question in a message. Raises Malformed."""
    if len(data) < 12:
        raise Malformed("shorter than a header")
    number, flags, questions, answers, authorities, others = HEADER.unpack_from(data)
    if questions != 1 or answers or (authorities and flags & OPCODE == 0 and not _transfers(data)):
        raise Malformed("not one question")
    end = name_end(data, 12)
    if end + 4 > len(data):
        raise Malformed("cut in the question")
    name = data[12:end].lower()
    kind, of = int.from_bytes(data[end : end + 2]), int.from_bytes(data[end + 2 : end + 4])
    query = Query(number, flags, name, data[12 : end + 4], kind, of)
    if not others or authorities:
        return query
    return _extended(query, data, end + 4, others)


def name_end(data: bytes, at: int) -> int:
    """Where a name without compression ends. Raises Malformed."""
    begin, size = at, len(data)
    while at < size:
        length = data[at]
        at += 1 + length
        if not length:
            if at - begin > LONGEST_NAME:
                raise Malformed("a name is too long")
            return at
        if length > LONGEST_LABEL:
            raise Malformed("compressed where it must not be")
    raise Malformed("cut in a name")


def _transfers(data: bytes) -> bool:
    """Whether this asks for the changes of a zone, which has a SOA in its authority."""
    end = name_end(data, 12)
    return data[end : end + 2] == b"\0\xfb"


def _extended(query: Query, data: bytes, at: int, others: int) -> Query:
    """With what its OPT says; further records, such as a signature's, are not looked at."""
    if data[at : at + 3] != b"\0\0\x29":
        return _beyond(query, data, at, others)
    if at + 11 > len(data):
        raise Malformed("cut in OPT")
    size, ttl, length = struct.unpack_from("!HIH", data, at + 3)
    at, end = at + 11, at + 11 + length
    if end > len(data):
        raise Malformed("cut in OPT")
    if others > 1 and b"\0\0\x29" in data[end:]:
        _no_second(data, end, others - 1)
    subnet, cookie = _options(data, at, end)
    return query._replace(
        edns=True,
        version=(ttl >> 16) & 0xFF,
        size=max(PLAIN, size),
        dnssec=bool(ttl & DO),
        subnet=subnet,
        cookie=cookie,
    )


def _options(data: bytes, at: int, end: int) -> tuple[Subnet | None, bytes | None]:
    """The first subnet and the first cookie."""
    subnet = cookie = None
    while at < end:
        if at + 4 > end:
            raise Malformed("cut in an option")
        code, length = struct.unpack_from("!HH", data, at)
        at += 4
        value = data[at : at + length]
        at += length
        if at > end:
            raise Malformed("cut in an option")
        if code == ECS and subnet is None:
            subnet = read_subnet(value)
        elif code == COOKIE and cookie is None:
            if len(value) != 8 and not 16 <= len(value) <= 40:
                raise Malformed("no cookie has this length")
            cookie = value
    return subnet, cookie


def _beyond(query: Query, data: bytes, at: int, others: int) -> Query:
    """OPT is not the first of the records."""
    for left in range(others, 0, -1):
        if data[at : at + 3] == b"\0\0\x29":
            return _extended(query, data, at, left)
        at = _record_end(data, at)
    return query


def _no_second(data: bytes, at: int, others: int) -> None:
    for _ in range(others):
        if data[at : at + 3] == b"\0\0\x29":
            raise Malformed("more than one OPT")
        at = _record_end(data, at)


def _record_end(data: bytes, at: int) -> int:
    at = _skip(data, at) + 10
    if at > len(data):
        raise Malformed("cut in a record")
    at += int.from_bytes(data[at - 2 : at])
    if at > len(data):
        raise Malformed("cut in a record")
    return at


def _skip(data: bytes, at: int) -> int:
    """Where a name ends that may be compressed."""
    while at < len(data):
        length = data[at]
        if length >= 0xC0:
            return at + 2
        at += 1 + length
        if not length:
            return at
    raise Malformed("cut in a name")


def read_subnet(value: bytes) -> Subnet:
    """A client's subnet, as its option holds it. Raises Malformed."""
    if len(value) < 4:
        raise Malformed("cut in a client's subnet")
    family, prefix, scope = struct.unpack_from("!HBB", value)
    address = value[4:]
    if scope or prefix > {1: 32, 2: 128}.get(family, 0) or len(address) != (prefix + 7) // 8:
        raise Malformed("no subnet of a client")
    if prefix % 8 and address[-1] & (0xFF >> prefix % 8):
        raise Malformed("bits of a client's subnet beyond its prefix")
    return Subnet(family, prefix, address)


def of_text(text: str) -> bytes:
    """The octets of an absolute name, in lower case; escapes as in RFC 1035, 5.1. Raises Malformed."""
    if text == ".":
        return ROOT
    out, label, at = bytearray(), bytearray(), 0
    octets = text.encode("ascii", "strict") if text.isascii() else b""
    while at < len(octets):
        octet = octets[at]
        at += 1
        if octet == 0x5C:
            digits = octets[at : at + 3]
            if len(digits) == 3 and digits.isdigit() and int(digits) < 256:
                label.append(int(digits))
                at += 3
            elif at < len(octets):
                label.append(octets[at])
                at += 1
        elif octet == 0x2E:
            if not 0 < len(label) <= LONGEST_LABEL:
                raise Malformed(f"{text!r}: no name has a label of {len(label)} octets")
            out += bytes((len(label),)) + label
            label.clear()
        else:
            label.append(octet)
    out.append(0)
    if label or len(out) < 2 or len(out) > LONGEST_NAME:
        raise Malformed(f"{text!r}: not an absolute name of at most {LONGEST_NAME} octets")
    return bytes(out).lower()


def labels(name: bytes) -> tuple[bytes, ...]:
    """Of a name, the first one first, without the root."""
    found, at = [], 0
    while length := name[at]:
        found.append(name[at + 1 : at + 1 + length])
        at += 1 + length
    return tuple(found)


def parent(name: bytes) -> bytes:
    """The name without its first label."""
    return name[1 + name[0] :]


def within(name: bytes, zone: bytes) -> bool:
    """Whether a name is a zone's own or below it."""
    while len(name) > len(zone):
        name = name[1 + name[0] :]
    return name == zone


def order(name: bytes) -> tuple[bytes, ...]:
    """What names are sorted by in a signed zone (RFC 4034, 6.1)."""
    return labels(name)[::-1]
