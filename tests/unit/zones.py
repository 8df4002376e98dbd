"""A content for tests of name servers, made by hand: one zone with everything in it, and a choice that tests steer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.rdatatype

from controller.exits.names.content import Asker, Choice, Chosen, Content, RecordSet, Zone
from controller.exits.names.serve.cookies import Cookies
from controller.exits.names.serve.counters import Counters
from controller.exits.names.serve.keys import ZoneKey, keys_of, new_key
from controller.exits.names.serve.limiting import Limiter, Limits
from controller.exits.names.serve.responder import Responder
from controller.exits.names.serve.signing import Signatures, Signer, by_zone
from controller.exits.names.serve.tree import NOTHING, Tables, grow

ORIGIN = "example.net."
WALL = 1_800_000_000
"""What the clock on the wall shows, in Unix seconds."""
CLIENT = "203.0.113.7"
SECRET = bytes(range(16))


@dataclass
class Steered:
    """Answers with one of its sets, by a function of the asker."""

    sets: tuple[RecordSet, ...]
    which: Callable[[Asker], int] = lambda _: 0
    scope: int = 0
    asked: list[Asker] = field(default_factory=list)

    def __call__(self, asker: Asker) -> Chosen:
        self.asked.append(asker)
        return Chosen(self.sets[self.which(asker)], self.scope)

    @property
    def possible(self) -> tuple[RecordSet, ...]:
        return self.sets


def records(name: str, kind: str, *values: str, ttl: int = 300) -> RecordSet:
    """A set; the name is below the zone's unless it ends with a dot, and empty is the zone's own."""
    full = name if name.endswith(".") else f"{name}.{ORIGIN}" if name else ORIGIN
    return RecordSet(full, kind, ttl, values)


FIXED = (
    records("", "NS", "ns1.example.net.", "ns2.example.net."),
    records("", "MX", "10 mail.example.net."),
    records("ns1", "A", "192.0.2.1"),
    records("ns2", "A", "192.0.2.2"),
    records("ns2", "AAAA", "2001:db8::2"),
    records("alias", "CNAME", "www.example.net."),
    records("twice", "CNAME", "alias.example.net."),
    records("gone", "CNAME", "nothing.example.net."),
    records("out", "CNAME", "www.example.org."),
    records("loop1", "CNAME", "loop2.example.net."),
    records("loop2", "CNAME", "loop1.example.net."),
    records("text", "TXT", '"one" "two"', '"three"'),
    records("a.b.deep", "A", "192.0.2.77"),
    records("*.wild", "TXT", '"any"'),
    records("*.walias", "CNAME", "www.example.net."),
    records("sub", "NS", "ns.sub.example.net.", "ns.elsewhere.org."),
    records("ns.sub", "A", "192.0.2.9"),
    records("safe", "NS", "ns1.example.net."),
    records("safe", "DS", "12345 13 2 " + 32 * "AB"),
    records("big", "TXT", *(f'"{number:0200}"' for number in range(12))),
)


def www(*values: str) -> RecordSet:
    """Addresses of the balanced name."""
    return records("www", "A", *values, ttl=5)


def content(signed: bool = False, revision: int = 1, **balanced: Any) -> Content:
    """The zone. ``balanced``: choices by ``NAME_TYPE``; without any, ``www`` has two addresses."""
    soa = records("", "SOA", f"ns1.example.net. admin.example.net. {revision} 3600 600 86400 60")
    choices: dict[str, Choice] = balanced or {"www_A": Steered((www("198.51.100.1"), www("198.51.100.2")))}
    by_name = {
        (f"{name.rpartition('_')[0]}.{ORIGIN}", name.rpartition("_")[2]): choice
        for name, choice in choices.items()
    }
    fixed = {(each.name, each.type): each for each in FIXED}
    return Content(revision, {ORIGIN: Zone(ORIGIN, soa, 60, fixed, by_name, signed)})


def tables(
    made: Content, keys: tuple[ZoneKey, ...] = (), before: Tables = NOTHING, now: int = WALL
) -> Tables:
    """Its tables, all at once."""
    signatures = Signatures()
    signers = {origin: Signer(origin, each, signatures, now) for origin, each in by_zone(keys).items()}
    steps = grow(made, signers, before)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: Tables = done.value
            return found


def responder(made: Tables, limits: Limits | None = None) -> Responder:
    """One that serves these."""
    answers = Responder(Counters(), Limiter(limits or Limits(0)), Cookies(SECRET), lambda: WALL)
    answers.serve(made)
    return answers


def key(folder: Path) -> ZoneKey:
    """A key of the zone, made when it is asked for first."""
    there = keys_of(folder) if folder.is_dir() else ()
    return there[0] if there else new_key(folder, ORIGIN)


def question(name: str, kind: str = "A", **options: object) -> dns.message.Message:
    """A query; ``options`` as ``dns.message.make_query`` has them."""
    full = name if name.endswith(".") else f"{name}.{ORIGIN}" if name else ORIGIN
    made: dns.message.Message = dns.message.make_query(full, kind, **options)  # type: ignore[arg-type]
    return made


def ask(
    of: Responder, query: dns.message.Message, host: str = CLIENT, tcp: bool = False
) -> dns.message.Message:
    """The answer, which fits the question; over UDP it is asked twice, and the second answer says the same."""
    octets = query.to_wire()
    if tcp:
        out = of.message(octets, host)
        assert out is not None
        return _read(query, out)
    first, second = of.datagram(octets, host), of.datagram(octets, host)
    assert first is not None
    assert second is not None
    one, other = _read(query, first), _read(query, second)
    assert one.rcode() == other.rcode()
    return other


def _read(query: dns.message.Message, octets: bytes) -> dns.message.Message:
    answer: dns.message.Message = dns.message.from_wire(octets)
    assert query.is_response(answer)
    return answer


def shown(section: list[dns.rrset.RRset]) -> set[str]:
    """NAME TYPE VALUE of each record, without signatures and proofs."""
    hidden = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)
    return {
        f"{each.name.relativize(dns.name.from_text(ORIGIN))} {dns.rdatatype.to_text(each.rdtype)} {value}"
        for each in section
        if each.rdtype not in hidden
        for value in each
    }
