"""The P4Runtime server on a unix socket in front of a plane that moves nothing, for one test module."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finsy.proto import p4r

from tests.fakes.p4client import Client, Ids, program_info
from tests.fakes.p4plane import FakePlane
from topo.p4switch.runtime.server import Server
from topo.p4switch.runtime.service import Service

_elections = itertools.count(1)


@dataclass
class Rig:
    """A running server; ``ids`` are those of the test program."""

    plane: FakePlane
    service: Service
    address: str
    ids: Ids

    def client(self, role: str = "") -> Client:
        return Client(self.address, role=role)

    def election_id(self) -> int:
        """One that is higher than any before."""
        return next(_elections)

    @contextlib.contextmanager
    def controller(self) -> Iterator[Client]:
        """A primary with the test program freshly set: tables empty, arrays zero."""
        with self.client() as client:
            client.become_primary(self.election_id())
            client.set_pipeline()
            yield client

    def action(self, name: str, *values: int) -> p4r.Action:
        made = p4r.Action(action_id=self.ids[name])
        for number, value in enumerate(values, start=1):
            made.params.add(param_id=number, value=octets(value))
        return made

    def entry(
        self, table: str, *match: p4r.FieldMatch, action: p4r.Action | None = None, **more: Any
    ) -> p4r.Entity:
        """A table entry; the match fields are numbered in their order unless they are already."""
        made = p4r.TableEntry(table_id=self.ids[table], **more)
        for number, one in enumerate(match, start=1):
            made.match.add().CopyFrom(one)
            made.match[-1].field_id = one.field_id or number
        if action is not None:
            made.action.action.CopyFrom(action)
        return p4r.Entity(table_entry=made)

    def slot(self, number: int, backend: int | None = 5, pool: int = 7, **more: Any) -> p4r.Entity:
        """An entry of the table that is written by the thousand."""
        action = None if backend is None else self.action("set_backend", backend)
        return self.entry("slot", exact(pool), exact(number), action=action, **more)

    def all_of(self, table: str, **wanted: Any) -> p4r.Entity:
        """A request for all entries of a table."""
        return p4r.Entity(table_entry=p4r.TableEntry(table_id=self.ids[table], **wanted))


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Rig]:
    """A server with its socket in ``folder``."""
    plane = FakePlane()
    service = Service(1, plane, clock=lambda: plane.now, wall=lambda: plane.now)
    address = f"unix:{folder}/p4rt"
    server = Server(service, address)
    server.start()
    try:
        yield Rig(plane, service, address, Ids(program_info()))
    finally:
        server.stop()


def octets(value: int) -> bytes:
    """The canonical byte string, written the long way."""
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def exact(value: int) -> p4r.FieldMatch:
    return p4r.FieldMatch(exact=p4r.FieldMatch.Exact(value=octets(value)))


def lpm(value: int, length: int) -> p4r.FieldMatch:
    return p4r.FieldMatch(lpm=p4r.FieldMatch.LPM(value=octets(value), prefix_len=length))


def ternary(value: int, mask: int, field: int = 0) -> p4r.FieldMatch:
    return p4r.FieldMatch(
        field_id=field, ternary=p4r.FieldMatch.Ternary(value=octets(value), mask=octets(mask))
    )


def span(low: int, high: int, field: int = 0) -> p4r.FieldMatch:
    return p4r.FieldMatch(field_id=field, range=p4r.FieldMatch.Range(low=octets(low), high=octets(high)))


def optional(value: int, field: int = 0) -> p4r.FieldMatch:
    return p4r.FieldMatch(field_id=field, optional=p4r.FieldMatch.Optional(value=octets(value)))
