"""What rows expect, each a check of all that came of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol as Shape

from tests.conformance.delivery import Got, Wrong, at_segment, compare, delivered, whole
from tests.conformance.packets import Packet, read_frame
from tests.conformance.says import Connection, Delivered, FromClient, FromServer, Log
from tests.conformance.scenario import SERVERS

HOPS = 2
"""As which an answer may count on its way through the switch: once where it is rewritten, once where it is routed."""


class Expect(Shape):
    """Checks a step: raises Wrong, or says where connections went."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """``gots``: all that the step sent, each with what came of it."""
        ...


def _went(gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
    found = {}
    for got in gots:
        assert isinstance(got.say, FromClient)
        connection = got.say.connection
        try:
            found[connection] = delivered(got, log)
        except Wrong as wrong:
            raise Wrong(f"{connection.client}:{connection.port}: {wrong}") from None
    return found


@dataclass(frozen=True)
class To:
    """Each packet reaches one of these servers, as its mode demands."""

    servers: tuple[str, ...]

    def __init__(self, *servers: str) -> None:
        object.__setattr__(self, "servers", servers)

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        found = _went(gots, log)
        for connection, where in found.items():
            if where.backend not in self.servers:
                raise Wrong(f"{connection.port} went to {where.backend}, wanted {' or '.join(self.servers)}")
        return found


@dataclass(frozen=True)
class Spread(To):
    """Each packet reaches one of these servers, and each server gets some of them."""

    def __init__(self, *servers: str) -> None:
        super().__init__(*servers)

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        found = super().check(gots, log)
        idle = set(self.servers) - {where.backend for where in found.values()}
        if idle:
            raise Wrong(f"{', '.join(sorted(idle))} got none of {len(found)} connections")
        return found


@dataclass(frozen=True)
class Alike:
    """All packets of the step reach one server."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        found = _went(gots, log)
        servers = sorted({where.backend for where in found.values()})
        if len(servers) != 1:
            raise Wrong(f"they went to {', '.join(servers)}, wanted one server for all")
        return found


@dataclass(frozen=True)
class Same:
    """Each packet reaches the server of its connection's last one."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        found = _went(gots, log)
        for connection, where in found.items():
            if where.backend != log.last[connection].backend:
                was = log.last[connection].backend
                raise Wrong(f"{connection.port} went to {where.backend}, but belongs to {was}")
        return found


@dataclass(frozen=True)
class StaysUnless:
    """Each packet reaches the server of its connection's last one, unless that is this one: then another."""

    left: str

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        found = _went(gots, log)
        for connection, where in found.items():
            was = log.last[connection].backend
            if where.backend == self.left or (was != self.left and where.backend != was):
                raise Wrong(f"{connection.port} went from {was} to {where.backend}")
        return found


@dataclass(frozen=True)
class Lost:
    """Nothing comes out anywhere."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            if got.frames:
                raise Wrong(
                    f"it came out at {', '.join(sorted({w.port for w in got.frames}))}, wanted nothing"
                )
        return {}


@dataclass(frozen=True)
class Refused:
    """No server gets it, whatever the client is told."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            ports = {wire.port for wire in got.frames} & set(SERVERS)
            if ports:
                raise Wrong(f"it came out at {', '.join(sorted(ports))}, wanted no server")
        return {}


@dataclass(frozen=True)
class Share:
    """Of the packets, so many reach one server, and the others another one."""

    server: str
    least: int
    most: int

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        found = _went(gots, log)
        got = sum(where.backend == self.server for where in found.values())
        if not self.least <= got <= self.most:
            raise Wrong(f"{self.server} got {got} of {len(found)}, wanted {self.least} to {self.most}")
        return found


@dataclass(frozen=True)
class Between:
    """Of the packets, at least and at most so many reach a server."""

    least: int
    most: int

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        found = _went([got for got in gots if got.frames], log)
        if not self.least <= len(found) <= self.most:
            raise Wrong(f"{len(found)} of {len(gots)} passed, wanted {self.least} to {self.most}")
        return found


@dataclass(frozen=True)
class Home:
    """A server's answer reaches the client as the VIP's."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            assert isinstance(got.say, FromServer)
            asked = got.say.connection.packet
            sent = got.say.packet(log, got.mark)
            wanted = replace(
                sent,
                source=asked.destination,
                source_port=asked.destination_port,
                destination=asked.source,
                destination_port=asked.source_port,
            )
            _passes(got, wanted)
        return {}


@dataclass(frozen=True)
class AsItIs:
    """A server's packet passes to the segment as it was sent."""

    def check(self, gots: Sequence[Got], log: Log) -> dict[Connection, Delivered]:
        """See ``Expect``."""
        for got in gots:
            assert isinstance(got.say, FromServer)
            _passes(got, got.say.packet(log, got.mark))
        return {}


def _passes(got: Got, wanted: Packet) -> None:
    if len(at_segment(got.frames)) != len(got.frames) or not got.frames:
        raise Wrong(f"came out at {sorted({w.port for w in got.frames})}, wanted the segment")
    found = whole([read_frame(wire.frame) for wire in got.frames])
    compare(found, wanted, ttls=range(wanted.ttl - HOPS, wanted.ttl + 1))
