"""One order for what several controllers kept: revisions decide between them, each one's own numbers within it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sites.timeline import Entry, Wanted, chosen, gap_ms, merged


def entry(
    controller: str, seq: int, change: int = 0, at: float = 0.0, known: int = 0, **fields: object
) -> Entry:
    named = change, known
    return Entry(controller, seq, "boot", at, at, *named, "happened", "time", fields)  # type: ignore[arg-type]


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """Of several controllers: numbers with gaps, revisions and clocks of any kind."""
    out = []
    for controller in draw(st.lists(st.sampled_from("abcd"), unique=True)):
        seq = 0
        for _ in range(draw(st.integers(0, 8))):
            seq += draw(st.integers(1, 3))
            change, known = draw(st.integers(0, 6)), draw(st.integers(0, 6))
            out.append(entry(controller, seq, change, float(draw(st.integers(-5, 5))), known))
    return out


@settings(max_examples=50)
@given(logs())
def test_each_controller_s_own_order_is_kept(entries: list[Entry]) -> None:
    for controller in {each.controller for each in entries}:
        own = [each.seq for each in merged(entries) if each.controller == controller]
        assert own == sorted(own)


@settings(max_examples=50)
@given(logs())
def test_what_a_newer_revision_is_known_for_comes_after_whatever_belongs_to_an_older_one(
    entries: list[Entry],
) -> None:
    newest: dict[str, int] = {}
    places = []
    for each in sorted(entries, key=lambda one: (one.controller, one.seq)):
        newest[each.controller] = max(newest.get(each.controller, 0), each.change, each.known)
        if newest[each.controller]:
            places.append((each, newest[each.controller]))
    order = {(each.controller, each.seq): number for number, each in enumerate(merged(entries))}
    for one, older in places:
        for other, newer in places:
            if older < newer:
                assert order[one.controller, one.seq] < order[other.controller, other.seq]


@settings(max_examples=50)
@given(logs(), st.randoms())
def test_the_order_is_the_same_whatever_order_entries_come_in_and_none_is_lost(
    entries: list[Entry], rng: random.Random
) -> None:
    shuffled = list(entries)
    rng.shuffle(shuffled)
    assert merged(shuffled) == merged(entries)
    assert sorted(merged(entries), key=hash_key) == sorted(entries, key=hash_key)


def hash_key(each: Entry) -> tuple[str, int]:
    return each.controller, each.seq


def test_a_takeover_is_in_order_although_the_new_leader_s_clock_is_an_hour_behind() -> None:
    east = [entry("east", 1, 10, 5000.0), entry("east", 2, 12, 5001.0)]
    west = [entry("west", 1, 11, 1400.0), entry("west", 2, 20, 1403.0), entry("west", 3, 21, 1404.0)]
    order = [(each.controller, each.seq) for each in merged(west + east)]
    assert order == [("east", 1), ("west", 1), ("east", 2), ("west", 2), ("west", 3)]


def test_what_is_seen_has_its_place_by_the_newest_revision_that_was_known_then() -> None:
    east = [entry("east", 1, 33, 5.0, 41), entry("east", 2, 43, 6.0, 41)]
    west = [entry("west", 1, 42, 4.0, 42), entry("west", 2, 40, 90.0, 39)]
    order = [(each.controller, each.seq) for each in merged(east + west)]
    assert order == [("east", 1), ("west", 1), ("west", 2), ("east", 2)]


def test_at_one_revision_clocks_decide_between_controllers_and_never_within_one() -> None:
    east = [entry("east", 1, 5, 30.0), entry("east", 2, 5, 10.0)]
    west = [entry("west", 1, 5, 20.0)]
    assert [(e.controller, e.seq) for e in merged(east + west)] == [("west", 1), ("east", 1), ("east", 2)]


def test_what_came_before_the_first_revision_that_is_known_stands_with_it() -> None:
    entries = [entry("east", 1, 0, 1.0), entry("east", 2, 9, 2.0), entry("west", 1, 4, 3.0)]
    assert [(e.controller, e.seq) for e in merged(entries)] == [("west", 1), ("east", 1), ("east", 2)]


ROWS = [
    entry("a", 1, 1, 100.0),
    entry("a", 2, 1, 101.0, vip="shop"),
    entry("a", 3, 1, 102.0, vips=["shop", "mail"], site="east"),
    entry("a", 4, 1, 103.0, listener="shop/tcp/80"),
    entry("a", 5, 1, 104.0, switch="lb1"),
    entry("a", 6, 1, 105.0, switch="edge1", to="lb1", port=3),
    entry("a", 7, 1, 106.0, pool="web", backend="s1"),
]


@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        (Wanted(), [1, 2, 3, 4, 5, 6, 7]),
        (Wanted(since=104.0), [5, 6, 7]),
        (Wanted(vip="shop"), [1, 2, 3, 4]),
        (Wanted(vip="mail"), [1, 3]),
        (Wanted(vip="sho"), [1]),
        (Wanted(switch="lb1"), [1, 5, 6]),
        (Wanted(switch="edge1", since=101.0), [6]),
    ],
)
def test_what_is_chosen_names_what_was_asked_for_or_is_about_a_controller(
    wanted: Wanted, seqs: list[int]
) -> None:
    assert [each.seq for each in chosen(ROWS, wanted)] == seqs


def test_a_gap_is_measured_by_one_clock_where_one_boot_had_both() -> None:
    before = entry("a", 1)._replace(t=10.0, at=1000.0)
    after = entry("b", 1)._replace(t=10.25, at=2000.0)
    assert gap_ms(before, after) == (250.0, True)
    assert gap_ms(before, after._replace(boot="another")) == (1_000_000.0, False)
