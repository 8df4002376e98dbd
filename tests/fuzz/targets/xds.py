"""Requests to the discovery server, in both protocols, on streams that go on: what hostile clients ask for."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.message import DecodeError

from controller.exits.xds.book import Book
from controller.exits.xds.kinds import Kind
from controller.exits.xds.session import MOST_NAMES, Session, TooMuch
from controller.exits.xds.wire import PROTOCOLS, client
from tests.fuzz.messages import changed
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target
from tests.unit.test_xds_session import book

_READS = tuple(each.read.__self__ for each in PROTOCOLS)  # type: ignore[attr-defined]
_TEXTS = ("a", "a/a", "b", "b/b", "*", "east", "1", "2", "none", *(kind.value for kind in Kind))
_AGAIN = 200
"""Inputs after which there are new streams."""
_MOST = 8
"""Responses to one request, at most: one of each kind, and what waited for those."""


class Discovery(Target):
    """First octet: the protocol; the rest is a request. The books change meanwhile."""

    name = "xds"
    modules = ("controller/exits/xds/session.py", "controller/exits/xds/wire.py")

    def begin(self) -> None:
        """No streams yet."""
        self._books: tuple[Book, ...] = (book("a"), book("a", "b"), book("a", "b", down=("s1",)))
        self._count = 0
        self._sessions: list[Session] = []

    def seeds(self) -> list[bytes]:
        """What clients in order ask."""
        world, delta = _READS
        made: list[bytes] = []
        for kind in Kind:
            names = ["a/a", "b/b"] if kind in (Kind.CLUSTERS, Kind.ENDPOINTS) else ["a", "b"]
            asked = [
                world(type_url=kind.value, resource_names=names),
                world(type_url=kind.value, node={"id": "n", "locality": {"region": "east"}}),
                world(
                    type_url=kind.value,
                    response_nonce="1",
                    version_info="none",
                    error_detail={"message": "no"},
                ),
            ]
            made += [b"\0" + each.SerializeToString() for each in asked]
            asked = [
                delta(type_url=kind.value, resource_names_subscribe=names),
                delta(type_url=kind.value, resource_names_unsubscribe=names[:1], response_nonce="1"),
                delta(type_url=kind.value, initial_resource_versions={names[0]: "x"}),
            ]
            made += [b"\1" + each.SerializeToString() for each in asked]
        return made

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """A request of its protocol."""
        which = data[0] % 2 if data else 0
        second = other[1:] if other[:1] == data[:1] else b""
        return bytes([which]) + changed(chance, _READS[which], data[1:], second, _TEXTS)

    def feed(self, data: bytes) -> str:
        """As the server takes it."""
        if self._count % _AGAIN == 0:
            self._sessions = [each.session("east") for each in PROTOCOLS]
        self._count += 1
        which = data[0] % 2 if data else 0
        protocol, session = PROTOCOLS[which], self._sessions[which]
        now, of = float(self._count), self._books[self._count // 7 % len(self._books)]
        try:
            request: Any = protocol.read(data[1:])
        except DecodeError:
            return "no request"
        who = client(request)
        assert all(len(each) <= 200 for each in who)
        asked = protocol.asked(request)
        if asked is None:
            return "another kind"
        try:
            refusal = session.ask(asked, of)
        except TooMuch as error:
            self._sessions[which] = protocol.session("east")
            return shape(str(error))
        sent = 0
        while (found := session.due(of, now)) is not None:
            assert protocol.octets(found)
            sent += 1
            assert sent <= _MOST, "it is sent things in a loop"
        assert all(len(to.names) <= MOST_NAMES for to in session.subscriptions.values())
        deadline = session.deadline(now)
        assert deadline is None or deadline > now - 30.0 - _AGAIN
        return f"{protocol.word}: {sent} sent, {'refused' if refusal else 'taken'}"
