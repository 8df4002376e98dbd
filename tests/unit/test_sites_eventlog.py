"""The log of the store: what is added is read back, what is too much goes by fair shares, attempts may be repeated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sites import eventlog
from controller.sites.base import LOG_SIZE, OutcomeUnknown, StoreError
from controller.sites.eventlog import (
    EventLog,
    Made,
    Name,
    cut,
    decode,
    encode,
    entries,
    excess,
    parsed,
    pieces,
)
from tests.fakes.stores import MemoryStore


def made(number: int = 1, **fields: object) -> Made:
    return Made(float(number), 1000.0 + number, number, number + 1, "happened", "time", fields)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.lists(st.text())
)
EVENTS = st.lists(
    st.builds(
        Made,
        *(
            st.floats(0, 1e9),
            st.floats(0, 2e9),
            st.integers(0, 2**62),
            st.integers(0, 2**62),
            st.text(),
            st.text(),
        ),
        st.dictionaries(st.text(), VALUES, max_size=4),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30)
@given(EVENTS, st.text(min_size=1))
def test_what_is_encoded_is_decoded_with_its_numbers(events: list[Made], controller: str) -> None:
    name = Name(controller, 7, 6 + len(events))
    found = decode(name, encode(controller, "boot", events))
    assert [(e.controller, e.boot, e.seq) for e in found] == [
        (controller, "boot", 7 + n) for n in range(len(events))
    ]
    for one, entry in zip(events, found, strict=True):
        assert one[:-1] == (*(entry.t, entry.at, entry.change, entry.known, entry.event, entry.cause),)
        assert entry.fields == {key: cut(value) for key, value in one.fields.items()}
    assert parsed(str(name)) == name


@settings(max_examples=30)
@given(EVENTS)
def test_events_are_cut_into_values_that_fit_and_none_is_lost(events: list[Made]) -> None:
    assert [each for piece in pieces(events) for each in piece] == events


def test_many_large_events_fit_into_values_of_the_log() -> None:
    large = [made(n, errors=["x" * 5000] * 500, why="ä" * 5000) for n in range(150)]
    parts = list(pieces(large))
    assert len(parts) > 1
    assert all(len(encode("c" * 250, "boot", part)) <= LOG_SIZE for part in parts)
    assert max(map(len, pieces([made()] * 1000))) == eventlog.EVENTS


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("x" * 301, "x" * 299 + "…"),
        (["a"] * 10, ["a"] * 8 + ["and 2 more"]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (True, True),
        (ValueError("no"), "no"),
    ],
)
def test_a_field_is_kept_as_far_as_it_is_useful(value: object, kept: object) -> None:
    assert cut(value) == kept


NAMES = st.dictionaries(
    st.builds(
        lambda controller, first, count: str(Name(controller, first, first + count)),
        *(st.sampled_from(["a", "b", "c/d"]), st.integers(1, 10**6), st.integers(0, 99)),
    ),
    st.integers(1, 10**6),
)


@settings(max_examples=50)
@given(NAMES, st.integers(0, 500))
def test_what_stays_is_bounded_and_the_newest_of_each_and_each_has_its_share(
    there: dict[str, int], bound: int
) -> None:
    gone = excess(there, bound)
    assert len(set(gone)) == len(gone)
    assert set(gone) <= there.keys()
    stays = [name for name in map(parsed, there.keys() - set(gone)) if name]
    assert sum(name.events for name in stays) <= bound
    for controller in {name.controller for name in map(parsed, there) if name}:
        own = [name for name in map(parsed, there) if name and name.controller == controller]
        left = [name for name in stays if name.controller == controller]
        removed = [name for name in own if name not in left]
        assert all(r.first <= k.first for r in removed for k in left)
        if removed:
            share = bound // len({name.controller for name in map(parsed, there) if name})
            assert sum(name.events for name in left) + 100 > share


def test_nothing_goes_while_there_is_room_and_what_is_not_ours_stays() -> None:
    assert excess({str(Name("a", 1, 100)): 5, "not ours": 1}, 100) == []
    assert excess({str(Name("a", 1, 100)): 5, "not ours": 1}, 99) == [str(Name("a", 1, 100))]


def run(story: Any) -> None:
    asyncio.run(story)


async def added(log: EventLog, *events: Made) -> None:
    await log.append(list(events), 5.0)


def seqs(store: MemoryStore) -> list[tuple[str, int]]:
    return [(each.controller, each.seq) for each in entries(store.log.stored).entries]


def test_numbers_of_a_controller_go_on_over_restarts_and_are_its_own() -> None:
    async def story() -> None:
        store = MemoryStore()
        await added(EventLog(store.log, "east", "b1"), made(1), made(2))
        await added(EventLog(store.log, "west", "b1"), made(3))
        again = EventLog(store.log, "east", "b2")
        await added(again, made(4))
        await added(again, made(5))
        assert seqs(store) == [("east", 1), ("east", 2), ("east", 3), ("east", 4), ("west", 1)]
        assert [each.boot for each in entries(store.log.stored).entries] == ["b1", "b1", "b2", "b2", "b1"]

    run(story())


def test_the_same_append_after_a_lost_answer_adds_nothing_twice() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = EventLog(store.log, "east", "boot")
        await added(log, made(1))
        commit = store.log.commit

        async def unheard(*args: Any) -> int:
            await commit(*args)
            raise OutcomeUnknown("lost")

        store.log.commit = unheard  # type: ignore[method-assign, assignment]
        with pytest.raises(OutcomeUnknown):
            await added(log, made(2))
        store.log.commit = commit  # type: ignore[method-assign]
        await added(log, made(2))
        await added(log, made(3))
        assert seqs(store) == [("east", 1), ("east", 2), ("east", 3)]

    run(story())


def test_another_process_of_the_same_name_is_evaded() -> None:
    async def story() -> None:
        store = MemoryStore()
        one, other = EventLog(store.log, "east", "b1"), EventLog(store.log, "east", "b2")
        await added(one, made(1))
        await added(other, made(2))
        await added(one, made(3))
        assert [(each.seq, each.boot) for each in entries(store.log.stored).entries] == [
            *((1, "b1"), (2, "b2"), (3, "b1")),
        ]

    run(story())


def test_the_log_stays_bounded_whoever_adds_and_two_that_remove_harm_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(eventlog, "SWEEP", 10)
    monkeypatch.setattr(eventlog, "BOUND", 40)

    async def story() -> None:
        store = MemoryStore()
        east, west = EventLog(store.log, "east", "boot"), EventLog(store.log, "west", "boot")
        await added(west, made(0))
        for number in range(60):
            await added(east, made(number), made(number))
            await asyncio.gather(east.sweep(5.0), west.sweep(5.0))
            assert len(seqs(store)) <= 40 + 10 + 2
        assert ("west", 1) in seqs(store), "the one that says little keeps what it said"
        assert ("east", 120) in seqs(store)

    run(story())


def test_a_store_that_fails_fails_the_append_and_the_next_one_goes_on() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = EventLog(store.log, "east", "boot")
        store.log.fails = "out of reach"
        with pytest.raises(StoreError, match="out of reach"):
            await added(log, made(1))
        store.log.fails = ""
        await added(log, made(1))
        assert seqs(store) == [("east", 1)]

    run(story())


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("stray", b"{}", "the value 'stray' of the log is none of ours"),
        ("a/2-1", b"{}", "none of ours"),
        ("a/1-1", b"[", "the value 'a/1-1' of the log Expecting value"),
        ("a/1-1", b"[]", "is damaged (TypeError"),
        ("a/1-1", b'{"format":9}', "has the format 9, this version reads 1"),
        ("a/1-2", encode("a", "b", [made()]), "is not what its name says: 1 events of a"),
        ("a/1-1", encode("z", "b", [made()]), "is not what its name says: 1 events of z"),
        ("a/1-1", encode("a", "b", [made()]).replace(b"[1.0,", b"[null,"), "is damaged (TypeError"),
    ],
)
def test_what_is_damaged_is_named_and_the_rest_is_read(name: str, data: bytes, why: str) -> None:
    store = MemoryStore({name: data, str(Name("b", 1, 1)): encode("b", "boot", [made()])})
    read = entries(store.stored)
    assert [each.controller for each in read.entries] == ["b"]
    (problem,) = read.problems
    assert why in problem
