"""What the answer to a question is, by the tables. Pure.

    name, type ─► trace(): CNAMEs on the way, and where it ends ─► with what is chosen there ─► Body

A trace is the same for all who ask, so it is made once. What is chosen may differ with each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.exits.names.content import Asker, Choice, RecordSet
from controller.exits.names.serve.records import Wired
from controller.exits.names.serve.tree import Node, Tables, ZoneTree
from controller.exits.names.serve.wire import Malformed, Rcode, Type, parent
from controller.exits.names.serve.writing import Body, Writer

CHAIN = 8
"""CNAMEs that are followed, at most."""
_NOT_FOLLOWED = frozenset({Type.CNAME, Type.ANY, Type.NSEC, Type.RRSIG})


@dataclass(frozen=True)
class Part:
    """A set in an answer."""

    records: Wired
    zone: ZoneTree | None
    """Who signs it; None: it is not signed here, such as glue."""
    owner: bytes
    """Of the records in the answer: another one than the set's where that is a wildcard."""
    ttl: int


@dataclass(frozen=True)
class Trace:
    """How far a question leads without a choice."""

    rcode: Rcode = Rcode.NOERROR
    authoritative: bool = True
    answer: tuple[Part, ...] = ()
    authority: tuple[Part, ...] = ()
    others: tuple[Part, ...] = ()
    choice: Choice | None = None
    """What the answer ends with is chosen; None: all of it is here."""
    at: Node | None = None
    """Where it is chosen."""
    owner: bytes = b""
    """For which name."""


@dataclass(frozen=True)
class Said:
    """An answer to one who asked."""

    body: Body
    scope: int
    """Bits of the asker's address that it goes by."""


REFUSED = Trace(Rcode.REFUSED, False)
FAILED = Trace(Rcode.SERVFAIL, False)


def trace(tables: Tables, name: bytes, kind: int, dnssec: bool) -> Trace:
    """How far a question leads. ``dnssec``: with proofs of what is not there, where the zone is signed."""
    if kind in (Type.RRSIG, Type.OPT) or Type.TKEY <= kind <= Type.AXFR:
        return REFUSED
    passed: tuple[Part, ...] = ()
    asked = name
    for _ in range(CHAIN + 1):
        zone = tables.zone_of(asked, kind)
        if zone is None:
            return (
                replace(REFUSED, rcode=Rcode.NOERROR, authoritative=True, answer=passed)
                if passed
                else REFUSED
            )
        found = _at(zone, asked, kind, dnssec)
        alias = found.answer[0] if found.answer else None
        if alias is None or alias.records.type != Type.CNAME or kind in _NOT_FOLLOWED:
            return replace(
                found, answer=passed + found.answer, authoritative=found.authoritative or bool(passed)
            )
        passed += found.answer
        proof = found.authority
        asked = alias.records.values[0].names[0]
        if proof:  # of a wildcard: it ends here, the asker goes on by itself
            return replace(found, answer=passed)
    return replace(FAILED, answer=())


def _at(zone: ZoneTree, name: bytes, kind: int, dnssec: bool) -> Trace:
    node = zone.nodes.get(name)
    if node is not None:
        if node.cut is not None and not (node.cut is node and kind == Type.DS):
            return _referral(node.cut, dnssec)
        return _found(node, name, kind, dnssec)
    above = parent(name)
    while above not in zone.nodes:
        above = parent(above)
    closest = zone.nodes[above]
    if closest.cut is not None:
        return _referral(closest.cut, dnssec)
    wild = zone.nodes.get(b"\x01*" + above)
    if wild is None:
        proof = _proof(zone, dnssec, zone_nsecs(zone, name, above) if dnssec and zone.signer else ())
        return Trace(Rcode.NXDOMAIN, authority=(_soa(zone), *proof))
    return _found(wild, name, kind, dnssec)


def _found(node: Node, name: bytes, kind: int, dnssec: bool) -> Trace:
    """At a node, or at the wildcard that stands for a name."""
    zone = node.zone
    spans: tuple[Wired, ...] = ()
    if dnssec and zone.signer is not None and node.name != name:
        spans = (zone.nsec(name),)
    proof = _proof(zone, dnssec, spans)
    if kind == Type.ANY:
        kind = next(iter(sorted(node.fixed.keys() - {Type.SOA}) + sorted(node.balanced)), kind)
    records = node.fixed.get(kind)
    if records is None and kind not in node.balanced and kind not in _NOT_FOLLOWED:
        records = node.fixed.get(Type.CNAME)
    if records is not None:
        return Trace(answer=(Part(records, zone, name, records.ttl),), authority=proof)
    if kind == Type.NSEC and zone.signer is not None and node.types:
        nsec = zone.nsec(node.name)
        return Trace(answer=(Part(nsec, zone, name, nsec.ttl),), authority=proof)
    choice = node.balanced.get(kind)
    if choice is None and kind not in _NOT_FOLLOWED:
        choice = node.balanced.get(Type.CNAME)
    if choice is not None:
        return Trace(authority=proof, choice=choice, at=node, owner=name)
    return Trace(authority=(_soa(zone), *_nothing(node, dnssec), *proof))


def _nothing(node: Node, dnssec: bool, without: int = 0) -> tuple[Part, ...]:
    """The proof that a node has no set of a type."""
    zone = node.zone
    if not dnssec or zone.signer is None:
        return ()
    return _proof(zone, dnssec, (zone.nsec(node.name, without),))


def _referral(cut: Node, dnssec: bool) -> Trace:
    zone = cut.zone
    servers = cut.fixed[Type.NS]
    authority = [Part(servers, None, cut.name, servers.ttl)]
    if dnssec and zone.signer is not None:
        safe = cut.fixed.get(Type.DS)
        if safe is not None:
            authority.append(Part(safe, zone, cut.name, safe.ttl))
        else:
            authority += _nothing(cut, dnssec)
    glue = []
    for value in servers.values:
        node = zone.nodes.get(value.names[0])
        if node is not None:
            glue += [node.fixed[kind] for kind in (Type.A, Type.AAAA) if kind in node.fixed]
    others = tuple(Part(each, None, each.owner, each.ttl) for each in glue)
    return Trace(authoritative=False, authority=tuple(authority), others=others)


def zone_nsecs(zone: ZoneTree, name: bytes, above: bytes) -> tuple[Wired, ...]:
    """The proof that neither a name is there nor a wildcard for it; ``above``: the closest name that is."""
    first, second = zone.nsec(name), zone.nsec(b"\x01*" + above)
    return (first,) if first.owner == second.owner else (first, second)


def _soa(zone: ZoneTree) -> Part:
    return Part(zone.soa, zone, zone.origin, min(zone.negative_ttl, zone.soa.ttl))


def _proof(zone: ZoneTree, dnssec: bool, records: tuple[Wired, ...]) -> tuple[Part, ...]:
    if not dnssec or zone.signer is None:
        return ()
    return tuple(Part(each, zone, each.owner, each.ttl) for each in records)


def ended(tables: Tables, at: Trace, kind: int, records: RecordSet, dnssec: bool) -> Trace:
    """A trace whose choice has been made. Raises Malformed."""
    assert at.at is not None
    zone = at.at.zone
    if not records.values:
        nothing = _nothing(at.at, dnssec, without=kind)
        return replace(at, choice=None, authority=(_soa(zone), *nothing, *at.authority))
    made = tables.octets(records)
    part = Part(made, zone, at.owner, made.ttl)
    here = replace(at, choice=None, answer=(*at.answer, part))
    if made.type != Type.CNAME or kind in _NOT_FOLLOWED or len(here.answer) > CHAIN:
        return here
    target = made.values[0].names[0]
    if tables.zone_of(target, kind) is None:
        return here
    beyond = trace(tables, target, kind, dnssec)
    return replace(beyond, answer=here.answer + beyond.answer, authority=at.authority + beyond.authority)


def body(question: bytes, of: Trace, dnssec: bool) -> Body:
    """The octets of an answer that is whole. ``question``: its name in lower case."""
    writer = Writer(question)
    answers = _written(writer, of.answer, dnssec)
    authorities = _written(writer, of.authority, dnssec)
    others = _written(writer, of.others, dnssec)
    return Body(of.rcode, of.authoritative, answers, authorities, others, writer.octets)


def _written(writer: Writer, parts: tuple[Part, ...], dnssec: bool) -> int:
    """How many records that were. A set that proves two things is written once."""
    count = 0
    for part in {(each.owner, each.records.type): each for each in parts}.values():
        count += writer.add(part.records, part.owner, part.ttl)
        if dnssec and part.zone is not None and part.zone.signer is not None:
            count += writer.raw(part.owner, Type.RRSIG, part.ttl, part.zone.signer.of(part.records))
    return count


def said(tables: Tables, name: bytes, kind: int, asker: Asker, dnssec: bool) -> Said:
    """The answer to one question, all at once."""
    found, scope = trace(tables, name, kind, dnssec), 0
    for _ in range(CHAIN):
        if found.choice is None:
            return Said(body(name, found, dnssec), scope)
        chosen = found.choice(asker)
        scope = max(scope, chosen.scope)
        try:
            found = ended(tables, found, kind, chosen.records, dnssec)
        except Malformed:
            break
    return Said(body(name, FAILED, dnssec), 0)
