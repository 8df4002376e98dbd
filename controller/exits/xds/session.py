"""One client's stream: what it asks for, what it has, and what is due to it. Pure: the clock is an argument.

    request ─► subscription, and the answer to what was sent ─► due(book) ─► response, or nothing

Of each kind one response at a time is on its way: a newer book waits for the answer, so a client that is slow gets
fewer responses, not more, and nothing queues. What a client refused (NACK) counts as sent: it is sent again only once
it is other than that.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from controller.exits.xds.book import Book, Rows
from controller.exits.xds.kinds import Kind, Resource

EVERYTHING = "*"
"""The name by which one asks for all clusters or listeners."""
MOST_NAMES = 10_000
"""Names that a client may ask for, of a kind."""
LONGEST_NAME = 500
LONGEST_WORDS = 500
"""Characters of a client's reason."""
ANSWERS = 30.0
"""Seconds in which a client has to answer a response."""
ABSENT = ""
"""In place of a version: the client knows that there is none of that name."""
MOST_TAGS = 32
"""Resources that a version tells apart."""
NONE = "none"
"""The version of no resource."""
_TAG = 8
_VERSION = re.compile(r"[0-9a-f]{24}(?:\.[0-9a-f]{24}){0,31}")
HOLD = 5.0
"""Seconds for which routes wait, at most, until a client has asked for the servers of all clusters."""


class TooMuch(Exception):
    """The client asks for more than it may; the message says what."""


class Refusal(NamedTuple):
    """A client refuses what it was sent, and goes on with what it had."""

    kind: Kind
    version: str
    why: str


class Response(NamedTuple):
    """What is to be sent."""

    kind: Kind
    version: str
    nonce: str
    resources: tuple[Resource, ...]
    removed: tuple[str, ...] = ()
    """Names; in increments alone."""


class Asked(NamedTuple):
    """What both protocols' requests say."""

    kind: Kind
    nonce: str
    """Of the response that it answers; empty: it is the first request for this kind."""
    error: str | None
    """Why that is refused; None: it is not."""
    version: str = ""
    """That the client has: state of the world."""
    names: tuple[str, ...] = ()
    """All that it asks for: state of the world. What it asks for besides: increments."""
    without: tuple[str, ...] = ()
    """What it no longer asks for: increments."""
    had: Mapping[str, str] = {}
    """Versions that it has: the first request for increments."""


@dataclass
class Subscription:
    """To one kind."""

    wildcard: bool = False
    names: frozenset[str] = frozenset()
    explicit: bool = False
    """It has asked for names: an empty list means none from now on."""
    have: dict[str, str] = field(default_factory=dict)
    """Name -> version that the client was sent, or said that it has."""
    version: str | None = None
    """Of the last response, or of what the client had; state of the world."""
    nonce: str = ""
    on_way: bool = False
    since: float = 0.0
    refused: Refusal | None = None
    """Of the last response; None: it was not."""

    def wanted(self, kind: Kind, book: Book) -> Iterable[str]:
        """Names that the client asks for now."""
        return self.names.union(book.all(kind)) if self.wildcard else self.names


class Session(ABC):
    """A stream of either protocol."""

    def __init__(self, region: str = "") -> None:
        self.region = region
        """Of the client: a site's name, or another word."""
        self.subscriptions: dict[Kind, Subscription] = {}
        self.responses = 0
        self._held: float | None = None

    @abstractmethod
    def _subscribe(self, to: Subscription, asked: Asked, first: bool) -> None:
        """Take over what a request asks for."""

    @abstractmethod
    def _due(self, kind: Kind, to: Subscription, book: Book) -> Response | None:
        """What a client lacks of a kind."""

    def ask(self, asked: Asked, book: Book) -> Refusal | None:
        """Take a request in. What it refuses; None: nothing. Raises TooMuch."""
        to = self.subscriptions.get(asked.kind)
        first = to is None
        if to is None:
            to = self.subscriptions[asked.kind] = Subscription()
        elif self._is_stale(to, asked):
            return None
        refusal = self._answered(to, asked)
        _check_names(asked.names)
        self._subscribe(to, asked, first)
        if len(to.names) > MOST_NAMES:
            raise TooMuch(f"asks for {len(to.names)} {asked.kind.word}, {MOST_NAMES} are served")
        if first and asked.version:
            self._resume(asked, to, book)
        return refusal

    def _resume(self, asked: Asked, to: Subscription, book: Book) -> None:
        """The client has a version from an earlier stream: nothing is due if that says what is so now."""
        found = _found(book.rows(asked.kind, self.region), to.wanted(asked.kind, book))
        if says(asked.version, None if to.wildcard else to.names, found):
            to.version = asked.version
            to.have = {each.name: each.version for each in found}

    def _is_stale(self, to: Subscription, asked: Asked) -> bool:
        """Whether a request was made before the last response was read: another one will follow."""
        return bool(asked.nonce) and asked.nonce != to.nonce

    @staticmethod
    def _answered(to: Subscription, asked: Asked) -> Refusal | None:
        if not to.on_way or asked.nonce != to.nonce or not asked.nonce:
            return None
        to.on_way = False
        to.refused = None
        if asked.error is not None:
            to.refused = Refusal(asked.kind, to.version or "", asked.error[:LONGEST_WORDS])
        return to.refused

    def due(self, book: Book, now: float) -> Response | None:
        """The next response; None: nothing is due until something changes. ``now``: seconds."""
        for kind, to in sorted(self.subscriptions.items(), key=lambda each: _ORDER[each[0]]):
            if to.on_way or (kind.leads and self._holds(book, now)):
                continue
            found = self._due(kind, to, book)
            if found is not None:
                self.responses += 1
                to.on_way, to.since, to.nonce = True, now, str(self.responses)
                return found._replace(nonce=to.nonce)
        return None

    def deadline(self, now: float) -> float | None:
        """When a client is late, or routes have waited long enough; None: neither."""
        late = [to.since + ANSWERS for to in self.subscriptions.values() if to.on_way]
        held = [] if self._held is None or now >= self._held + HOLD else [self._held + HOLD]
        return min(late + held, default=None)

    def late(self, now: float) -> Kind | None:
        """A kind of which the last response was not answered in time; None: none."""
        found = (kind for kind, to in self.subscriptions.items() if to.on_way and now >= to.since + ANSWERS)
        return next(found, None)

    def _holds(self, book: Book, now: float) -> bool:
        """Whether listeners and routes wait: the client does not have all clusters and their servers yet."""
        clusters, servers = self.subscriptions.get(Kind.CLUSTERS), self.subscriptions.get(Kind.ENDPOINTS)
        before = [each for each in (clusters, servers) if each is not None]
        if any(each.on_way for each in before):
            return True
        if clusters is None or servers is None or not clusters.wildcard or clusters.refused is not None:
            return False
        if servers.names.issuperset(book.common[Kind.CLUSTERS]):
            self._held = None
            return False
        self._held = now if self._held is None else self._held
        return now < self._held + HOLD


_ORDER = {kind: rank for rank, kind in enumerate(Kind)}


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if len(name) > LONGEST_NAME:
            raise TooMuch(f"asks for a name of {len(name)} characters, {LONGEST_NAME} are looked up")


class WorldSession(Session):
    """State of the world: each response has all that is asked for, or (of servers and routes) all that changed."""

    def _subscribe(self, to: Subscription, asked: Asked, first: bool) -> None:
        names = frozenset(asked.names)
        to.explicit = to.explicit or bool(names)
        to.wildcard = asked.kind.whole and (EVERYTHING in names or not to.explicit)
        names -= {EVERYTHING}
        if names != to.names:
            # What is asked for again was forgotten by the client.
            to.have = {name: version for name, version in to.have.items() if name in names or to.wildcard}
            to.names = names

    def _due(self, kind: Kind, to: Subscription, book: Book) -> Response | None:
        found = _found(book.rows(kind, self.region), to.wanted(kind, book))
        changed = tuple(each for each in found if to.have.get(each.name) != each.version)
        if not changed and not (kind.whole and self._lacks(to, found)):
            return None
        if kind.whole:
            to.have = {}
        to.have |= {each.name: each.version for each in found}
        to.version = version_of(found)
        return Response(kind, to.version, "", found if kind.whole else changed)

    @staticmethod
    def _lacks(to: Subscription, found: tuple[Resource, ...]) -> bool:
        """Whether the client has to learn that something is gone, or that there is nothing."""
        return to.version is None or not to.have.keys() <= {each.name for each in found}


class DeltaSession(Session):
    """Increments: each response has what changed and the names of what is gone."""

    def _is_stale(self, to: Subscription, asked: Asked) -> bool:
        return False  # each request counts: it says what is asked for besides, or no longer

    def _subscribe(self, to: Subscription, asked: Asked, first: bool) -> None:
        if first:
            to.have = dict(asked.had)
            to.wildcard = asked.kind.whole and (not asked.names or EVERYTHING in asked.names)
        elif asked.kind.whole and EVERYTHING in asked.names:
            to.wildcard = True
        if asked.kind.whole and EVERYTHING in asked.without:
            to.wildcard = False
        for name in asked.names if not first else ():
            to.have.pop(name, None)
        to.names = to.names.union(asked.names).difference(asked.without) - {EVERYTHING}
        for name in asked.without:
            to.have.pop(name, None)

    def _due(self, kind: Kind, to: Subscription, book: Book) -> Response | None:
        wanted = set(to.wanted(kind, book))
        found = _found(book.rows(kind, self.region), wanted)
        there = {each.name for each in found}
        changed = tuple(each for each in found if to.have.get(each.name) != each.version)
        gone = {name for name, version in to.have.items() if version and name not in there}
        gone |= {name for name in wanted - there if name not in to.have}
        learns = to.wildcard and to.version is None and not to.have  # that there is nothing
        if not changed and not gone and not learns:
            return None
        to.have |= {each.name: each.version for each in changed}
        for name in gone:
            to.have.pop(name, None)
            if name in to.names:
                to.have[name] = ABSENT
        to.version = str(book.revision)
        return Response(kind, to.version, "", changed, tuple(sorted(gone)))


def _found(rows: Rows, names: Iterable[str]) -> tuple[Resource, ...]:
    return tuple(rows[name] for name in sorted(names) if name in rows)


def version_of(resources: Sequence[Resource]) -> str:
    """Of several resources, in their order: equal for equal ones, whichever controller made them.

    Of few, it says which they are, so that a client is known to have them that asks for fewer when it comes back.
    """
    if len(resources) <= MOST_TAGS:
        return ".".join(_tag(each.name) + each.version for each in resources) or NONE
    digest = blake2b(digest_size=8)
    for each in resources:
        digest.update(f"{each.name}\0{each.version}\0".encode())
    return digest.hexdigest()


def says(version: str, names: Iterable[str] | None, found: Sequence[Resource]) -> bool:
    """Whether who has a version has all that is ``found`` of the names that are asked for, and no more of them.

    ``names``: None: all are asked for.
    """
    if version == version_of(found):
        return True
    if not _VERSION.fullmatch(version):
        return False
    had = {each[:_TAG]: each[_TAG:] for each in version.split(".")}
    now = {_tag(each.name): each.version for each in found}
    return (had if names is None else {tag: had[tag] for tag in map(_tag, names) if tag in had}) == now


def _tag(name: str) -> str:
    return blake2b(name.encode(), digest_size=_TAG // 2).hexdigest()
