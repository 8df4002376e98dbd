"""Differences between targets: applied to the one they give the other, and between equals there is none."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controller.spec.slots import SlotTable
from p4src.diff import diff
from p4src.slots import words
from p4src.target import ORDER, Changes, Configuration, EntryBody, EntryKey, P4Target, Rate
from tests.fakes.p4slots import slot_tables

SLOTS = 256
_BODIES = st.builds(EntryBody, st.sampled_from(["a", "b"]), st.tuples(st.integers(0, 3)))
_ENTRIES = st.dictionaries(
    st.builds(EntryKey, st.sampled_from(ORDER), st.tuples(st.integers(0, 5))), _BODIES, max_size=20
)
_CONFIGURATIONS = st.none() | st.builds(lambda mac: Configuration(mac, 1, 2, 3, 4, 5, 6), st.integers(1, 2))
_LIMITS = st.dictionaries(
    st.integers(0, 3), st.builds(Rate, st.integers(1, 3), st.integers(1, 2)), max_size=4
)


_GROUPS = st.dictionaries(st.integers(1, 4), st.sampled_from([(1,), (1, 2), (7,)]), max_size=3)
_TARGETS = st.builds(
    P4Target,
    _ENTRIES,
    _CONFIGURATIONS,
    _LIMITS,
    st.dictionaries(st.integers(1, 3), slot_tables(SLOTS, 2), max_size=2),
    _GROUPS,
)


def _applied(changes: Changes, have: P4Target) -> P4Target:
    """What a switch holds when all was carried out; it refuses what a switch refuses."""
    entries = dict(have.entries)
    for key, body, new in changes.put:
        assert (key not in entries) == new, f"{key}: insert of what is there, or modify of what is not"
        entries[key] = body
    for key in changes.gone:
        del entries[key]
    slots = dict(have.slots)
    for pool, old, new_table in changes.slots:
        assert slots.get(pool) == old
        if new_table is None:
            del slots[pool]
        else:
            slots[pool] = new_table
    configuration = changes.configuration or have.configuration
    groups = dict(have.multicast)
    for group, ports, new in changes.multicast:
        assert (group not in groups) == new, (
            f"group {group}: insert of what is there, or modify of what is not"
        )
        groups[group] = ports
    for group in changes.multicast_gone:
        del groups[group]
    return P4Target(entries, configuration, {**have.limits, **changes.limits}, slots, groups)


def _full(slots: dict[int, SlotTable]) -> dict[int, SlotTable]:
    """Without pools that have no entry at all, which a switch cannot tell from none."""
    return {pool: table for pool, table in slots.items() if words(table, SLOTS).any()}


@given(_TARGETS, _TARGETS)
def test_a_difference_leads_from_the_one_to_the_other(have: P4Target, want: P4Target) -> None:
    got = _applied(diff(have, want), have)
    assert got.entries == want.entries
    assert got.multicast == want.multicast
    assert _full(dict(got.slots)) == _full(dict(want.slots))
    # A configuration and rates are replaced, never taken away.
    assert got.configuration == (want.configuration or have.configuration)
    assert got.limits == {**have.limits, **want.limits}


@given(_TARGETS)
def test_between_equals_there_is_nothing_to_write(have: P4Target) -> None:
    changes = diff(have, have)
    assert changes == Changes()
    assert len(changes) == 0


@given(_TARGETS, _TARGETS)
def test_a_difference_counts_what_it_writes_and_names_some(have: P4Target, want: P4Target) -> None:
    changes = diff(have, want)
    fresh = sum(new for _, _, new in (*changes.put, *changes.multicast))
    settings = len(changes.limits) + (changes.configuration is not None)
    slots = sum(np.count_nonzero(words(old, SLOTS) != words(new, SLOTS)) for _, old, new in changes.slots)
    groups = len(changes.multicast) + len(changes.multicast_gone)
    assert len(changes) == len(changes.put) + len(changes.gone) + settings + slots + groups
    assert changes.added >= fresh
    assert changes.deleted >= len(changes.gone)
    assert bool(changes.touched) == bool(len(changes))


@given(_TARGETS, _TARGETS)
def test_what_others_point_to_is_written_first_and_taken_away_last(have: P4Target, want: P4Target) -> None:
    changes = diff(have, want)
    put = [ORDER.index(key.table) for key, _, _ in changes.put]
    gone = [ORDER.index(key.table) for key in changes.gone]
    assert put == sorted(put)
    assert gone == sorted(gone, reverse=True)
