"""The fakes of the large case hold what they are told, as slower ones do."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import numpy as np

from controller.spec.slots import SlotTable
from flows.diff import Changes, diff
from flows.entries import Target
from flows.pipeline import target
from flows.tables import Placed
from p4src.diff import diff as p4_diff
from p4src.target import Configuration, EntryBody, EntryKey, P4Target, Rate
from tests.bench.bulkswitch import BulkSwitch
from tests.bench.scalerun import _changed
from tests.fakes import duties
from tests.fakes.openflow import FakeSwitch
from tests.fakes.tables import ALL_TABLES

PLACED = Placed(duties.LB_PLACE)
RANDOM = np.random.default_rng(5)


def wire(changes: Changes) -> Iterator[bytes]:
    """What is sent, in pieces as TCP might cut it."""
    whole = b""
    for phase in changes.phases:
        whole += b"".join([*phase.messages, *(rows.tobytes() for rows in phase.bulk)])
    at = 0
    while at < len(whole):
        size = int(RANDOM.integers(1, 30_000))
        yield whole[at : at + size]
        at += size


def tell(switch: FakeSwitch, link: socket.socket, pieces: list[bytes]) -> None:
    rest = b""
    for piece in pieces:
        rest = switch._consume(rest + piece, link)
    assert rest == b""


def flows(pages: Iterator[bytes]) -> list[bytes]:
    out = []
    for page in pages:
        at = 0
        while at < len(page):
            (length,) = struct.unpack_from("!H", page, at)
            out.append(page[at : at + length])
            at += length
    return sorted(out)


def slots(now: int, before: int, size: int = 1024) -> SlotTable:
    """Random ones, of so many backends at most."""
    return SlotTable(
        RANDOM.integers(0, now, size).astype(np.uint16), RANDOM.integers(0, before, size).astype(np.uint16)
    )


def test_slots_taken_as_arrays_are_those_taken_one_by_one() -> None:
    first = target(duties.lb_duty())
    second = Target(first.flows, first.groups, first.meters, {1: slots(9, 3), 2: slots(4, 2)})
    third = Target(first.flows, first.groups, first.meters, {1: slots(2, 9), 2: slots(4, 1)})
    with socket.socket() as link:
        plain, bulk = FakeSwitch(1, 1), BulkSwitch(1, 1)
        for have, want in ((Target(), first), (first, second), (second, third), (third, Target())):
            pieces = list(wire(diff(PLACED, have, want)))
            for switch in (plain, bulk):
                switch._socket = link
                tell(switch, link, pieces)
            of_bulk = [*bulk._pages(ALL_TABLES), *bulk.tables.flow_stats(ALL_TABLES)]
            assert flows(iter(of_bulk)) == flows(plain.tables.flow_stats(ALL_TABLES))
            assert (bulk.tables.groups, bulk.tables.meters) == (plain.tables.groups, plain.tables.meters)
        assert bulk.rows, "nothing was taken as an array"


def test_a_p4_session_in_memory_holds_what_it_was_told() -> None:
    listener, vip = EntryKey("listener", (1,)), EntryKey("vip", (2,))
    one = P4Target(
        {listener: EntryBody("serve", (1,)), vip: EntryBody("take")},
        Configuration(1, 2, 3, 4, 5, 6, 7),
        {1: Rate(10, 20)},
        {1: slots(9, 3), 2: slots(4, 2)},
        {1: (1, 2), 2: (3,)},
    )
    two = P4Target(
        {listener: EntryBody("serve", (2,))},
        one.configuration,
        {1: Rate(30, 40)},
        {2: slots(4, 2), 3: slots(3, 1)},
        {1: (1,)},
    )
    holds = P4Target()
    for want in (one, two, one):
        holds = _changed(holds, p4_diff(holds, want))
        assert len(p4_diff(holds, want)) == 0
        assert holds.entries == want.entries
        assert holds.multicast == want.multicast
