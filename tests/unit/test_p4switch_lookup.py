"""Lookups find what a plain search over all entries finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.p4programs import ethernet, forward
from topo.p4switch.program import load_program
from topo.p4switch.state import ActionCall, Switch, Table

WIDTHS = {"a": 16, "b": 8}


def table_of(*key: tuple[str, str]) -> Table:
    """An empty table keyed by the fields of `meta` with those match kinds."""
    builder = ethernet()
    action = builder.action("out", [forward()])
    builder.table("t", [(kind, "meta", name) for kind, name in key], [action])
    return Switch(load_program(builder.json)).tables["t"]


prefixes = st.integers(0, 16).flatmap(
    lambda n: st.tuples(st.integers(0, 2**n - 1).map(lambda v: v << (16 - n)), st.just(n))
)
masked = st.tuples(st.integers(0, 0xFFFF), st.sampled_from([0, 0xF, 0xFF00, 0xFFFF])).map(
    lambda p: (p[0] & p[1], p[1])
)
ranges = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(lambda p: (min(p), max(p)))


@given(st.lists(prefixes, unique=True, max_size=30), st.lists(st.integers(0, 0xFFFF), max_size=20))
def test_longest_prefix_wins(entries: list[tuple[int, int]], values: list[int]) -> None:
    table = table_of(("lpm", "a"))
    for entry in entries:
        table.insert((entry,), ActionCall(0))
    for value in values:
        matching = [e for e in entries if value >> (16 - e[1]) == e[0] >> (16 - e[1])]
        expected = max(matching, key=lambda e: e[1]) if matching else None
        found = table.index.get(value)
        assert (found.key[0] if found else None) == expected


@given(
    st.lists(st.tuples(masked, ranges, st.integers(1, 5)), unique=True, max_size=25),
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 255)), max_size=20),
    st.data(),
)
def test_highest_priority_wins_among_masks_and_ranges_also_after_removals(
    entries: list[tuple[tuple[int, int], tuple[int, int], int]],
    values: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    table = table_of(("ternary", "a"), ("range", "b"))
    for mask, bounds, priority in entries:
        table.insert((mask, bounds), ActionCall(0), priority)
    gone = data.draw(st.lists(st.sampled_from(entries), unique=True)) if entries else []
    for mask, bounds, priority in gone:
        table.delete((mask, bounds), priority)
    left = [e for e in entries if e not in gone]
    for a, b in values:
        matching = [e for e in left if a & e[0][1] == e[0][0] and e[1][0] <= b <= e[1][1]]
        # Of equal priorities the first inserted wins.
        expected = max(matching, key=lambda e: (e[2], -left.index(e))) if matching else None
        found = table.index.get(a << 8 | b)
        assert ((found.key[0], found.key[1], found.priority) if found else None) == expected


@given(
    st.lists(st.tuples(masked, st.integers(1, 5)), unique=True, max_size=25),
    st.lists(st.integers(0, 0xFFFF), max_size=20),
)
def test_highest_priority_wins_among_masks(
    entries: list[tuple[tuple[int, int], int]], values: list[int]
) -> None:
    table = table_of(("ternary", "a"))
    for mask, priority in entries:
        table.insert((mask,), ActionCall(0), priority)
    for value in values:
        matching = [e for e in entries if value & e[0][1] == e[0][0]]
        expected = max(matching, key=lambda e: (e[1], -entries.index(e))) if matching else None
        found = table.index.get(value)
        assert ((found.key[0], found.priority) if found else None) == expected


def test_prefixes_lie_within_their_exact_fields() -> None:
    table = table_of(("exact", "b"), ("lpm", "a"))
    table.insert((1, (0x1200, 8)), ActionCall(0))
    table.insert((2, (0, 0)), ActionCall(0))
    index = table.index.get
    assert index(1 << 16 | 0x1234) is not None
    assert index(1 << 16 | 0x1334) is None
    assert index(2 << 16 | 0x1334) is not None
