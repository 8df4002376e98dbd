"""Commits: stored first, planned from afterwards; what is read again is the same, and its times are never early."""

from __future__ import annotations

import asyncio
import io
import threading
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller import maglev
from controller.app import assembly
from controller.core import state as module
from controller.core.presence import DISCOVERY_WAIT
from controller.core.state import State
from controller.model.reload import IntentFile
from controller.plan.ids import IdAllocator, Space
from controller.plan.pins import PinBook
from controller.plan.pool import UNCONFIRMED, Health
from controller.plan.progress import deadline
from controller.plan.tables import Tables
from controller.sites.base import ANY, COMMIT, Batch, Guard, GuardFailed, OutcomeUnknown, StoreError
from controller.sites.store import SqliteStore
from controller.southbound.errors import SwitchError
from controller.spec.types import Intent
from tests.fakes.core import (
    PlainDriver,
    SetClock,
    Watching,
    Whole,
    intent_file,
    journal,
    loaded,
    play,
    until,
    whole,
)
from tests.fakes.stores import MemoryStore


def opened(store: MemoryStore, clock: SetClock | None = None) -> State:
    return State(store, store.loaded(), clock or SetClock(), journal()[0], PinBook())


def less(intent: Intent, name: str) -> Intent:
    """Without a backend."""
    pools = tuple(
        replace(pool, backends=tuple(b for b in pool.backends if b.name != name)) for pool in intent.pools
    )
    return replace(intent, pools=pools)


@pytest.fixture
def file(tmp_path: Path) -> IntentFile:
    return intent_file(tmp_path / "intent.yaml")


@pytest.fixture
def lived(file: IntentFile) -> Whole:
    """A controller whose windows are open, with verdicts, and a listener that drains."""
    it = whole(file)
    it.clock.time += 100.0
    old = it.app.state.intent.value
    vip = old.vips[0]
    vips = (replace(vip, listeners=vip.listeners[1:]), *old.vips[1:])
    assert it.app.intents.propose(less(replace(old, vips=vips), "s2")) == []
    pool = old.pools[0]
    verdict = Health(False, it.clock.now(), "refused")
    it.app.state.verdicts.put({pool.name: {pool.backends[0].name: verdict}})
    it.app.state.admitted.put(frozenset({"lb1"}))
    it.app.state.absent.put(frozenset({"lb2"}))
    it.app.state.dead_links.put(frozenset({("edge1", 3)}))
    asyncio.run(it.app.state.commit())
    tables = it.app.state.tables.value
    assert tables.retained
    assert any(state.moving for state in tables.pools.values())
    return it


def alike(one: Tables, other: Tables, late: float = 0.0) -> None:
    """The same tables, all times of ``other`` later by so many seconds."""
    assert one.ids.shifted(late) == other.ids
    assert (one.bound, one.former) == (other.bound, other.former)
    assert {n: r.since + late for n, r in one.retained.items()} == {
        n: r.since for n, r in other.retained.items()
    }
    assert {n: (t.number, t.since + late) for n, t in one.turns.items()} == {
        n: (t.number, t.since) for n, t in other.turns.items()
    }
    assert one.pools.keys() == other.pools.keys()
    for key, mine in one.pools.items():
        theirs = other.pools[key]
        for a, b in ((mine.now, theirs.now), (mine.before, theirs.before), (mine.watched, theirs.watched)):
            assert np.array_equal(a, b)
        assert np.array_equal(np.where(mine.before != 0, mine.until + late, 0.0), theirs.until)
        assert np.array_equal(mine.watched_until + late, theirs.watched_until)
        assert [m.backend for m in mine.members] == [m.backend for m in theirs.members]
        since = [None if m.draining_since is None else m.draining_since + late for m in mine.members]
        assert since == [m.draining_since for m in theirs.members]


def test_what_was_stored_is_the_same_when_it_is_read_again(lived: Whole) -> None:
    state, again = lived.app.state, opened(lived.store, lived.clock)
    assert again.intent.value == state.intent.value
    told = {pool: dict(rows) for pool, rows in state.verdicts.value.items()}
    told["web"]["s1"] = replace(told["web"]["s1"], confirmed=UNCONFIRMED)
    assert again.verdicts.value == told, "a server may have come back meanwhile"
    assert (again.admitted.value, again.absent.value) == (frozenset({"lb1"}), frozenset({"lb2"}))
    assert again.dead_links.value == state.dead_links.value
    assert (again.term.value, again.revision) == (state.term.value, state.revision)
    assert again.secret.octets() == state.secret.octets()
    alike(state.tables.value, again.tables.value)


def test_what_was_only_read_is_not_stored_again(lived: Whole) -> None:
    store = MemoryStore(lived.store.values)
    again = opened(store, lived.clock)
    asyncio.run(again.commit())
    assert {name for batch in store.batches for name in batch} <= {"owners", "clock"}


def test_after_another_boot_all_times_are_later_and_none_is_early(lived: Whole) -> None:
    clock = SetClock(7.0, boot="another boot")
    again = opened(lived.store, clock)
    late = clock.now() - lived.clock.now()
    alike(lived.app.state.tables.value, again.tables.value, late)
    (old,) = (rows for rows in lived.app.state.verdicts.value.values())
    (new,) = (rows for rows in again.verdicts.value.values())
    assert {name: each.since + late for name, each in old.items()} == {n: e.since for n, e in new.items()}
    before = deadline(lived.app.state.tables.value, lived.world.intent, {}, lived.clock.now())
    after = deadline(again.tables.value, again.intent.value, {}, clock.now())
    assert before is not None
    assert after is not None
    assert after - clock.now() == pytest.approx(before - lived.clock.now())


def test_what_another_boot_moved_is_stored_and_moved_no_further(lived: Whole) -> None:
    clock = SetClock(7.0, boot="another boot")
    store = MemoryStore(lived.store.values)
    first = opened(store, clock)
    asyncio.run(first.commit())
    clock.time += 50.0
    alike(first.tables.value, opened(store, clock).tables.value)


# -- a store that fails ---------------------------------------------------------------------------------------------


def test_nothing_is_planned_from_what_could_not_be_stored(
    file: IntentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.005)
    it = whole(file)
    state, world, values = it.app.state, it.world, dict(it.store.values)
    changes: list[int] = []
    state.committed.subscribe(lambda: changes.append(state.revision))

    async def body() -> None:
        it.store.fails = "/x/e.db: cannot be written: disk is full"
        assert it.app.intents.propose(less(world.intent, "s3")) == []
        asked = it.store.asked
        await until(lambda: it.store.asked > asked + 3, "it is tried again and again")
        assert it.world is world
        assert it.store.values == values
        assert state.problem == it.app.snapshot().store == it.store.fails
        assert it.said.of("store_failed") == [{"error": it.store.fails}], "said once"
        assert changes == []
        it.store.fails = ""
        await until(lambda: it.world is not world, "it is planned from")
        assert changes == [world.revision + 1]
        assert state.problem == ""
        assert it.said.of("store_recovered") == [{}]

    play(body, state.run)
    assert it.world.revision == state.revision == world.revision + 1
    assert opened(it.store, it.clock).intent.value == it.world.intent


class Unsure(MemoryStore):
    """Writes, and does not know that it did; once."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        super().__init__(values)
        self.loses = False
        self._base: int | None = None

    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT) -> int:
        head = self.revision if guard.head == self._base else guard.head
        revision = await super().commit(batch, replace(guard, head=head), within)
        if self.loses:
            self.loses, self._base = False, guard.head
            raise OutcomeUnknown("the answer is lost")
        return revision


def test_what_may_have_been_stored_is_stored_again_although_it_is_as_it_was_before(lived: Whole) -> None:
    store = Unsure(lived.store.values)
    state = opened(store, lived.clock)
    asyncio.run(state.commit())
    before = dict(store.values)
    store.loses = True
    state.absent.put(frozenset({"lb1"}))
    state.verdicts.put({**state.verdicts.value, "gone": {}})
    with pytest.raises(OutcomeUnknown):
        asyncio.run(state.commit())
    assert store.values["absent"] != before["absent"]
    state.absent.put(frozenset({"lb2"}))
    state.verdicts.put({name: rows for name, rows in state.verdicts.value.items() if name != "gone"})
    assert asyncio.run(state.commit()) == store.revision
    unlike = {name for name in before.keys() | store.values if before.get(name) != store.values.get(name)}
    assert unlike <= {"clock"}


def test_a_part_that_ends_amid_its_commit_takes_nothing_along(tmp_path: Path) -> None:
    """As when a switch goes away whose task has new tables stored."""
    there, go = threading.Event(), threading.Event()
    store = SqliteStore(tmp_path / "e.db")
    write = store._write

    def slowly(batch: Batch, revision: int) -> None:
        there.set()
        go.wait(60)
        write(batch, revision)

    async def story() -> None:
        said = journal()[0]
        state = State(store, store.read(), SetClock(), said, PinBook())
        await state.commit()
        store._write = slowly  # type: ignore[method-assign]
        state.absent.put(frozenset({"lb1"}))
        part = asyncio.create_task(state.commit())
        await asyncio.to_thread(there.wait, 60)
        part.cancel()
        await asyncio.gather(part, return_exceptions=True)
        assert part.cancelled()
        state.absent.put(frozenset())
        state.admitted.put(frozenset({"lb2"}))
        go.set()
        revision = await state.commit()
        again = State(store, store.read(), SetClock(), said, PinBook())
        assert again.absent.value == frozenset()
        assert again.admitted.value == {"lb2"}
        assert again.revision == revision

    asyncio.run(story())
    store.close()


def test_a_store_that_another_controller_has_written_to_ends_this_one_and_nothing_is_planned(
    file: IntentFile,
) -> None:
    it = whole(file)
    asyncio.run(it.store.commit({"term": b"99"}))
    world, values = it.world, dict(it.store.values)

    async def story() -> None:
        it.app.state.absent.put(frozenset({"lb1"}))
        for _ in range(2):
            with pytest.raises(GuardFailed, match="another writer was first"):
                await it.app.state.commit()
        with pytest.raises(GuardFailed):
            await asyncio.wait_for(it.app.state.run(), 60)

    asyncio.run(story())
    assert it.world is world
    assert it.store.values == values
    assert it.said.of("store_failed") == []
    (taken,) = it.said.of("store_taken")
    assert taken["error"].startswith("a store in memory: another writer was first: it is at revision ")


def test_a_commit_that_fails_says_so_to_its_caller(file: IntentFile) -> None:
    it = whole(file)
    it.store.fails = "disk is full"
    it.app.state.absent.put(frozenset({"lb1"}))
    with pytest.raises(StoreError, match="disk is full"):
        asyncio.run(it.app.state.commit())
    assert it.world.absent == frozenset()


def test_what_changes_while_a_commit_is_under_way_is_in_the_next_one(file: IntentFile) -> None:
    it = whole(file)
    state = it.app.state

    async def body() -> None:
        state.absent.put(frozenset({"lb1"}))
        first = asyncio.create_task(state.commit())
        await asyncio.sleep(0)
        state.absent.put(frozenset({"lb2"}))
        await first
        assert it.world.absent == {"lb1"}
        assert opened(it.store, it.clock).absent.value == {"lb1"}
        await state.commit()
        assert it.world.absent == {"lb2"}

    asyncio.run(body())
    assert opened(it.store, it.clock).absent.value == {"lb2"}


def test_a_commit_without_changes_writes_nothing_and_is_no_revision(file: IntentFile) -> None:
    it = whole(file)
    written, world = len(it.store.batches), it.world
    assert asyncio.run(it.app.state.commit()) == world.revision
    assert (len(it.store.batches), it.world) == (written, world)


def test_a_small_change_writes_only_what_changed(file: IntentFile) -> None:
    it = whole(file)
    it.app.state.absent.put(frozenset({"lb1"}))
    asyncio.run(it.app.state.commit())
    assert "absent" in it.store.batches[-1]
    assert not {"intent", "secret", "term", "verdicts"} & it.store.batches[-1].keys()
    assert it.store.revision == it.world.revision


def test_events_carry_the_revision_of_the_last_commit(file: IntentFile) -> None:
    it = whole(file)
    it.app.journal.event("now")
    assert it.said.rows[-1]["change"] == it.world.revision > 0


def test_pools_that_are_no_more_are_removed_from_the_store(file: IntentFile) -> None:
    it = whole(file)
    old = it.app.state.intent.value
    gone = old.pools[-1].name
    vips = tuple(
        replace(vip, listeners=tuple(i for i in vip.listeners if i.pool != gone)) for vip in old.vips
    )
    pools = tuple(pool for pool in old.pools if pool.name != gone)
    assert it.app.intents.propose(replace(old, vips=vips, pools=pools, allow_empty=True)) == []
    asyncio.run(it.app.state.commit())
    assert any(gone in name for name in it.store.values if name.startswith("pool/"))
    while (due := it.app.pools.deadline()) is not None and it.app.state.tables.value.retained:
        it.clock.time = max(due, it.clock.time)
        it.app.pools.step()
    asyncio.run(it.app.state.commit())
    assert not any(gone in name for name in it.store.values if name.startswith("pool/"))
    assert opened(it.store, it.clock).tables.value.pools.keys() == it.world.pools.keys()


# -- tables that are stored -----------------------------------------------------------------------------------------


def _unwanted(*_: object) -> None:
    raise AssertionError("nothing changed: no table has to be built")


def test_a_controller_that_starts_again_builds_no_table(
    file: IntentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails on 2ad1e45: loading what builds tables was a third of a start, and P4 edges wait for that."""
    it = whole(file)
    monkeypatch.setattr(maglev, "_kernel", _unwanted)
    again = whole(file, it.store, it.clock)
    alike(it.app.state.tables.value, again.app.state.tables.value)
    assert "table" not in again.said.names()


def test_what_builds_tables_is_loaded_once_switches_have_what_they_wait_for(
    file: IntentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = whole(file)
    loaded: list[bool] = []
    monkeypatch.setattr(maglev, "warm", lambda: loaded.append(True))
    fleet, switches = it.app.fleet, it.app.state.intent.value.switches
    dead, *living, late = switches
    it.app.state.absent.put(frozenset({dead.name}))
    last = PlainDriver(late)
    last.does.reads = [SwitchError("busy")]

    async def story() -> None:
        for switch in living:
            fleet.connect(PlainDriver(switch), Watching())
        await until(lambda: len(fleet.synced()) == len(living))
        await asyncio.sleep(3 * assembly.LOOK)  # as often as it looks
        assert not loaded
        fleet.connect(last, Watching())
        await until(lambda: loaded)
        assert fleet.is_synced(last.switch.id)

    play(story, fleet.run, it.app.prepare)


def test_what_builds_tables_is_loaded_when_no_more_switches_are_waited_for(
    file: IntentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = whole(file)
    loaded: list[bool] = []
    monkeypatch.setattr(maglev, "warm", lambda: loaded.append(True))

    async def story() -> None:
        await asyncio.sleep(3 * assembly.LOOK)
        assert not loaded
        it.clock.time += DISCOVERY_WAIT
        it.app.presence.step()
        await until(lambda: loaded)

    play(story, it.app.prepare)


def test_a_window_begins_when_its_table_is_there_though_building_it_took_long(
    file: IntentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = whole(file)
    asyncio.run(it.app.state.commit())
    again = whole(file, it.store, it.clock)
    build, loading = maglev.build, [3.0]

    def slowly(*given: object) -> maglev.Table:
        it.clock.time += loading.pop() if loading else 0.0
        return build(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(maglev, "build", slowly)
    intent = again.app.state.intent.value
    assert again.app.intents.propose(less(intent, "s2")) == []
    moving = [state.until[state.before != 0] for state in again.app.state.tables.value.pools.values()]
    ends = {float(end) for each in moving for end in each}
    assert not loading
    assert ends == {it.clock.now() + intent.pools[0].transition}


def _without_table(data: bytes) -> bytes:
    return _with_table(data, None)


def _with_table(data: bytes, table: bytes | None) -> bytes:
    out = io.BytesIO()
    with np.load(io.BytesIO(data)) as kept:
        values = {name: kept[name] for name in kept if name != "table"}
    if table is not None:
        values["table"] = np.frombuffer(zlib.compress(table), np.uint8)
    np.savez(out, **values)
    return out.getvalue()


def test_what_an_earlier_version_stored_without_tables_is_read(lived: Whole) -> None:
    values = {
        name: _without_table(data) if name.startswith("pool/") else data
        for name, data in lived.store.values.items()
    }
    assert values != lived.store.values
    alike(lived.app.state.tables.value, opened(MemoryStore(values), lived.clock).tables.value)


def test_a_stored_table_of_another_size_is_damage(lived: Whole) -> None:
    data = _with_table(lived.store.values["pool/web/tcp"], bytes(2 * 256))
    with pytest.raises(StoreError, match=r"pool/web/tcp.*a table of 256 slots; it should have"):
        opened(MemoryStore({**lived.store.values, "pool/web/tcp": data}))


# -- stores that cannot be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("ids", b"{"),
        ("ids", b'{"allocated": 3, "quarantined": {}}'),
        ("intent", b"[]"),
        ("turns", b'{"shop": {}}'),
        ("term", b"soon"),
        ("secret", b"short"),
        ("admitted", b"\xff"),
        ("dead_links", b"[[1]]"),
        ("pool/web/tcp", b""),
        ("pool/web/tcp", b"PK"),
        ("pool/web/tcp", b"PK\x03\x04 and no more of a zip file"),
        ("verdicts/web", b'{"s1": 3}'),
        ("clock", b"null"),
    ],
)
def test_a_damaged_value_is_named_with_its_store(lived: Whole, name: str, data: bytes) -> None:
    store = MemoryStore({**lived.store.values, name: data})
    with pytest.raises(StoreError) as caught:
        opened(store)
    text = str(caught.value)
    assert text.startswith(f"a store in memory: the stored value {name!r} is damaged")
    assert text.endswith("restore it, or remove it to begin with nothing remembered")


def test_a_store_of_another_format_is_refused_and_an_empty_one_is_not(lived: Whole) -> None:
    for found in (b"1", b"3"):
        with pytest.raises(StoreError, match=rf"has the format {found.decode()}, this version reads 2"):
            opened(MemoryStore({**lived.store.values, "format": found}))
    without = {name: data for name, data in lived.store.values.items() if name != "format"}
    with pytest.raises(StoreError, match="has the format 1"):
        opened(MemoryStore(without))
    assert opened(MemoryStore()).intent.value == Intent((), (), (), ())


def test_a_controller_that_begins_with_nothing_has_ids_for_all_before_it_plans(file: IntentFile) -> None:
    assert opened(MemoryStore()).tables.value.ids == IdAllocator()
    it = whole(file)
    names = {vip.name for vip in loaded().vips}
    assert set(it.world.ids.ids(Space.VIP)) == names
