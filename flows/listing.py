"""What differs between two targets of an Open vSwitch, entry by entry; as many as ``flows.diff`` counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from controller.spec.shards import differing
from controller.spec.slots import Pairs, SlotTable
from flows.diff import describe, same_arrays
from flows.entries import FlowBody, Target
from flows.tables import Cookie, Kind

ADDED, MODIFIED, DELETED = "added", "modified", "deleted"


def listing(have: Target, want: Target) -> Iterator[tuple[str, str]]:
    """Each entry that is added, modified or deleted: which of these, and the entry in words."""
    for number, thing in want.meters.items():
        yield from _thing(have.meters.get(number), thing, f"meter {number}")
    for number, group in want.groups.items():
        yield from _thing(have.groups.get(number), group, f"group {number}")
    for here, there in differing(have.flows, want.flows):
        for key, body in there.items():
            old = here.get(key)
            if old is None or old != body:
                yield ADDED if old is None else MODIFIED, f"{_kind(body)} {describe(key)}"
        for key, body in here.items():
            if key not in there:
                yield DELETED, f"{_kind(body)} {describe(key)}"
    for pool in sorted({*have.slots, *want.slots}):
        if not same_arrays(have.slots.get(pool), want.slots.get(pool)):
            yield from _slots(pool, have.slots.get(pool), want.slots.get(pool))
    yield from ((DELETED, f"group {number}") for number in have.groups if number not in want.groups)
    yield from ((DELETED, f"meter {number}") for number in have.meters if number not in want.meters)


def _thing(old: object, new: object, name: str) -> Iterator[tuple[str, str]]:
    if old is None:
        yield ADDED, name
    elif old != new:
        yield MODIFIED, name


def _kind(body: FlowBody) -> str:
    cookie = Cookie.parse(body.cookie)
    return "flow" if cookie is None else cookie.kind.name.lower()


def _slots(pool: int, have: SlotTable | None, want: SlotTable | None) -> Iterator[tuple[str, str]]:
    size = max(len(table.now) for table in (have, want) if table is not None)
    have, want = _sized(have, size), _sized(want, size)
    for kind, old, new in (
        (Kind.TRANSITION, have.before, want.before),
        (Kind.TRACKED, have.class_, want.class_),
        (Kind.BASE, have.base, want.base),
        (Kind.HOME, have.home, want.home),
        (Kind.SLOT, have.now, want.now),
    ):
        for slot in np.flatnonzero(old != new):
            was, now = int(old[slot]), int(new[slot])
            what = ADDED if not was else MODIFIED if now else DELETED
            yield what, f"{kind.name.lower()} {slot} of pool {pool}: {was or 'none'} to {now or 'none'}"
    for kind, has, wants in (
        (Kind.EXCEPTION, have.watched, want.watched),
        (Kind.YOUNG, have.young, want.young),
        (Kind.FORMER, have.former, want.former),
        (Kind.AGED, have.aged, want.aged),
    ):
        for what, pairs in ((ADDED, _only(wants, has)), (DELETED, _only(has, wants))):
            for pair in pairs:
                yield what, f"{kind.name.lower()} {pair & 0xFFFF} of pool {pool}: backend {pair >> 16}"


def _only(pairs: Pairs, others: Pairs) -> Pairs:
    return np.setdiff1d(pairs, others) if len(pairs) and len(others) else pairs


def _sized(table: SlotTable | None, size: int) -> SlotTable:
    table = SlotTable.empty(size) if table is None else table
    columns = {name: getattr(table, name) for name in ("now", "before", "class_", "base", "home")}
    return replace(table, **{name: np.pad(each, (0, size - len(each))) for name, each in columns.items()})
