"""A controller whose pools follow what is measured: when it decides, when it waits, and what of it is stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.storedcells import StoredCells
from controller.health.asking import patience
from controller.plan.tuned import UNIT
from controller.spec.policy import Zones
from controller.spec.scheduling import TRACKED_SHARE, Adaptive, Scheduler
from controller.spec.serveragent import AgentCheck, AgentKind
from controller.spec.types import Pool
from tests.fakes.core import Whole
from tests.fakes.weights import KEY, POOL, answers, edited, probes, slots, weighed

GAUGE = AgentCheck(8080, AgentKind.HTTP, "/connections", interval=1.0)
QUICK = Adaptive(interval=5.0, smoothing=0.0)


@pytest.fixture
def core(tmp_path: Path) -> Whole:
    return weighed(
        tmp_path / "intent.yaml", agent=GAUGE, scheduler=Scheduler.LEAST_CONNECTIONS, adaptive=QUICK
    )


def count(core: Whole, **connections: int) -> None:
    """A second passes, and servers tell their connections."""
    core.clock.time += 1.0
    for name, number in connections.items():
        answers(core, str(number), name)
    core.app.tuning.look()


def counts(core: Whole, seconds: int, **connections: int) -> None:
    for _ in range(seconds):
        count(core, **connections)


def adapted(core: Whole) -> dict[str, float]:
    return {name: each.adapted / UNIT for name, each in core.app.state.tables.value.tuned[POOL].items()}


def waits(core: Whole) -> str:
    return core.app.snapshot().pools[KEY].scheduler_waits


def test_servers_with_more_connections_than_others_get_fewer_slots(core: Whole) -> None:
    even = slots(core)
    counts(core, 10, s1=2000, s2=1000, s3=1000)
    found = slots(core)
    assert found["s1"] < even["s1"]
    assert min(found["s2"], found["s3"]) > even["s2"]
    said = core.said.of("weights_adapted")
    assert said[0]["scheduler"] == "least-connections"
    assert said[0]["factors"].startswith("s1 x 0.")
    assert "weights" in core.said.causes("table")
    shown = core.app.snapshot().pools[KEY]
    assert (shown.scheduler, shown.backends["s1"].measured) == ("least-connections", 2000.0)
    assert "by the scheduler" in shown.backends["s1"].factor_why
    assert "by the scheduler" in core.app.tuning.words(POOL, "s1")


def test_no_more_slots_are_tracked_than_the_budget_of_measurements_lets(core: Whole) -> None:
    for _ in range(30):
        counts(core, 5, s1=9000, s2=1000, s3=100)
    state = core.app.state.tables.value.pools[KEY]
    assert state.tracking.tracks <= TRACKED_SHARE * len(state.now)
    assert state.behind > 0
    assert "slots of earlier changes wait for the budget" in waits(core)
    decided = len(core.said.of("weights_adapted"))
    counts(core, 60, s1=9000, s2=1000, s3=100)
    assert len(core.said.of("weights_adapted")) == decided, "what was decided comes first"


def test_an_edit_is_not_bound_by_it(core: Whole) -> None:
    def without(pool: Pool) -> Pool:
        return replace(pool, backends=tuple(real for real in pool.backends if real.name != "s3"))

    assert core.app.intents.propose(edited(core.app.state.intent.value, without)) == []
    assert slots(core)["s3"] == 0
    assert core.app.state.tables.value.pools[KEY].behind == 0


def test_a_budget_that_says_otherwise_is_the_one(core: Whole) -> None:
    wide = edited(
        core.app.state.intent.value,
        lambda pool: replace(pool, budget=replace(pool.budget, max_tracked_share=0.5)),
    )
    assert core.app.intents.propose(wide) == []
    for _ in range(20):
        counts(core, 5, s1=9000, s2=1000, s3=100)
    state = core.app.state.tables.value.pools[KEY]
    assert TRACKED_SHARE * len(state.now) < state.tracking.tracks <= 0.5 * len(state.now)


def test_a_server_that_does_not_tell_is_left_as_it_is(core: Whole) -> None:
    counts(core, 10, s1=1500, s2=1000, s3=1000)
    before = adapted(core)
    core.clock.time += patience(GAUGE) + 1.0
    answers(core, "1000", "s2")
    answers(core, "1300", "s3")
    core.app.servers.look()
    counts(core, 10, s2=1000, s3=1300)
    assert adapted(core)["s1"] == before["s1"]
    assert adapted(core)["s3"] < before["s3"]
    core.clock.time += patience(GAUGE) + 1.0
    core.app.servers.look()
    core.app.tuning.look()
    assert (
        waits(core)
        == "fewer than two backends are measured: neither agents nor counts tell their connections"
    )
    assert core.app.snapshot().pools[KEY].backends["s1"].measured is None


def test_nothing_is_decided_in_panic_or_during_a_slow_start(core: Whole) -> None:
    probes(core, s1=False, s2=False)
    counts(core, 10, s1=0, s2=0, s3=5000)
    assert waits(core) == "health is ignored (panic)"
    slow = edited(core.app.state.intent.value, lambda pool: replace(pool, slow_start=60.0))
    assert core.app.intents.propose(slow) == []
    probes(core, s1=True, s2=True)
    counts(core, 10, s1=0, s2=0, s3=5000)
    assert waits(core) == "slow start of s1, s2"
    assert not core.said.of("weights_adapted")


def test_what_is_decided_is_stored_before_a_plan_has_it_and_goes_on_after_a_restart(
    core: Whole, tmp_path: Path
) -> None:
    counts(core, 10, s1=2000, s2=1000, s3=1000)
    planned = core.app.state.committed.value
    assert planned is not None
    assert planned.pools[KEY] is not core.app.state.tables.value.pools[KEY]
    asyncio.run(core.app.state.commit())
    stored = StoredCells("memory", core.store.loaded().data(), core.clock).tables()
    assert stored.tuned == core.app.state.tables.value.tuned
    again = weighed(
        tmp_path / "again.yaml", core.store, core.clock, probed=False,
        agent=GAUGE, scheduler=Scheduler.LEAST_CONNECTIONS, adaptive=QUICK,
    )  # fmt: skip
    assert adapted(again) == adapted(core)
    assert slots(again) == slots(core)


def test_weights_are_those_of_the_intent_again_once_nothing_is_followed(core: Whole) -> None:
    counts(core, 10, s1=2000, s2=1000, s3=1000)
    plain = edited(core.app.state.intent.value, lambda pool: replace(pool, scheduler=Scheduler.WEIGHTED))
    assert core.app.intents.propose(plain) == []
    assert core.app.state.tables.value.tuned == {}
    assert max(slots(core).values()) - min(slots(core).values()) <= 1
    assert core.app.schedulers.deadline() is None


def test_times_of_probes_are_followed(tmp_path: Path) -> None:
    core = weighed(tmp_path / "intent.yaml", scheduler=Scheduler.RESPONSE_TIME, adaptive=QUICK)
    core.app.schedulers._latencies = lambda: {
        (POOL, "s1"): 0.080, (POOL, "s2"): 0.010, (POOL, "s3"): 0.010
    }  # fmt: skip
    even = slots(core)
    for _ in range(20):
        core.clock.time += 1.0
        core.app.tuning.look()
    assert slots(core)["s1"] < even["s1"]
    assert core.app.snapshot().pools[KEY].backends["s1"].measured == pytest.approx(0.08)


def test_a_probe_that_fails_is_none_to_go_by(tmp_path: Path) -> None:
    core = weighed(tmp_path / "intent.yaml", scheduler=Scheduler.RESPONSE_TIME, adaptive=QUICK)
    known = {(POOL, "s1"): 0.050, (POOL, "s2"): 0.050, (POOL, "s3"): 0.050}
    core.app.schedulers._latencies = lambda: known
    core.app.tuning.look()
    del known[POOL, "s1"]
    for _ in range(20):
        core.clock.time += 1.0
        core.app.tuning.look()
    assert core.app.schedulers.measured(POOL, "s1") == 0.05
    assert core.app.state.tables.value.tuned == {}


def test_an_explanation_has_what_weights_are_made_of(core: Whole) -> None:
    counts(core, 10, s1=2000, s2=1000, s3=1000)
    weight = core.app.explaining._health(POOL, "s1").weight
    assert "by the scheduler; agent: ready, 2000 connections" in weight


def test_zones_that_share_evenly_follow_within_themselves(core: Whole) -> None:
    def zoned(pool: Pool) -> Pool:
        reals = tuple(replace(real, zone="a" if real.name == "s1" else "b") for real in pool.backends)
        return replace(pool, zones=Zones.EVEN, backends=reals)

    assert core.app.intents.propose(edited(core.app.state.intent.value, zoned)) == []
    counts(core, 20, s1=5000, s2=2000, s3=1000)
    serving = core.app.state.tables.value.pools[KEY].serving
    shares = {each.name: each.weight / sum(one.weight for one in serving) for each in serving}
    assert shares["s1"] == pytest.approx(0.5), "its zone takes half, whatever it has"
    assert shares["s2"] < 0.22 < 0.28 < shares["s3"]
