"""A controller that stands by knows which servers live when it begins to lead, and changes nothing before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from controller.app.assembly import App
from controller.cli.ready import Ready
from controller.core.journal import Journal
from controller.health.result import Outcome, ProbeResult
from controller.health.targets import Probe
from controller.plan.pool import Health
from tests.fakes.core import Said, SetClock, Whole, intent_file, until, whole
from tests.fakes.probes import Asked

TOPOLOGY = "pair"
POOL = "web"


class Standing(NamedTuple):
    """One that stands by, on the store of one that led."""

    ready: Ready
    asked: Asked
    led: Whole
    said: Said
    clock: SetClock

    def all(self, outcome: Outcome, times: int) -> None:
        """Every server answers so."""
        for _ in range(times):
            self.asked.answer(outcome, *self.asked.probes)

    def of(self, server: str) -> list[Probe]:
        """The probes of one server."""
        (pool,) = (each for each in self.led.world.intent.pools if each.name == POOL)
        (real,) = (each for each in pool.backends if each.name == server)
        return [probe for probe in self.asked.probes if probe.address in real.addresses]

    async def takes_over(self, file: Path) -> App:
        """It becomes a controller."""
        store = self.led.store
        handed = await self.ready.handed()
        loaded, journal = await store.load(), Journal(self.said, self.clock.wall)
        app = App(intent_file(file, TOPOLOGY), store, loaded, journal, self.clock, health=handed)
        self.ready.belongs(app)
        return app


@asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[Standing]:
    """With the verdicts that the one that led has stored: all up since 900, but s2, which is down since 950."""
    file = folder / "intent.yaml"
    led = whole(intent_file(file, TOPOLOGY), begun=False)
    names = [
        real.name for pool in led.app.state.intent.value.pools if pool.name == POOL for real in pool.backends
    ]
    led.app.state.verdicts.put(
        {POOL: {name: Health(name != "s2", 950.0 if name == "s2" else 900.0) for name in names}}
    )
    await led.app.state.commit()
    made: list[Asked] = []

    def prober(deliver: Callable[[list[ProbeResult]], None], problem: Callable[[str], None]) -> Asked:
        made.append(Asked(deliver, problem))
        return made[-1]

    said, clock = Said(), SetClock(led.clock.time + 10)
    ready = Ready(led.store, Journal(said, clock.wall), clock, lambda _: None, prober)
    async with ready.kept():
        (asked,) = made
        await until(lambda: asked.probes, "the servers of the stored intent are probed")
        yield Standing(ready, asked, led, said, clock)
    assert asked.stopped, "nothing runs on"


def up(app: App) -> dict[str, bool]:
    return {name: each.up for name, each in app.state.verdicts.value[POOL].items()}


def test_what_it_has_found_counts_at_once_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    async def body() -> None:
        async with standing(tmp_path) as it:
            it.all(Outcome.PASS, 3)
            for _ in range(3):
                it.asked.answer(Outcome.FAIL, *it.of("s1"))
                it.asked.answer(Outcome.PASS, *it.of("s2"), *it.of("s3"))
            assert it.ready.probed() == (3, 1)
            assert it.said.rows == [], "nothing is said, and nothing decided"
            app = await it.takes_over(tmp_path / "intent.yaml")
            assert up(app) == {"s1": False, "s2": True, "s3": True}
            verdicts = app.state.verdicts.value[POOL]
            assert verdicts["s1"].since == verdicts["s2"].since == it.clock.time
            assert verdicts["s3"].since == 900.0, "it did not just come up"
            said = {row["backend"]: row["up"] for row in it.said.of("verdict")}
            assert said == {"s1": False, "s2": True}
            serving = {real.name for pool in app.state.tables.value.pools.values() for real in pool.serving}
            assert serving == {"s2", "s3"}, "its first tables are right"
            it.asked.answer(Outcome.PASS, *it.of("s1"))
            it.asked.answer(Outcome.PASS, *it.of("s1"))
            assert up(app)["s1"], "the same probes go on"

    asyncio.run(body())


def test_servers_that_it_knows_nothing_of_stay_as_they_were(tmp_path: Path) -> None:
    """It began to stand by a moment ago."""

    async def body() -> None:
        async with standing(tmp_path) as it:
            it.asked.answer(Outcome.FAIL, *it.of("s1"))
            app = await it.takes_over(tmp_path / "intent.yaml")
            assert up(app) == {"s1": True, "s2": False, "s3": True}
            assert it.said.of("verdict") == []
            it.asked.answer(Outcome.FAIL, *it.of("s1"))
            it.asked.answer(Outcome.FAIL, *it.of("s1"))
            assert not up(app)["s1"], "failures from before count"

    asyncio.run(body())


def test_it_goes_by_the_intent_of_the_one_that_leads(tmp_path: Path) -> None:
    async def body() -> None:
        async with standing(tmp_path) as it:
            before = len(it.asked.probes)
            file = tmp_path / "intent.yaml"
            intent = intent_file(file, TOPOLOGY).intent
            assert intent is not None
            pools = tuple(replace(each, backends=each.backends[:-1]) for each in intent.pools)
            assert it.led.app.intents.propose(replace(intent, pools=pools)) == []
            await it.led.app.state.commit()
            await until(lambda: len(it.asked.probes) < before, "a server less is probed")

    asyncio.run(body())
