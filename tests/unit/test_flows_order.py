"""Connections in the middle of a write: whichever part of it a switch has carried out, they keep their backend."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_address

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.spec.slots import SlotTable
from controller.spec.switch import BackendSpec, Fate, ListenerSpec, PoolSpec, SwitchSpec
from controller.spec.types import Mode, Protocol
from flows.actions import Bits, Load, instructions
from flows.diff import Phase, diff
from flows.entries import Target
from flows.match import Match, unpack_match
from flows.pipeline import target
from flows.tables import BACKEND, FLAG_RELEASED, FLAG_SYN, FLAGS, POOL, SLOT, Placed, Priority, Stage
from tests.examples import examples
from tests.fakes import duties
from tests.fakes.tables import Entry, Key, Tables, match_struct

PLACED = Placed(duties.LB_PLACE)
SLOTS = 8
LISTENER = ListenerSpec(1, duties.VIPS[0], Protocol.TCP, 80, 8080, 1, Mode.DR, False)
RESET, DROPPED = -1, 0
"""What happens to a packet, other than that it goes to a backend."""


@dataclass(frozen=True)
class World:
    """A pool that serves the listener, and what its backends do."""

    pool: int
    fates: dict[int, Fate]
    now: tuple[int, ...]
    before: tuple[int, ...]

    def target(self) -> Target:
        """What a switch should hold."""
        reals = tuple(
            BackendSpec(n, self.pool, (ip_address(f"10.1.0.{n}"),), f"02:00:00:00:00:{n:02x}", (2,), fate)
            for n, fate in self.fates.items()
        )
        table = SlotTable(np.array(self.now, np.uint16), np.array(self.before, np.uint16))
        item = replace(LISTENER, pool=self.pool)
        pools = {self.pool: PoolSpec(self.pool, SLOTS, reals, table)}
        return target(SwitchSpec(duties.switch(), duties.VIPS[:1], (item,), pools))

    def keeps(self, backend: int) -> bool:
        """Whether a backend keeps its connections."""
        return self.fates.get(backend) in (Fate.NORMAL, Fate.DRAIN)


class Packets:
    """What a switch does with packets of the listener, as its flows say."""

    def __init__(self, tables: Tables, worlds: tuple[World, ...]) -> None:
        self._tables = tables
        self._pools = {
            (key.table, key.priority, body.instructions): world.pool
            for world in worlds
            for key, body in world.target().flows.items()
        }
        commit = PLACED.table(Stage.COMMIT)
        self._chosen = {instructions((Load(n, Bits(BACKEND)),), commit): n for n in range(1, 6)}

    def syn(self, slot: int) -> int:
        """Where a SYN of a new connection goes whose source has this slot."""
        pool = self.pool(PLACED.entry, PLACED.priority(Priority.SYN))
        return DROPPED if pool is None else self._decide(pool, slot, FLAG_SYN)

    def later(self, backend: int, slot: int) -> set[int]:
        """Where packets and fragments of a connection go that memory gives to this backend."""
        claims = (PLACED.entry, PLACED.priority(Priority.LISTENER)), (PLACED.table(Stage.FRAGMENT), 30)
        pools = [self.pool(*claim) for claim in claims]
        return {DROPPED if pool is None else self.remembered(pool, backend, slot) for pool in pools}

    def remembered(self, pool: int, backend: int, slot: int) -> int:
        """Where a packet goes that came so far with this pool's number."""
        found = self._find(Stage.FATE, {POOL: pool, BACKEND: backend, FLAGS: 0})
        assert found is not None
        key, entry = found
        goto = _goto(entry)
        if goto is None:
            return RESET
        if goto == PLACED.table(Stage.BACKEND):
            return backend
        return self._decide(pool, slot, FLAG_RELEASED if key.priority else 0)

    def pool(self, table: int, priority: int) -> int | None:
        """The pool that a claim of the listener's names."""
        for key, entry in self._tables.flows.items():
            if (key.table, key.priority) == (table, priority):
                return self._pools[table, priority, entry.instructions]
        return None

    def _decide(self, pool: int, slot: int, flags: int) -> int:
        if self._find(Stage.SPREAD, {POOL: pool}) is None:
            return DROPPED
        found = self._find(Stage.SLOT, {POOL: pool, SLOT: slot, FLAGS: flags})
        return DROPPED if found is None else self._chosen.get(found[1].instructions, DROPPED)

    def _find(self, stage: Stage, fields: dict[str, int]) -> tuple[Key, Entry] | None:
        def fits(key: Key) -> bool:
            return all(
                fields.get(n, -1) == v if m is None else fields.get(n, -1) & m == v
                for n, v, m in _match(key.match)
            )

        table = PLACED.table(stage)
        found = [(k, e) for k, e in self._tables.flows.items() if k.table == table and fits(k)]
        return max(found, key=lambda item: item[0].priority, default=None)


@cache
def _match(canonical: bytes) -> Match:
    return unpack_match(match_struct(canonical), 0)[0]


def _goto(entry: Entry) -> int | None:
    at = 0
    while at < len(entry.instructions):
        kind, length = struct.unpack_from("!HH", entry.instructions, at)
        if kind == 1:
            return entry.instructions[at + 4]
        at += length
    return None


def messages_of(phase: Phase) -> list[bytes]:
    """The messages of a phase one by one."""
    return [*phase.messages, *(row.tobytes() for rows in phase.bulk for row in rows)]


def moments(old: World, new: World, seed: int) -> Iterator[Packets]:
    """The switch before, after every message in some order that the phases allow, and afterwards."""
    tables = Tables()
    for phase in diff(PLACED, Target(), old.target()).phases:
        for message in messages_of(phase):
            tables.apply(message)
    packets = Packets(tables, (old, new))
    yield packets
    for phase in diff(PLACED, old.target(), new.target()).phases:
        some = messages_of(phase)
        random.Random(seed).shuffle(some)
        for message in some:
            assert tables.apply(message) is None
            yield packets


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, World]:
    """Two that follow each other, perhaps after an absence: fates, slots, members and the pool may be others."""
    fates = st.sampled_from(list(Fate))
    old_fates = {1: Fate.NORMAL, **{n: draw(fates) for n in (2, 3)}}
    new_fates = {n: draw(fates) for n in draw(st.sampled_from([(1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5)]))}
    # Someone serves.
    new_fates[draw(st.sampled_from(list(new_fates)))] = Fate.NORMAL
    out = []
    for number, of in ((1, old_fates), (draw(st.sampled_from([1, 2])), new_fates)):
        serve = [n for n, fate in of.items() if fate is Fate.NORMAL]
        hold = [0, *(n for n, fate in of.items() if fate in (Fate.NORMAL, Fate.DRAIN))]
        now = tuple(draw(st.sampled_from(serve)) for _ in range(SLOTS))
        out.append(World(number, of, now, tuple(draw(st.sampled_from(hold)) for _ in range(SLOTS))))
    return out[0], out[1]


def some_worlds(pool: int, old: dict[int, Fate], new: dict[int, Fate], to: int) -> tuple[World, World]:
    """Backend 1 serves; then another one does, perhaps with another pool's number."""
    nothing = (0,) * SLOTS
    return World(1, old, (1,) * SLOTS, nothing), World(pool, new, (to,) * SLOTS, nothing)


@settings(deadline=None, max_examples=examples(50, 150))
@given(worlds(), st.integers(0, 1 << 16))
def test_a_connection_keeps_the_backend_that_its_syn_was_given(pair: tuple[World, World], seed: int) -> None:
    old, new = pair
    opened: set[tuple[int, int]] = set()
    for packets in moments(old, new, seed):
        for slot in range(SLOTS):
            backend = packets.syn(slot)
            assert backend in (old.now[slot], new.now[slot])
            opened.add((slot, backend))
        for slot, backend in opened:
            if new.keeps(backend):
                assert packets.later(backend, slot) == {backend}


@settings(deadline=None, max_examples=60)
@given(worlds(), st.integers(0, 1 << 16))
def test_an_established_connection_stays_unless_its_backend_gives_it_away(
    pair: tuple[World, World], seed: int
) -> None:
    old, new = pair
    stay = [backend for backend in old.fates if old.keeps(backend) and new.keeps(backend)]
    for packets in moments(old, new, seed):
        assert all(packets.later(backend, 0) == {backend} for backend in stay)


@settings(deadline=None, max_examples=60)
@given(worlds(), st.integers(0, 1 << 16))
def test_what_is_under_way_with_a_former_pool_is_kept_or_dropped_and_never_decided_again(
    pair: tuple[World, World], seed: int
) -> None:
    old, new = pair
    stay = [backend for backend in old.fates if old.keeps(backend) and new.keeps(backend)]
    for packets in moments(old, new, seed):
        for backend in stay:
            assert packets.remembered(old.pool, backend, 0) in (backend, DROPPED)


def test_a_backend_that_returns_gets_no_connection_that_is_reset_or_moved_at_once() -> None:
    for fate in Fate:
        old, new = some_worlds(1, {1: Fate.NORMAL, 2: fate}, {1: Fate.DRAIN, 2: Fate.NORMAL}, 2)
        for seed in range(8):
            for packets in moments(old, new, seed):
                backend = packets.syn(3)
                assert packets.later(backend, 3) == {backend}, fate


def test_the_former_of_two_writers_is_cut_off_before_the_next_one_serves() -> None:
    old, new = some_worlds(1, {1: Fate.NORMAL, 2: Fate.RESET}, {1: Fate.RESET, 2: Fate.NORMAL}, 2)
    for seed in range(8):
        for packets in moments(old, new, seed):
            serves = {packets.syn(slot) for slot in range(SLOTS)} | packets.later(2, 0)
            assert packets.later(1, 0) == {RESET} or 2 not in serves


def test_packets_go_over_to_another_pool_before_syns_do() -> None:
    old, new = some_worlds(2, {1: Fate.NORMAL}, {1: Fate.DRAIN, 2: Fate.NORMAL}, 2)
    for seed in range(8):
        seen = [(packets.syn(0), packets.later(2, 0) == {2}) for packets in moments(old, new, seed)]
        assert (seen[0], seen[-1]) == ((1, False), (2, True))
        assert all(known for backend, known in seen if backend == 2)
