"""A leader whose store is out of reach moves slots of servers that die, where no other controller can; nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core import state as committing
from controller.core.ahead import CLOSED, EDITED, OUTDONE, Ahead, begun
from controller.core.journal import Journal
from controller.core.state import State
from controller.core.storedcells import StoredCells
from controller.plan.pool import Health
from controller.plan.tables import Tables
from controller.sites.aheadfile import AheadFile, applied
from controller.sites.base import GuardFailed, StoreError
from tests.fakes.core import Leads, Said, SetClock, Whole, intent_file, play, until, whole
from tests.fakes.stores import MemoryStore

DEAD = "no member answers"


class Scene:
    """A controller on a shared store, whose switches are what the test says."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.ahead"
        self.file = intent_file(folder / "intent.yaml")
        self.it: Whole = whole(self.file)
        self.lead, self.claims = Leads(), 0
        self.ours = {switch.id for switch in self.it.world.intent.switches}
        self.kept = AheadFile(self.path, self.it.store.name)
        self.state.ahead = Ahead(
            self.kept, self.lead, lambda n: n in self.ours, self._claim, self.journal, self.it.clock
        )
        self.judge()
        asyncio.run(self.state.commit())

    def _claim(self) -> None:
        self.claims += 1

    @property
    def journal(self) -> Journal:
        return self.it.app.journal

    @property
    def state(self) -> State:
        return self.it.app.state

    @property
    def ahead(self) -> Ahead:
        assert self.state.ahead is not None
        return self.state.ahead

    @property
    def serving(self) -> set[str]:
        """Who serves, as switches are told."""
        return {real.name for pool in self.it.world.pools.values() for real in pool.serving}

    def judge(self, *down: str) -> None:
        """What health finds."""
        self.it.clock.time += 1.0
        pools = [pool for pool in self.state.intent.value.pools if pool.health is not None]
        now = self.it.clock.now()
        self.state.verdicts.put(
            {p.name: {real.name: Health(real.name not in down, now) for real in p.backends} for p in pools}
        )
        self.it.app.pools.step()

    async def lose_the_store(self) -> None:
        """From now on no one reaches it."""
        self.it.store.fails, self.lead.alone = DEAD, True

    async def goes_ahead(self) -> None:
        """Time goes on until something is carried out."""
        world = self.it.world

        def there() -> bool:
            self.it.clock.time += 0.1
            return self.it.world is not world

        await until(there, "it goes ahead")

    async def tried(self, times: int = 3) -> None:
        """The store is asked some times more."""
        asked = self.it.store.asked
        await until(lambda: self.it.store.asked > asked + times, "it is tried again")

    def restarted(self) -> Whole:
        """The next life of it."""
        return whole(self.file, self.it.store, self.it.clock, begun=False, lead=Leads(), ahead=self.kept)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(committing, "RETRY", 0.005)
    return Scene(tmp_path)


def test_a_server_that_dies_is_taken_out_and_the_store_has_it_when_it_answers(scene: Scene) -> None:
    async def body() -> None:
        it = scene.it
        stored = it.store.loaded()
        await scene.lose_the_store()
        scene.judge("s1")
        await scene.goes_ahead()
        assert scene.serving == {"s2", "s3"}
        assert it.store.loaded() == stored
        assert scene.claims > 1, "switches are asked whose they are, before and each time"
        assert it.app.snapshot().ahead == scene.ahead.values > 0
        assert it.said.of("ahead")[0] == {"values": scene.ahead.values}
        scene.judge("s2")
        await scene.goes_ahead()
        assert scene.serving == {"s1", "s3"}
        it.store.fails, scene.lead.alone = "", False
        await until(lambda: it.said.of("store_recovered"), "it is stored")
        await until(lambda: not scene.path.exists(), "nothing is ahead")
        assert it.app.snapshot().ahead == 0
        assert tables(it.store).pools.keys() == it.world.pools.keys()
        for name, pool in tables(it.store).pools.items():
            assert (pool.now == it.world.pools[name].now).all()

    play(body, scene.state.run)


def test_it_says_once_what_bars_it_and_goes_on_once_it_may(scene: Scene) -> None:
    async def body() -> None:
        it, ours = scene.it, set(scene.ours)
        await scene.lose_the_store()
        scene.ours.clear()
        scene.judge("s1")
        await scene.tried()
        it.clock.time += 10
        await scene.tried()
        assert scene.serving == {"s1", "s2", "s3"}
        (barred,) = it.said.of("ahead_barred")
        assert barred["why"].startswith("0 of ")
        scene.ours |= ours
        await scene.goes_ahead()
        assert scene.serving == {"s2", "s3"}

    play(body, scene.state.run)


def test_while_others_may_lead_nothing_goes_ahead(scene: Scene) -> None:
    async def body() -> None:
        scene.it.store.fails = DEAD
        scene.judge("s1")
        await scene.tried()
        scene.it.clock.time += 60
        await scene.tried()
        assert scene.serving == {"s1", "s2", "s3"}
        assert not scene.path.exists()

    play(body, scene.state.run)


def test_an_edit_and_a_newer_controller_bar_it(scene: Scene) -> None:
    async def body() -> None:
        it = scene.it
        await scene.lose_the_store()
        old = it.app.state.intent.value
        assert it.app.intents.propose(replace(old, vips=old.vips[1:])) == []
        await scene.tried()
        assert [row["why"] for row in it.said.of("ahead_barred")] == [EDITED]
        assert it.app.intents.propose(old) == []
        it.app.state.intent.set(scene.state.stored)
        it.app.state.term.put(it.app.state.term.value + 1)
        await scene.tried()
        assert [row["why"] for row in it.said.of("ahead_barred")] == [EDITED, OUTDONE]

    play(body, scene.state.run)


def test_owners_stay_as_they_were_stored(scene: Scene) -> None:
    async def body() -> None:
        it = scene.it
        before = dict(it.world.owners)
        await scene.lose_the_store()
        it.app.state.owners.put(dict.fromkeys(before, "elsewhere"))
        scene.judge("s1")
        await scene.goes_ahead()
        assert scene.serving == {"s2", "s3"}
        assert it.world.owners == before

    play(body, scene.state.run)


def test_nothing_goes_ahead_that_could_not_be_kept(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("state.ahead: cannot be written: No space left on device")

    monkeypatch.setattr(scene.kept, "save", full)

    async def body() -> None:
        await scene.lose_the_store()
        scene.judge("s1")
        await scene.tried()
        scene.it.clock.time += 10
        await until(lambda: "No space" in scene.state.problem, "it is said")
        assert scene.serving == {"s1", "s2", "s3"}

    play(body, scene.state.run)


def ended(scene: Scene) -> None:
    """It went ahead without s1, and its machine lost power."""

    async def body() -> None:
        await scene.lose_the_store()
        scene.judge("s1")
        await scene.goes_ahead()

    play(body, scene.state.run)
    scene.it.store.fails = ""


def test_the_next_life_begins_from_there_and_stores_it(scene: Scene) -> None:
    ended(scene)
    before = scene.it.world
    next_life = scene.restarted()
    assert next_life.said.of("ahead_taken") == [{"values": scene.ahead.values}]
    for name, pool in next_life.app.state.tables.value.pools.items():
        assert (pool.now == before.pools[name].now).all()
    asyncio.run(next_life.app.begin())
    assert not scene.path.exists()
    assert {name for pool in tables(scene.it.store).pools.values() for name in names(pool)} == {"s2", "s3"}


def test_what_another_controller_has_led_since_is_not_undone(scene: Scene) -> None:
    ended(scene)
    asyncio.run(scene.it.store.commit({"admitted": b"[]"}))
    next_life = scene.restarted()
    (dropped,) = next_life.said.of("ahead_dropped")
    assert "another controller has led" in dropped["why"]
    assert {name for pool in next_life.app.state.tables.value.pools.values() for name in names(pool)} == {
        "s1",
        "s2",
        "s3",
    }
    asyncio.run(next_life.app.begin())
    assert not scene.path.exists()


def test_one_that_was_ahead_ends_when_another_has_led(scene: Scene) -> None:
    async def body() -> None:
        running = asyncio.ensure_future(scene.state.run())
        await scene.lose_the_store()
        scene.judge("s1")
        await scene.goes_ahead()
        scene.it.store.fails = ""
        await scene.it.store.commit({"admitted": b"[]"})
        with pytest.raises(GuardFailed):
            await running

    asyncio.run(body())


def test_no_edit_is_taken_meanwhile_and_one_in_the_file_waits(tmp_path: Path) -> None:
    lead = Leads()
    it = whole(
        intent_file(tmp_path / "intent.yaml"),
        lead=lead,
        ahead=AheadFile(tmp_path / "ahead", "a store in memory"),
    )
    old = it.world.intent
    lead.alone = True
    assert it.app.intents.propose(replace(old, vips=old.vips[1:])) == [CLOSED]
    assert it.app.state.intent.value == old
    lead.alone = False
    assert it.app.intents.propose(replace(old, vips=old.vips[1:])) == []


def test_a_damaged_file_and_another_store_s_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "state.ahead"
    file = AheadFile(path, "etcd A")
    file.save(7, {"x": b"1", "y": None})
    kept = file.load()
    assert kept is not None
    stored = whole(intent_file(tmp_path / "intent.yaml")).store.loaded()
    after = applied(kept, replace(stored, revision=7))
    assert after.data()["x"] == b"1"
    said = Said()
    other = AheadFile(path, "etcd B")
    assert begun(other, stored, Journal(said)) == (stored, frozenset())
    assert said.of("ahead_dropped")[0]["why"] == "it belongs to the store etcd A"
    whole_text = path.read_bytes()
    for damaged in (whole_text[:-1], b"", whole_text.replace(b'"format": 1', b'"format": 2')):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"state.ahead: is damaged \(.*\); remove it"):
            file.load()
    assert path.stat().st_mode & 0o077 == 0, "digests could be forged with what is in it"
    file.remove()
    assert file.load() is None


def tables(store: MemoryStore) -> Tables:
    """What a controller would read."""
    return StoredCells(store.name, store.loaded().data(), SetClock()).tables()


def names(pool: object) -> list[str]:
    """Who serves in a pool."""
    return [real.name for real in pool.serving]  # type: ignore[attr-defined]
