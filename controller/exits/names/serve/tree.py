"""The names of zones as a tree, built from a content in small steps, so that answers go on meanwhile.

Content ─► grow(): record sets become octets, sets that can be chosen are signed ─► Tables
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from controller.exits.names.content import Choice, Content, RecordSet, Zone
from controller.exits.names.serve.records import Rdata, Wired, type_number, wired
from controller.exits.names.serve.signing import Signer
from controller.exits.names.serve.wire import Malformed, Type, of_text, order, parent, within

AHEAD = 1024
"""Sets of one balanced name and type that are signed beforehand, at most; others are when they are asked for."""

Step = Generator[None, None, "Tables"]


@dataclass
class Node:
    """A name of a zone. One without sets of its own has names below it."""

    name: bytes
    zone: ZoneTree
    fixed: dict[int, Wired] = field(default_factory=dict)
    balanced: dict[int, Choice] = field(default_factory=dict)
    cut: Node | None = None
    """Where authority ends, at or above this name; None: it does not."""

    @property
    def types(self) -> frozenset[int]:
        """That a signed zone says to be there."""
        if self.cut is self:
            return frozenset({Type.NS, Type.DS} & self.fixed.keys())
        return frozenset(self.fixed.keys() | self.balanced.keys())


@dataclass
class ZoneTree:
    """One zone."""

    origin: bytes
    soa: Wired
    negative_ttl: int
    nodes: dict[bytes, Node] = field(default_factory=dict)
    signer: Signer | None = None
    """None: not signed."""
    chain: list[tuple[tuple[bytes, ...], bytes]] = field(default_factory=list)
    """Names that have sets with authority, in the order of a signed zone."""

    def nsec(self, name: bytes, without: int = 0) -> Wired:
        """The NSEC that is there for a name, or spans it. ``without``: a type that is not there at this moment."""
        at = bisect_right(self.chain, (order(name), name)) - 1
        owner = self.chain[at][1]
        follower = self.chain[(at + 1) % len(self.chain)][1]
        types = (self.nodes[owner].types | {Type.RRSIG, Type.NSEC}) - {without}
        return Wired(owner, Type.NSEC, self.negative_ttl, (Rdata(follower + bitmap(types)),))


@dataclass
class Tables:
    """All that is served."""

    revision: int
    zones: dict[bytes, ZoneTree]
    known: dict[RecordSet, Wired]
    """As octets."""
    problems: tuple[str, ...] = ()
    """Sets that cannot be served, and why."""

    def end(self) -> None:
        """They are served no longer: nodes and zones know each other, and would wait for Python to look for circles."""
        for zone in self.zones.values():
            for node in zone.nodes.values():
                node.cut = None
            zone.nodes.clear()

    def zone_of(self, name: bytes, kind: int) -> ZoneTree | None:
        """The zone that answers for a name; None: it is not ours. A DS is the parent's."""
        above = name
        if kind == Type.DS and name in self.zones and len(name) > 1:
            above = parent(name)
        while True:
            found = self.zones.get(above)
            if found is not None:
                return found
            if len(above) == 1:
                return self.zones.get(name)
            above = parent(above)

    def octets(self, records: RecordSet) -> Wired:
        """Of a set that was chosen. Raises Malformed."""
        found = self.known.get(records)
        if found is None:
            found = wired(records)
            if len(self.known) < 4 * AHEAD:
                self.known[records] = found
        return found


NOTHING = Tables(0, {}, {})


def grow(content: Content, signers: Mapping[bytes, Signer], before: Tables = NOTHING) -> Step:
    """The tables of a content, little by little. ``signers``: by origin, of zones that have keys."""
    tables = Tables(content.revision, {}, {})
    problems: list[str] = []
    for zone in content.zones.values():
        try:
            yield from _zone(tables, zone, signers, before, problems)
        except Malformed as error:
            problems.append(f"{zone.origin}: {error}")
    tables.problems = tuple(problems)
    return tables


def _zone(
    tables: Tables, zone: Zone, signers: Mapping[bytes, Signer], before: Tables, problems: list[str]
) -> Generator[None]:
    origin = of_text(zone.origin)
    tree = ZoneTree(origin, _octets(tables, zone.soa, before), zone.negative_ttl)
    _node(tree, origin).fixed[Type.SOA] = tree.soa
    for (name, _), records in zone.fixed.items():
        try:
            made = _octets(tables, records, before)
            _inside(tree, name)
            _node(tree, made.owner).fixed[made.type] = made
        except Malformed as error:
            problems.append(str(error))
        yield
    for (name, kind), choice in zone.balanced.items():
        try:
            _node(tree, _inside(tree, name)).balanced[type_number(kind)] = choice
        except Malformed as error:
            problems.append(str(error))
        yield
    if zone.signed and origin in signers:
        tree.signer = signers[origin]
        _node(tree, origin).fixed[Type.DNSKEY] = tree.signer.dnskeys
    elif zone.signed:
        problems.append(f"{zone.origin}: is to be signed and has no key: evenkeel dns keys new makes one")
    yield from _cuts(tree)
    if tree.signer is not None:
        yield from _signed(tables, tree, tree.signer, before, problems)
    tables.zones[origin] = tree


def _octets(tables: Tables, records: RecordSet, before: Tables) -> Wired:
    made = before.known.get(records) or wired(records)
    tables.known[records] = made
    return made


def _inside(tree: ZoneTree, text: str) -> bytes:
    name = of_text(text)
    if not within(name, tree.origin):
        raise Malformed(f"{text} is not in this zone")
    return name


def _node(tree: ZoneTree, name: bytes) -> Node:
    """A node, with all above it."""
    found = tree.nodes.get(name)
    if found is None:
        found = tree.nodes[name] = Node(name, tree)
        if name != tree.origin:
            _node(tree, parent(name))
    return found


def _cuts(tree: ZoneTree) -> Generator[None]:
    """Where authority ends; nodes from the origin downwards."""
    for name in sorted(tree.nodes, key=order):
        node = tree.nodes[name]
        if name == tree.origin:
            continue
        node.cut = tree.nodes[parent(name)].cut
        if node.cut is None and Type.NS in node.fixed:
            node.cut = node
        yield


def _signed(
    tables: Tables, tree: ZoneTree, signer: Signer, before: Tables, problems: list[str]
) -> Generator[None]:
    for node in tree.nodes.values():
        if node.types and node.cut in (None, node):
            tree.chain.append((order(node.name), node.name))
    tree.chain.sort()
    for _, name in tree.chain:
        node = tree.nodes[name]
        signer.of(tree.nsec(name))
        for kind in node.types & node.fixed.keys() - ({Type.NS} if node.cut else frozenset()):
            signer.of(node.fixed[kind])
            yield
        for choice in node.balanced.values():
            for records in choice.possible[:AHEAD]:
                try:
                    signer.of(_octets(tables, records, before))
                except Malformed as error:
                    problems.append(str(error))
                yield


def bitmap(types: frozenset[int] | set[int]) -> bytes:
    """Types that are there, as NSEC has them (RFC 4034, 4.1.2)."""
    windows: dict[int, bytearray] = {}
    for each in sorted(types):
        octets = windows.setdefault(each >> 8, bytearray(32))
        octets[(each & 0xFF) >> 3] |= 0x80 >> (each & 7)
    parts = []
    for window, octets in windows.items():
        kept = bytes(octets).rstrip(b"\0")
        parts.append(bytes((window, len(kept))) + kept)
    return b"".join(parts)
