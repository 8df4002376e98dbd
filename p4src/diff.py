"""What has to be written to bring a P4 switch from what it holds to what it should hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from controller.spec.shards import Shards, differing
from controller.spec.slots import SlotTable
from p4src.slots import words
from p4src.target import BLOCK, ORDER, Changes, EntryBody, EntryKey, P4Target

SAID = 5
"""Entries named in words; more are only counted."""


def diff(have: P4Target, want: P4Target) -> Changes:
    """The least to write."""
    put, gone, blocks = _entries(have.entries, want.entries)
    configuration = want.configuration if want.configuration != have.configuration else None
    limits = {index: rate for index, rate in want.limits.items() if have.limits.get(index) != rate}
    multicast, multicast_gone = _multicast(have, want)
    slots = []
    counts = np.zeros(3, np.int64)
    for pool in dict.fromkeys([*have.slots, *want.slots]):
        old, new = have.slots.get(pool), want.slots.get(pool)
        if old is not None and new is not None and _same_arrays(old, new):
            continue
        found = slot_changes(old, new)
        if found.any():
            slots.append((pool, old, new))
            counts += found
    fresh = sum(is_new for _, _, is_new in (*put, *multicast))
    return Changes(
        tuple(put),
        tuple(slots),
        tuple(gone),
        blocks,
        configuration,
        limits,
        multicast,
        multicast_gone,
        int(fresh + counts[0]),
        int(len(put) + len(multicast) - fresh + counts[1] + (configuration is not None) + len(limits)),
        int(len(gone) + len(multicast_gone) + counts[2]),
        tuple(
            [describe(key) for key in [*(key for key, _, _ in put), *gone][:SAID]]
            + [f"slots of pool {pool}" for pool, _, _ in slots[:SAID]]
            + ["configuration"] * (configuration is not None)
            + [f"meter {index}" for index in limits]
            + [group_name(group) for group in (*(group for group, _, _ in multicast), *multicast_gone)]
        ),
    )


def share(found: P4Target, made: P4Target) -> P4Target:
    """What was found on a switch, sharing with ``made`` whatever is equal; ``made`` itself if all is.

    Takes a time in proportion to the size; what is compared with it later, and shares with ``made``, is compared fast.
    """
    put, gone, _ = _entries(made.entries, found.entries)
    slots = {pool: _share_table(table, made.slots.get(pool)) for pool, table in found.slots.items()}
    slots |= {
        pool: table
        for pool, table in made.slots.items()
        if pool not in slots and not slot_changes(None, table).any()
    }
    same_slots = slots.keys() == made.slots.keys() and all(slots[pool] is made.slots[pool] for pool in slots)
    entries = made.entries
    if put or gone:
        known = entries if isinstance(entries, Shards) else Shards(entries)
        entries = known.changed({key: body for key, body, _ in put}, gone)
    shared = replace(found, entries=entries, slots=made.slots if same_slots else slots)
    return made if shared == made else shared


def _share_table(found: SlotTable, made: SlotTable | None) -> SlotTable:
    return made if made is not None and not slot_changes(found, made).any() else found


_Entries = Mapping[EntryKey, EntryBody]


def _entries(
    have: _Entries, want: _Entries
) -> tuple[list[tuple[EntryKey, EntryBody, bool]], list[EntryKey], frozenset[EntryKey]]:
    """What to put, and what has to go, each in its order; which of them block."""
    rank = {name: n for n, name in enumerate(ORDER)}
    put: list[tuple[EntryKey, EntryBody, bool]] = []
    gone: list[EntryKey] = []
    blocks: set[EntryKey] = set()
    for old, new in differing(have, want):
        put += [(key, body, key not in old) for key, body in new.items() if old.get(key) != body]
        left = [key for key in old if key not in new]
        blocks.update(key for key in left if old[key].action == BLOCK)
        gone += left
    blocks.update(key for key, body, _ in put if body.action == BLOCK)
    put.sort(key=lambda item: (rank[item[0].table], item[0] in blocks))
    gone.sort(key=lambda key: (-rank[key.table], key not in blocks))
    return put, gone, frozenset(blocks)


def _same_arrays(old: SlotTable, new: SlotTable) -> bool:
    mine, other = ((t.now, t.before, t.class_, t.base, t.home, t.aged) for t in (old, new))
    return all(one is two for one, two in zip(mine, other, strict=True))


def _multicast(
    have: P4Target, want: P4Target
) -> tuple[tuple[tuple[int, tuple[int, ...], bool], ...], tuple[int, ...]]:
    """Groups to put, and groups that are not wanted."""
    put = [
        (group, ports, group not in have.multicast)
        for group, ports in want.multicast.items()
        if have.multicast.get(group) != ports
    ]
    return tuple(put), tuple(group for group in have.multicast if group not in want.multicast)


def group_name(group: int) -> str:
    """A multicast group as people read it."""
    return f"multicast group {group}"


def slot_changes(old: SlotTable | None, new: SlotTable | None) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many slots of a pool are added, modified and deleted."""
    size = max(len(table.now) for table in (old, new) if table is not None)
    before, after = words(old, size), words(new, size)
    added = np.count_nonzero((before == 0) & (after != 0))
    deleted = np.count_nonzero((before != 0) & (after == 0))
    changed = np.count_nonzero(before != after)
    return np.array([added, changed - added - deleted, deleted], np.int64)


def describe(key: EntryKey) -> str:
    """An entry as people read it."""
    fields = ", ".join(
        f"{value[0]:#x}/{value[1]}" if isinstance(value, tuple) else f"{value:#x}" for value in key.match
    )
    return f"{key.table}({fields})"
