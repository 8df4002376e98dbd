"""Turn what a switch answers into a ``Target`` and counters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from controller.spec.slots import Bytes, Pairs, Slots, SlotTable
from flows import messages, slots
from flows.diff import share
from flows.entries import FlowBody, FlowKey, Target
from flows.fields import Malformed, field_of
from flows.match import match_ends
from flows.tables import MOST_GROUPS, Kind, Placed, Stage

_COLUMNS = (Kind.SLOT, Kind.TRANSITION, Kind.TRACKED, Kind.BASE, Kind.HOME)
_PAIRS = (Kind.EXCEPTION, Kind.YOUNG, Kind.FORMER, Kind.AGED)
_BULK = (*_COLUMNS, *_PAIRS)
_OF_BACKENDS = frozenset({Kind.BACKEND, Kind.OPENS, Kind.ENDS})
_COOKIE_AT = 24
MOST_SLOTS = 1 << 24
"""Of all pools that are not known: one flow of a slot with a high number makes a whole table."""
_FEW = 16
"""Entries looked at together at first; each time that all are alike, so many times more."""


@dataclass
class Readback:
    """What a switch holds."""

    target: Target
    foreign: frozenset[FlowKey]
    """Other people's flows in tables that we use."""
    packets: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """(listener, backend) -> (packets, bytes), summed over the flows that count for it."""
    sessions: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """(listener, backend) -> (TCP connections opened, ended)."""
    denied: dict[int, int] = field(default_factory=dict)
    """Listener -> packets that its access list blocked."""


class Reader:
    """Collects the tables of one switch."""

    def __init__(self, placed: Placed, pool_slots: dict[int, int], of_agents: bool = False) -> None:
        """``pool_slots``: number of slots by pool id, as far as known. ``of_agents``: flows that answer for VIPs are
        the agents', and not looked at."""
        self._placed = placed
        self._others = {Kind.LEARNED, Kind.RESPOND} if of_agents else {Kind.LEARNED}
        self._sizes = pool_slots
        self._flows: dict[FlowKey, FlowBody] = {}
        self._foreign: set[FlowKey] = set()
        self._packets: dict[tuple[int, int], tuple[int, int]] = {}
        self._sessions: dict[tuple[int, int], tuple[int, int]] = {}
        self._denied: dict[int, int] = {}
        self._owner = placed.place.cookie
        self._rows: dict[tuple[Kind, int], list[Bytes]] = {}
        self._room = MOST_SLOTS

    def table(self, number: int, body: bytes) -> None:
        """Take in the flow statistics of one table."""
        bulky = number in (self._placed.table(Stage.SLOT), self._placed.table(Stage.FATE))
        rest = b"".join(self._sift(body)) if bulky else body
        for stat in messages.parse_flow_stats(rest):
            self._flow(stat)

    def result(self, groups: bytes, meters: bytes, made: Target | None = None) -> Readback:
        """Everything taken in, with groups and meters; what is as in ``made`` is shared with it. Raises Malformed."""
        tables = {pool: self._slot_table(pool) for pool in sorted({pool for _, pool in self._rows})}
        place = self._placed.place
        own_groups = {
            g.id: g for g in messages.parse_groups(groups) if 0 <= g.id - place.groups_from < MOST_GROUPS
        }
        own_meters = {
            m.id: m for m in messages.parse_meters(meters) if 0 <= m.id - place.meters_from < 10_000
        }
        found = Target(self._flows, own_groups, own_meters, tables)
        if made is not None:
            found = share(found, made)
        return Readback(found, frozenset(self._foreign), self._packets, self._sessions, self._denied)

    def _flow(self, stat: messages.FlowStat) -> None:
        cookie = stat.flow.body.cookie
        if cookie >> messages.COOKIE_SHIFT != self._owner:
            self._foreign.add(stat.flow.key)
            return
        if cookie >> 40 & 0xFF in self._others:
            return  # others make and end these: the switch itself, or agents
        self._flows[stat.flow.key] = stat.flow.body
        kind = cookie >> 40 & 0xFF
        if kind in _OF_BACKENDS:
            self._count(kind, (cookie >> 16 & 0xFFFFFF, cookie & 0xFFFF), stat)
        elif kind == Kind.BLOCK:
            listener = cookie & 0xFFFF
            self._denied[listener] = self._denied.get(listener, 0) + stat.packets

    def _count(self, kind: int, pair: tuple[int, int], stat: messages.FlowStat) -> None:
        packets, octets = self._packets.get(pair, (0, 0))
        self._packets[pair] = (packets + stat.packets, octets + stat.bytes)
        if kind == Kind.BACKEND:
            return
        opened, ended = self._sessions.get(pair, (0, 0))
        if kind == Kind.OPENS:
            opened += stat.packets
        else:
            ended += stat.packets
        self._sessions[pair] = (opened, ended)

    def _sift(self, body: bytes) -> Iterator[bytes]:
        """Put slot flows aside; yield the others."""
        wanted = {self._placed.cookie(kind) >> 40: kind for kind in _BULK}
        at = 0
        while at < len(body):
            rows = _alike(body, at)
            at += rows.size
            cookies = np.ascontiguousarray(rows[:, _COOKIE_AT : _COOKIE_AT + 8]).view(">u8").reshape(-1)
            for cookie in map(int, np.unique(cookies)):
                kind, pool = wanted.get(cookie >> 40), cookie & 0xFFFFFFFFFF
                length = rows.shape[1]
                its = rows[cookies == cookie]
                if kind and pool < 1 << 16 and length == slots.stats_length(self._placed, kind, pool):
                    self._rows.setdefault((kind, pool), []).append(its)
                else:
                    yield its.tobytes()

    def _slot_table(self, pool: int) -> SlotTable:
        found = {}
        for kind in _BULK:
            parts = self._rows.get((kind, pool), [])
            rows = np.concatenate(parts) if parts else np.empty(0, np.uint8)
            which, backends, regular = slots.absorb(self._placed, kind, pool, rows)
            if not regular.all():
                # Another program changed them: ordinary flows that the diff sees as unexpected and deletes.
                for stat in messages.parse_flow_stats(rows[~regular].tobytes()):
                    self._flow(stat)
            found[kind] = which[regular], backends[regular]
        highest = max((int(which.max()) + 1 for which, _ in found.values() if which.size), default=256)
        size = max(self._sizes.get(pool, 256), 1 << (highest - 1).bit_length())
        if pool not in self._sizes:
            self._room -= size
            if self._room < 0:
                raise Malformed(f"it has pools that it was not given, of more than {MOST_SLOTS:,} slots")
        now, before, class_, base, home = (_column(size, *found[kind]) for kind in _COLUMNS)
        watched, young, former, aged = (_pairs(*found[kind]) for kind in _PAIRS)
        return SlotTable(now, before, watched, young, class_, base, home, former, aged)


def _column(size: int, which: npt.NDArray[np.uint16], values: npt.NDArray[np.uint16]) -> Slots:
    column = np.zeros(size, np.uint16)
    column[which] = values
    return column


def _pairs(slots_: npt.NDArray[np.uint16], backends: npt.NDArray[np.uint16]) -> Pairs:
    return np.sort(backends.astype(np.uint32) << 16 | slots_.astype(np.uint32))


def _alike(body: bytes, at: int) -> Bytes:
    """The entries from ``at`` on that are as long as the first of them, one a row: tables are long and of few kinds."""
    length = messages.entry_length(body, at, messages.LEAST_STATS)
    most, count = (len(body) - at) // length, _FEW
    while True:
        count = min(count, most)
        rows = np.frombuffer(body, np.uint8, count * length, at).reshape(count, length)
        same = (rows[:, 0] == length >> 8) & (rows[:, 1] == length & 0xFF)
        if not same.all():
            return rows[: int(same.argmin())]
        if count == most:
            return rows
        count *= _FEW


def known_fields(data: bytes, offset: int) -> tuple[dict[str, int], int]:
    """The fields of an ``ofp_match`` that we know, by name, and the offset behind it; others are skipped.

    Raises Malformed.
    """
    at, end = match_ends(data, offset)
    out: dict[str, int] = {}
    while at < end:
        size = data[at + 3] if at + 4 <= end else 0
        if at + 4 + size > end:
            raise Malformed("a field of a match is cut off")
        try:
            what, _ = field_of(data[at : at + 8])
            start = at + len(what.header)
            out[what.name] = int.from_bytes(data[start : start + what.size], "big")
        except KeyError:
            pass
        at += 4 + size
    return out, end + (offset - end) % 8
