"""From a message to its answer: what is asked again is answered from what was made before.

    octets ─► plan (made once for each distinct question, whatever its subnet) ─► choice ─► its octets (made once)
       └─ first time, or with a cookie: read ─► trace ─► choice ─► body ─► header, question, body, OPT

All that was made belongs to tables; with others it is made again. Every cache has a bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeVar

from controller.exits.names.content import Asker, Choice, Chosen
from controller.exits.names.serve import wire
from controller.exits.names.serve.answering import FAILED, Trace, body, ended, trace
from controller.exits.names.serve.cookies import Checked, Cookies
from controller.exits.names.serve.counters import Counters
from controller.exits.names.serve.limiting import Limiter, Verdict
from controller.exits.names.serve.tree import NOTHING, Tables
from controller.exits.names.serve.wire import Malformed, Query, Rcode, Subnet
from controller.exits.names.serve.writing import Body

PLANS, BODIES, ASKERS, READY = 8192, 32_768, 32_768, 1024
"""How many are kept, at most."""
FOLLOWED = 8
"""Choices for one question, at most."""
STREAM = 65_535
"""Octets of an answer over TCP."""
K = TypeVar("K")
V = TypeVar("V")
_Found = tuple[Body, int, object, Trace | None]
"""A body, its scope, what it is counted as, and its trace if that may be kept."""
_ERRORS: Final = "errors"
_SUBNETS: Final = tuple((octets, b"\0\x08\0" + bytes((4 + octets,))) for octets in (3, 7, 4, 6))
"""How the option begins that a message ends with whose client's subnet has so many octets."""
_SEND = Verdict.SEND
_EMPTY = Body(Rcode.NOERROR, False)
_FAILED = Body(Rcode.SERVFAIL, False)


class Plan:
    """How a question is answered that comes again in the same octets."""

    __slots__ = ("choice", "kind", "query", "rcode", "ready", "tail", "trace")

    def __init__(self, query: Query, of: Trace, kind: object) -> None:
        self.query, self.trace, self.kind = query, of, kind
        self.choice: Choice | None = of.choice
        self.rcode = int(of.rcode)
        self.tail: bytes | None = None
        """The answer behind its id; None: it is chosen."""
        self.ready: dict[tuple[int, tuple[str, ...]], bytes] = {}
        """The same by what was chosen: TTL and values."""


class Responder:
    """Answers by the tables that it has."""

    def __init__(
        self, counters: Counters, limiter: Limiter, cookies: Cookies, wall: Callable[[], float]
    ) -> None:
        self.counters, self._limiter, self._cookies, self._wall = counters, limiter, cookies, wall
        self._rcodes = counters.rcodes
        self._askers: dict[str, Asker] = {}
        self._networks: dict[tuple[bytes, str], Asker] = {}
        self._tables = NOTHING
        self._plans: dict[bytes, Plan] = {}
        self._begins: dict[bytes, Plan] = {}
        """Plans by the octets before a client's subnet."""
        self._traces: dict[tuple[bytes, int, bool], Trace] = {}
        self._bodies: dict[object, Body] = {}

    @property
    def tables(self) -> Tables:
        """What is served."""
        return self._tables

    def serve(self, tables: Tables) -> None:
        """From now on these."""
        self._tables, self._plans, self._begins = tables, {}, {}
        self._traces, self._bodies = {}, {}

    def tick(self, now: float) -> None:
        """Time passes: before each batch of datagrams. ``now``: seconds of a clock that does not step."""
        self._limiter.tick(now)

    def datagram(self, data: bytes, host: str) -> bytes | None:
        """The answer to a datagram; None: there is none."""
        self.counters.udp += 1
        plan = self._plans.get(data[2:])
        try:
            if plan is None:
                return self._subnet(data, host)
            tail = plan.tail
            if tail is None:
                tail = self._chosen(plan, self._askers.get(host) or self._asker(host))
        except Exception:  # a defect in one choice must not end what serves the others
            self.counters.failed += 1
            return self._error(data, Rcode.SERVFAIL)
        verdict = self._limiter.verdict(host, plan.kind)
        if verdict is _SEND:
            self._rcodes[plan.rcode] += 1
            return data[:2] + tail
        return self._limited(verdict, data, plan.query, None)

    def message(self, data: bytes, host: str) -> bytes | None:
        """The answer to a message over TCP; None: the one who sent it does not speak DNS."""
        self.counters.tcp += 1
        query = self._read(data)
        if not isinstance(query, Query):
            return query
        try:
            return self._answered(query, host, STREAM, None)
        except Exception:  # as above
            self.counters.failed += 1
            return self._error(data, Rcode.SERVFAIL)

    # -- a question that comes again, from another subnet ------------------------------------------------------

    def _subnet(self, data: bytes, host: str) -> bytes | None:
        """Of messages that end with a client's subnet, what comes before it is known again."""
        for octets, head in _SUBNETS:
            if data[-8 - octets : -4 - octets] == head:
                break
        else:
            return self._first(data, host)
        said, plan = data[-4 - octets :], self._begins.get(data[2 : -4 - octets])
        asker = self._networks.get((said, host)) or self._network(said, host)
        if plan is None or plan.choice is None or asker is None:
            return self._first(data, host)
        self.counters.subnets += 1
        chosen = plan.choice(asker)
        scope, key = chosen.scope, (chosen.records.ttl, chosen.records.values)
        tail = plan.ready.get(key)
        if tail is None:
            made, again, scope = self._followed(plan.query, plan.trace, asker, chosen, keep=True)
            tail = self._whole(plan.query, made)[: -4 - octets]
            if again and len(plan.ready) < READY and tail[0] & 2 == 0:
                plan.ready[key] = tail
        verdict = self._limiter.verdict(host, plan.kind)
        if verdict is not Verdict.SEND:
            return self._limited(verdict, data, plan.query._replace(subnet=wire.read_subnet(said)), None)
        self._rcodes[plan.rcode] += 1
        return b"".join((data[:2], tail, said[:3], bytes((scope,)), said[4:]))

    def _network(self, said: bytes, host: str) -> Asker | None:
        """Who asks for a subnet; None: it is none."""
        try:
            made = self._behind(wire.read_subnet(said), self._askers.get(host) or self._asker(host))
        except Malformed:
            return None
        self._remember(self._networks, ASKERS, (said, host), made)
        return made

    def _whole(self, query: Query, made: Body) -> bytes:
        """An answer behind its id, over UDP."""
        tail = _tail(query, made, min(query.size, wire.LARGEST), _options(query, 0, None))
        self.counters.truncated += tail[0] >> 1 & 1
        return tail

    # -- a question that comes again ---------------------------------------------------------------------------

    def _chosen(self, plan: Plan, asker: Asker) -> bytes:
        assert plan.choice is not None
        chosen = plan.choice(asker)
        records = chosen.records
        key = (records.ttl, records.values)
        tail = plan.ready.get(key)
        if tail is None:
            query = plan.query
            made, again, _ = self._followed(query, plan.trace, asker, chosen, keep=True)
            tail = self._whole(query, made)
            if again and len(plan.ready) < READY and tail[0] & 2 == 0:
                plan.ready[key] = tail
        return tail

    def _asker(self, host: str) -> Asker:
        address = ip_address(host.partition("%")[0])
        made = Asker(address, address.max_prefixlen, address)
        self._remember(self._askers, ASKERS, host, made)
        return made

    # -- one that is new ------------------------------------------------------------------------------------------

    def _first(self, data: bytes, host: str) -> bytes | None:
        query = self._read(data)
        if not isinstance(query, Query):
            if query is None:
                return None
            verdict = self._limiter.verdict(host, _ERRORS)
            return query if verdict is Verdict.SEND else self._limited(verdict, data, None, None)
        return self._answered(query, host, min(query.size, wire.LARGEST), data)

    def _answered(self, query: Query, host: str, limit: int, data: bytes | None) -> bytes | None:
        """``data``: what came over UDP; None: it came over TCP, which is not limited."""
        checked = None
        if query.cookie is not None:
            checked = self._cookies.check(query.cookie, host, int(self._wall()))
            self.counters.cookies += checked.good
        if query.version or query.of != wire.IN:
            rcode = Rcode.BADVERS if query.version else Rcode.REFUSED
            found: _Found = (Body(rcode, False), 0, _ERRORS, None)
        else:
            found = self._made(query, host)
        made, scope, kind, known = found
        tail = _tail(query, made, limit, _options(query, scope, checked))
        if data is not None:
            if checked is None or not checked.good:
                verdict = self._limiter.verdict(host, kind)
                if verdict is not Verdict.SEND:
                    return self._limited(verdict, data, query, checked)
            if known is not None and checked is None:
                self._keep(data, query, known, kind, tail)
        self._rcodes[int(made.rcode)] += 1
        if tail[0] & 2:
            self.counters.truncated += 1
        return query.id.to_bytes(2) + tail

    @staticmethod
    def _behind(subnet: Subnet, asker: Asker) -> Asker:
        """A client behind a resolver; the resolver itself where it tells nothing."""
        return Asker(_network(subnet), subnet.prefix, asker.resolver) if subnet.prefix else asker

    def _made(self, query: Query, host: str) -> _Found:
        asker = self._askers.get(host) or self._asker(host)
        if query.subnet is not None:
            self.counters.subnets += 1
            asker = self._behind(query.subnet, asker)
        known = self._traces.get((query.name, query.type, query.dnssec))
        if known is not None:
            made, _, scope = self._followed(query, known, asker, None, keep=True)
            return made, scope, query.name, known
        zone = self._tables.zone_of(query.name, query.type)
        if zone is None:
            return Body(Rcode.REFUSED, False), 0, _ERRORS, None
        found = trace(self._tables, query.name, query.type, query.dnssec)
        there = query.name in zone.nodes
        if there:
            self._remember(self._traces, BODIES, (query.name, query.type, query.dnssec), found)
        made, _, scope = self._followed(query, found, asker, None, keep=there)
        return made, scope, query.name if there else zone.origin, found if there else None

    def _followed(
        self, query: Query, found: Trace, asker: Asker, chosen: Chosen | None, keep: bool
    ) -> tuple[Body, bool, int]:
        """The body, whether the first choice alone decides it, and the scope. ``chosen``: that, if it was made."""
        scope, count, parts = 0, 0, []
        at = found
        while at.choice is not None and count < FOLLOWED:
            chosen = at.choice(asker) if chosen is None else chosen
            records, scope = chosen.records, max(scope, chosen.scope)
            parts.append((records.ttl, records.values))
            count += 1
            key = (query.name, query.type, query.dnssec, *parts)
            known = self._bodies.get(key)
            if known is not None:
                return known, count == 1, scope
            try:
                at = ended(self._tables, at, query.type, records, query.dnssec)
            except Malformed:
                self.counters.failed += 1
                return _FAILED, False, 0
            chosen = None
        if at.choice is not None:
            return body(query.name, replace(FAILED), query.dnssec), False, 0
        made = body(query.name, at, query.dnssec)
        if parts and keep:
            self._remember(self._bodies, BODIES, (query.name, query.type, query.dnssec, *parts), made)
        return made, count == 1, scope

    @staticmethod
    def _remember(where: dict[K, V], most: int, key: K, value: V) -> None:
        if len(where) >= most:
            where.clear()
        where[key] = value

    def _keep(self, data: bytes, query: Query, found: Trace, kind: object, tail: bytes) -> None:
        plan = Plan(query, found, kind)
        if query.subnet is None:
            plan.tail = tail if found.choice is None else None
            self._remember(self._plans, PLANS, data[2:], plan)
            return
        octets = 4 + len(query.subnet.address)
        if len(data) == 12 + len(query.question) + 11 + 4 + octets:  # it has nothing else
            self._remember(self._begins, PLANS, data[2:-octets], plan)

    # -- answers that are none --------------------------------------------------------------------------------

    def _read(self, data: bytes) -> Query | bytes | None:
        """The question; or what is answered to something else."""
        if len(data) < 12 or data[2] & 0x80:
            self.counters.ignored += 1
            return None
        if data[2] & 0x78:
            return self._error(data, Rcode.NOTIMP)
        try:
            return wire.read(data)
        except Malformed:
            return self._error(data, Rcode.FORMERR)

    def _error(self, data: bytes, rcode: Rcode) -> bytes:
        self._rcodes[int(rcode)] += 1
        return data[:2] + bytes((0x80 | data[2] & 0x79, rcode)) + bytes(8)

    def _limited(
        self, verdict: Verdict, data: bytes, query: Query | None, checked: Checked | None
    ) -> bytes | None:
        if verdict is Verdict.DROP or query is None:
            self.counters.dropped += 1
            return None
        self.counters.slipped += 1
        if checked is not None:
            made, flag = Body(Rcode.BADCOOKIE, False), 0
        else:
            made, flag = _EMPTY, 2
        tail = _tail(query, made, STREAM, _options(query, 0, checked))
        return data[:2] + bytes((tail[0] | flag,)) + tail[1:]


def _tail(query: Query, made: Body, limit: int, options: bytes) -> bytes:
    """An answer behind its id; without records if it is larger than ``limit``."""
    flags = wire.QR | query.flags & (wire.RD | wire.CD) | made.rcode & 0xF
    if made.authoritative:
        flags |= wire.AA
    opt = b""
    if query.edns:
        extended = made.rcode >> 4 << 24 | (wire.DO if query.dnssec else 0)
        opt = (
            b"\0\0\x29" + wire.LARGEST.to_bytes(2) + extended.to_bytes(4) + len(options).to_bytes(2) + options
        )
    count, edns = (made.answers, made.authorities), query.edns
    if 12 + len(query.question) + len(made.octets) + len(opt) > limit:
        head = wire.HEADER.pack(0, flags | wire.TC, 1, 0, 0, edns)
        return head[2:] + query.question + opt
    head = wire.HEADER.pack(0, flags, 1, *count, made.others + edns)
    return b"".join((head[2:], query.question, made.octets, opt))


def _options(query: Query, scope: int, checked: Checked | None) -> bytes:
    """Of the OPT in the answer."""
    options = b""
    if checked is not None:
        options = wire.COOKIE.to_bytes(2) + len(checked.answer).to_bytes(2) + checked.answer
    if query.subnet is not None:
        family, prefix, address = query.subnet
        options += b"\0\x08" + (4 + len(address)).to_bytes(2) + family.to_bytes(2)
        options += bytes((prefix, scope if prefix else 0)) + address
    return options


def _network(subnet: Subnet) -> IPv4Address | IPv6Address:
    if subnet.family == 1:
        return IPv4Address(subnet.address.ljust(4, b"\0"))
    return IPv6Address(subnet.address.ljust(16, b"\0"))
