"""What every store promises: the same stories for a dict, SQLite and etcd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.sites import eventlog, feed
from controller.sites.base import (
    ABSENT,
    Batch,
    Change,
    Guard,
    GuardFailed,
    Reset,
    Space,
    Store,
    StoreError,
    applied,
)
from controller.sites.etcd.client import Client
from controller.sites.etcd.store import EtcdStore
from controller.sites.eventlog import EventLog, Made, entries
from controller.sites.store import SqliteStore
from tests.fakes.etcd import Cluster, needs_etcd
from tests.fakes.stores import MemoryStore

Opening = Callable[[], Any]
"""An asynchronous context manager with a store that holds nothing."""
_prefix = count()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("etcd"), members=1) as running:
        yield running


@pytest.fixture(params=["dict", "sqlite", pytest.param("etcd", marks=needs_etcd)])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def memory() -> AsyncIterator[Store]:
        yield MemoryStore()

    @asynccontextmanager
    async def sqlite() -> AsyncIterator[Store]:
        store = SqliteStore(tmp_path / f"{next(_prefix)}.db")
        yield store
        store.close()

    @asynccontextmanager
    async def etcd() -> AsyncIterator[Store]:
        address = request.getfixturevalue("cluster").address(f"/t{next(_prefix)}")
        store = EtcdStore(Client(address), address.prefix, "a test")
        yield store
        await store.close()

    return {"dict": memory, "sqlite": sqlite, "etcd": etcd}[request.param]


def play(opening: Opening, story: Callable[[Any], Awaitable[None]]) -> None:
    async def body() -> None:
        async with asyncio.timeout(60), opening() as store:
            await story(store)

    asyncio.run(body())


def test_values_are_written_deleted_and_carry_the_revision_of_their_batch(opening: Opening) -> None:
    async def story(store: Store) -> None:
        empty = await store.load()
        assert (dict(empty.values), empty.revision) == ({}, ABSENT)
        one = await store.commit({"a": b"1", "b": b"\x00\xff", "c/d": b"", "gone": b"x"})
        two = await store.commit({"a": b"2", "gone": None, "never": None})
        assert 0 < one < two
        loaded = await store.load()
        assert loaded.data() == {"a": b"2", "b": b"\x00\xff", "c/d": b""}
        assert {name: each.revision for name, each in loaded.values.items()} == {
            "a": two,
            "b": one,
            "c/d": one,
        }
        assert loaded.revision == two

    play(opening, story)


def test_a_batch_of_nothing_is_a_revision(opening: Opening) -> None:
    async def story(store: Store) -> None:
        one = await store.commit({"a": b"1"})
        two = await store.commit({})
        assert one < two == (await store.load()).revision

    play(opening, story)


def test_a_guard_by_the_last_batch_lets_one_of_two_writers_through(opening: Opening) -> None:
    async def story(store: Store) -> None:
        one = await store.commit({"a": b"1"}, Guard(head=ABSENT))
        two = await store.commit({"a": b"2"}, Guard(head=one))
        for stale in (ABSENT, one, two + 1000):
            with pytest.raises(GuardFailed, match=rf"at revision {two}.*not at {stale}") as caught:
                await store.commit({"a": b"3", "b": b"3"}, Guard(head=stale))
            assert caught.value.head == two
            assert caught.value.found == {}
        assert (await store.load()).data() == {"a": b"2"}
        assert await store.commit({"a": b"3"}, Guard(head=two)) > two

    play(opening, story)


def test_a_guard_by_keys_holds_for_all_of_them_or_nothing_is_written(opening: Opening) -> None:
    async def story(store: Store) -> None:
        one = await store.commit({"a": b"1", "b": b"1"})
        two = await store.commit({"b": b"2"})
        await store.commit({"c": b"3"}, Guard(keys={"a": one, "b": two, "c": ABSENT}))
        with pytest.raises(
            GuardFailed, match=r"'b' is at revision .*; 'c' is at .* and should be absent"
        ) as caught:
            await store.commit({"a": b"4"}, Guard(keys={"a": one, "b": one, "c": ABSENT}))
        assert {name: each and each.data for name, each in caught.value.found.items()} == {
            "b": b"2",
            "c": b"3",
        }
        with pytest.raises(GuardFailed, match="'d' is absent, not at 1") as caught:
            await store.commit({"a": b"4"}, Guard(keys={"d": 1}))
        assert caught.value.found == {"d": None}
        assert (await store.load()).data() == {"a": b"1", "b": b"2", "c": b"3"}

    play(opening, story)


def test_a_name_with_a_nul_is_refused(opening: Opening) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(StoreError):
            await store.commit({"a\0b": b"1"})
        assert (await store.load()).revision == ABSENT

    play(opening, story)


def test_registers_are_put_by_their_revision_and_leave_the_values_alone(opening: Opening) -> None:
    async def story(store: Store) -> None:
        head = await store.commit({"a": b"1"})
        space = store.registers
        one = await space.commit({"lease": b"east"}, Guard(keys={"lease": ABSENT}))
        two = await space.commit({"lease": b"east 2"}, Guard(keys={"lease": one}))
        with pytest.raises(GuardFailed) as caught:
            await space.commit({"lease": b"west"}, Guard(keys={"lease": one}))
        assert caught.value.found["lease"] == (b"east 2", two)
        other = await space.commit({"other": b"x"}, Guard(keys={"other": ABSENT, "lease": two}))
        loaded = await space.load()
        assert loaded.values == {"lease": (b"east 2", two), "other": (b"x", other)}
        await space.commit({"lease": None}, Guard(keys={"lease": two}))
        assert (await space.load()).data() == {"other": b"x"}
        for guard in (Guard(), Guard(head=1, keys={"other": other})):
            with pytest.raises(ValueError, match="give the revision of each name"):
                await space.commit({"other": b"y"}, guard)
        assert (await store.load()).data() == {"a": b"1"}
        await store.commit({"a": b"2"}, Guard(head=head))

    play(opening, story)


async def seen(space: Space, number: int, since: int | None = None) -> list[Change | Reset]:
    async with aclosing(space.watch(since)) as changes:  # type: ignore[type-var]
        return [await anext(changes) for _ in range(number)]


@pytest.mark.parametrize("registers", [False, True])
def test_a_watch_tells_all_values_and_then_every_batch_in_order(opening: Opening, registers: bool) -> None:
    async def story(store: Store) -> None:
        space = store.registers if registers else store
        first = await space.commit({"a": b"1", "b": b"1"}, Guard(keys={"a": ABSENT, "b": ABSENT}))
        async with aclosing(space.watch()) as changes:  # type: ignore[type-var]
            start = await anext(changes)
            assert isinstance(start, Reset)
            assert start.data() == {"a": b"1", "b": b"1"}
            assert start.revision >= first
            two = await space.commit({"a": b"2", "b": None}, Guard(keys={"a": first, "b": first}))
            three = await space.commit({"c": b""}, Guard(keys={"c": ABSENT}))
            assert [await anext(changes), await anext(changes)] == [
                Change(two, {"a": b"2", "b": None}),
                Change(three, {"c": b""}),
            ]
        reset = (await seen(space, 1))[0]
        assert isinstance(reset, Reset)
        assert reset.data() == {"a": b"2", "c": b""}

    play(opening, story)


def test_a_watch_from_a_revision_ends_where_one_from_the_beginning_ends(opening: Opening) -> None:
    async def story(store: Store) -> None:
        one = await store.commit({"a": b"1"})
        await store.commit({"b": b"2"})
        last = await store.commit({"a": None, "c": b"3"})
        known = applied({}, {"a": b"1"}, one)
        async with aclosing(store.watch(one)) as changes:  # type: ignore[type-var]
            async for change in changes:
                assert change.revision > one
                if isinstance(change, Reset):
                    known = dict(change.values)
                else:
                    known = applied(known, change.values, change.revision)
                if change.revision == last:
                    break
        assert known == (await store.load()).values

    play(opening, story)


async def outcome(space: Space, batch: Batch, guard: Guard) -> int | frozenset[str]:
    """The revision, or the names that failed."""
    try:
        return await space.commit(batch, guard)
    except GuardFailed as error:
        return frozenset(error.found)


NAMES = st.sampled_from(["a", "b", "c", "pool/x", "pool/y"])
DATA = st.none() | st.binary(max_size=20)
BATCHES = st.dictionaries(NAMES, DATA, max_size=3)
HEADS = st.sampled_from(["none", "last", "stale"])
KEYS = st.dictionaries(NAMES, st.sampled_from(["right", "wrong"]), max_size=2)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(BATCHES, HEADS, KEYS), max_size=8))
def test_any_sequence_of_commits_ends_as_in_a_dict(
    opening: Opening, steps: list[tuple[Batch, str, dict[str, str]]]
) -> None:
    async def story(store: Store) -> None:
        model, theirs = MemoryStore(), {ABSENT: ABSENT}
        for batch, head, keys in steps:
            wanted = {}
            for name, kind in keys.items():
                there = model.stored.get(name)
                right = there.revision if there else ABSENT
                wanted[name] = right if kind == "right" else right + 1
            last = {"none": None, "last": model.revision, "stale": model.revision + 1}[head]
            guard = Guard(last, wanted)
            names = {name: theirs.get(revision, 1 << 40) for name, revision in wanted.items()}
            mapped = Guard(None if last is None else theirs.get(last, 1 << 40), names)
            expected, found = await outcome(model, batch, guard), await outcome(store, batch, mapped)
            if isinstance(expected, int) and isinstance(found, int):
                theirs[expected] = found
            else:
                assert found == expected
        loaded, wanted_values = await store.load(), model.loaded()
        assert loaded.data() == wanted_values.data()
        assert loaded.revision == theirs[wanted_values.revision]
        revisions = {name: each.revision for name, each in loaded.values.items()}
        assert revisions == {name: theirs[each.revision] for name, each in wanted_values.values.items()}

    play(opening, story)


def test_a_reader_that_is_too_slow_for_its_queue_starts_from_all_values() -> None:
    async def body() -> None:
        store = MemoryStore()
        store.feed = feed.Feed(store.load, bound=3)
        async with aclosing(store.watch()) as changes:  # type: ignore[type-var]
            assert await anext(changes) == Reset({}, ABSENT)
            for number in range(3):
                await store.commit({"a": b"%d" % number})
            assert [(await anext(changes)).revision for _ in range(3)] == [1, 2, 3]
            for number in range(5):
                await store.commit({"a": b"%d" % number})
            found = await anext(changes)
            assert isinstance(found, Reset)
            assert (found.data(), found.revision) == ({"a": b"4"}, 8)
            await store.commit({"a": b"9"})
            assert await anext(changes) == Change(9, {"a": b"9"})

    asyncio.run(body())


def test_the_log_takes_events_of_several_controllers_and_touches_no_revision_of_the_values(
    opening: Opening,
) -> None:
    async def story(store: Store) -> None:
        head = await store.commit({"a": b"1"})
        logs = {name: EventLog(store.log, name, "boot") for name in ("east", "host:/a/b.db")}
        for number in range(3):
            event = Made(1.0, 2.0, number, number, "leads", "resumed", {"what": "x" * 300})
            await asyncio.gather(*(log.append([event] * 40, 5.0) for log in logs.values()))
        assert (await store.load()).revision == head
        head = await store.commit({"a": b"2"}, Guard(head=head))
        read = entries((await store.log.load()).values)
        assert not read.problems
        for name in logs:
            own = sorted((each for each in read.entries if each.controller == name), key=lambda e: e.seq)
            assert [each.seq for each in own] == list(range(1, 121))
            assert [each.change for each in own] == [number for number in range(3) for _ in range(40)]
        assert (await store.load()).revision == head
        assert not (await store.registers.load()).values

    play(opening, story)


def test_what_is_too_much_in_the_log_is_removed(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "SWEEP", 60)
    monkeypatch.setattr(eventlog, "BOUND", 100)
    monkeypatch.setattr(eventlog, "TOGETHER", 7)

    async def story(store: Store) -> None:
        log = EventLog(store.log, "east", "boot")
        for number in range(125):
            await log.append([Made(1.0, 2.0, number, number, "leads", "resumed", {})] * 2, 5.0)
            await log.sweep(5.0)
        left = sorted(each.seq for each in entries((await store.log.load()).values).entries)
        assert left == list(range(251 - len(left), 251))
        assert 100 <= len(left) <= 160

    play(opening, story)
