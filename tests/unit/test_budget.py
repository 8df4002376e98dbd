"""Disruption budgets: edits over them are refused with the numbers; what health gives back waits for room."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.plan import pace
from controller.plan.accept import accept
from controller.plan.budget import over_budget
from controller.plan.pool import Health, PoolState
from controller.plan.progress import advance, deadline
from controller.plan.tables import Tables, Verdicts, later
from controller.spec.health import HealthCheck
from controller.spec.policy import UNLIMITED, Amount, Budget, Failover
from controller.spec.types import Backend, Intent, Listener, Mode, Pool, Protocol, Site, Vip
from tests.edits.fabric import restored_tables, stored
from tests.fakes.core import intent_file, play, whole

KEY = "web/tcp"
NAMES = ("s1", "s2", "s3", "s4")


def intent(budget: Budget = UNLIMITED, names: tuple[str, ...] = NAMES, **changes: object) -> Intent:
    """One pool of 256 slots that never panics."""
    backends = tuple(
        Backend(name, (ip_address(f"10.1.0.{name[1:]}"),), f"02:45:56:02:00:0{name[1:]}") for name in names
    )
    pool = Pool("web", backends, max_backends=2, health=HealthCheck(), panic_threshold=1.0, budget=budget)
    vip = Vip(
        "shop",
        ip_address("10.0.0.100"),
        "02:45:56:00:01:01",
        ("east",),
        (Listener("shop", Protocol.TCP, 80, "web", Mode.DR, 80),),
    )
    return Intent((Site("east"),), (), (replace(pool, **changes),), (vip,))  # type: ignore[arg-type]


class Life:
    """A pool through time."""

    def __init__(self, wanted: Intent) -> None:
        self.intent, self.now = wanted, 1000.0
        self.tables = advance(Tables(), wanted, {}, self.now)
        self.verdicts: Verdicts = {}

    @property
    def state(self) -> PoolState:
        return self.tables.pools[KEY]

    def down(self, *names: str) -> None:
        """These are down from now on, and no others."""
        self.verdicts = {"web": {name: Health(name not in names, self.now) for name in NAMES}}
        self.step()

    def step(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.tables = advance(self.tables, self.intent, self.verdicts, self.now)

    def propose(self, new: Intent) -> tuple[list[str], Tables]:
        made = advance(
            accept(self.tables, self.intent, new, self.now), new, self.verdicts, self.now, whole=True
        )
        return over_budget(self.intent, new, self.tables, made, self.verdicts, self.now), made

    def share(self, name: str) -> int:
        """Slots that a backend has."""
        number = next(m.id for m in self.state.members if m.backend.name == name)
        return int(np.count_nonzero(self.state.now == number))


MOVES = Budget(max_slots_moved_per_minute=Amount(30.0))


def test_a_dead_server_loses_its_slots_at_once_whatever_the_budget_says() -> None:
    life = Life(intent(Budget(Amount(0.0), Amount(0.0), 0.0)))
    life.down("s1", "s2")
    assert (life.share("s1"), life.share("s2")) == (0, 0)
    assert life.state.behind == 0


def test_what_comes_back_waits_until_the_minute_has_room() -> None:
    life = Life(intent(MOVES))
    had = life.share("s1")
    life.down("s1")
    gone = pace.lately(life.state.spent, life.now)
    assert gone >= had > 30
    life.down()
    assert (life.share("s1"), life.state.behind > 0) == (0, True), "the minute is spent by what went"
    due = deadline(life.tables, life.intent, life.verdicts, life.now)
    assert due == life.now + pace.WINDOW
    life.step(pace.WINDOW)
    assert 0 < life.share("s1") <= 30
    while life.state.behind:
        before = life.state.now
        life.step(pace.WINDOW)
        assert np.count_nonzero(before != life.state.now) <= 30
    assert life.share("s1") == had


def test_a_server_that_flaps_costs_no_more_than_the_budget_and_its_own_slots() -> None:
    life = Life(intent(MOVES))
    had, moved = life.share("s1"), 0
    for _ in range(20):
        for down in (("s1",), ()):
            before = life.state.now
            life.step(1.0)
            life.down(*down)
            moved += int(np.count_nonzero(before != life.state.now))
    assert moved <= had + 60, "the first death, and then at most what returned within the minute"


def test_a_budget_of_tracked_slots_is_kept_when_servers_come_back() -> None:
    life = Life(intent(Budget(max_tracked_share=0.3)))
    life.down("s1")
    life.down("s1", "s2")
    dead = life.state.tracking.tracks
    life.down()
    assert life.state.tracking.tracks == max(dead, life.state.tracking.tracks) <= max(dead, int(0.3 * 256))
    for _ in range(2_000):
        due = deadline(life.tables, life.intent, life.verdicts, life.now)
        if due is None:
            break
        life.step(max(due - life.now, 0.0))
        assert life.state.tracking.tracks <= max(dead, int(0.3 * 256))
    assert life.state.behind == 0
    assert life.state.tracking.tracks == 0


def test_panic_and_a_writer_are_not_paced() -> None:
    panic = Life(intent(Budget(Amount(0.0)), panic_threshold=0.5))
    panic.down("s1", "s2")
    panic.down("s1", "s2", "s3")
    assert (panic.state.panicked, panic.state.behind) == (True, 0)
    one = Life(intent(Budget(Amount(0.0)), failover=Failover()))
    writer = one.tables.writers["web"]
    one.down(writer)
    assert len(np.unique(one.state.now)) == 1
    assert one.tables.writers["web"] != writer


def test_what_waits_outlives_a_restart_and_another_clock() -> None:
    life = Life(intent(MOVES))
    life.down("s1")
    life.down()
    behind = life.state.behind
    life.tables = later(restored_tables(stored(life.tables)), 500.0)
    life.now += 500.0
    life.step()
    assert life.state.behind == behind
    life.step(pace.WINDOW)
    assert life.state.behind < behind


# -- edits ------------------------------------------------------------------------------------------------------


class Refusal(NamedTuple):
    budget: Budget
    drained: int
    said: str


@pytest.mark.parametrize(
    "row",
    [
        Refusal(MOVES, 1, "max_slots_moved_per_minute is 30"),
        Refusal(Budget(Amount(0.1, share=True)), 1, "max_slots_moved_per_minute is 10%, 25 of them"),
        Refusal(
            Budget(max_unavailable=Amount(1.0)),
            2,
            "2 of 4 backends would take no new connections (s1, s2), 0",
        ),
        Refusal(Budget(max_unavailable=Amount(0.25, share=True)), 2, "max_unavailable is 25%, 1 of them"),
        Refusal(Budget(max_tracked_share=0.1), 1, "max_tracked_share is 10%"),
    ],
)
def test_an_edit_over_the_budget_is_refused_with_the_numbers(row: Refusal) -> None:
    life = Life(intent(row.budget))
    pool = life.intent.pools[0]
    backends = tuple(replace(real, drain=n < row.drained) for n, real in enumerate(pool.backends))
    why, made = life.propose(replace(life.intent, pools=(replace(pool, backends=backends),)))
    (message,) = why
    assert row.said in message
    moved = made.pools[KEY].moved_from(life.state)
    assert row.budget.max_slots_moved_per_minute is None or f"{moved} of 256 slots would move" in message
    assert "evenkeel override" in message


def test_a_server_that_is_down_counts_as_unavailable() -> None:
    life = Life(intent(Budget(max_unavailable=Amount(1.0))))
    drained = replace(life.intent.pools[0].backends[0], drain=True)
    one = replace(life.intent.pools[0], backends=(drained, *life.intent.pools[0].backends[1:]))
    new = replace(life.intent, pools=(one,))
    assert life.propose(new)[0] == []
    life.down("s3")
    assert "(s1, s3)" in life.propose(new)[0][0]


def test_a_removed_server_counts_until_it_has_drained() -> None:
    life = Life(intent(Budget(max_unavailable=Amount(1.0))))
    three = intent(Budget(max_unavailable=Amount(1.0)), NAMES[1:])
    why, made = life.propose(three)
    assert why == []
    life.intent, life.tables = three, made
    two = intent(Budget(max_unavailable=Amount(1.0)), NAMES[2:])
    assert "(s1, s2)" in life.propose(two)[0][0]
    life.step(Pool.drain_timeout + 1.0)
    assert life.propose(two)[0] == []


def test_an_edit_cannot_widen_the_budget_that_it_is_measured_by() -> None:
    life = Life(intent(MOVES))
    assert life.propose(intent(UNLIMITED, NAMES[1:]))[0]
    assert life.propose(intent(UNLIMITED))[0] == []
    life = Life(intent(UNLIMITED))
    assert life.propose(intent(MOVES, NAMES[1:]))[0], "nor break the one that it brings"


def test_an_edit_that_moves_nothing_passes_although_slots_wait() -> None:
    life = Life(intent(MOVES))
    life.down("s1")
    life.down()
    assert life.state.behind
    why, made = life.propose(intent(MOVES, drain_timeout=77.0))
    assert why == []
    assert made.pools[KEY].behind == life.state.behind


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=64, max_size=64),
    st.lists(st.integers(1, 4), min_size=64, max_size=64),
    st.lists(st.booleans(), min_size=64, max_size=64),
    st.one_of(st.none(), st.integers(0, 64)),
    st.one_of(st.none(), st.floats(0, 1)),
    st.integers(0, 40),
)
def test_slots_of_those_that_do_not_serve_go_and_others_only_as_far_as_there_is_room(
    present: list[int],
    goal: list[int],
    tracked: list[bool],
    most: int | None,
    share: float | None,
    spent: int,
) -> None:
    now, to, known = np.array(present, np.uint16), np.array(goal, np.uint16), np.array(tracked)
    serving = set(goal)
    budget = Budget(None if most is None else Amount(float(most)), None, share)
    chosen = pace.allowed(now, to, serving, known, budget, ((10.0, spent),), 11.0)
    must = np.flatnonzero((now != to) & ~np.isin(now, list(serving)))
    assert set(must) <= set(chosen) <= set(np.flatnonzero(now != to))
    free = sorted(set(chosen) - set(must))
    taken = int(np.count_nonzero(now[must]))
    if most is not None:
        assert len(free) <= max(most - spent - taken, 0)
    if share is not None:
        fresh = int(np.count_nonzero(~known[free]))
        base = int(np.count_nonzero(known | np.isin(np.arange(64), must) & (now != 0)))
        assert fresh <= max(int(share * 64) - base, 0)
    if most is None and share is None:
        assert len(chosen) == np.count_nonzero(now != to)


# -- in the file, and in the controller ---------------------------------------------------------------------------

TEXT = """
sites: [{name: east}]
budget: {max_slots_moved_per_minute: 25%, max_unavailable: 1}
switches:
  - {name: lb1, site: east, kind: ovs, id: 0x21, roles: [lb, edge, leaf], mac: 02:45:56:01:00:21, ports: {1: segment}}
pools:
  - name: web
    budget: {max_unavailable: 50%}
    backends:
      - {name: s1, address: 10.1.0.11, mac: 02:45:56:02:00:01}
      - {name: s2, address: 10.1.0.12, mac: 02:45:56:02:00:02}
vips:
  - name: shop
    address: 10.0.0.100
    mac: 02:45:56:00:01:01
    owners: [east]
    listeners: [{protocol: tcp, port: 80, pool: web, mode: dr}]
"""


def test_a_pool_takes_from_the_budget_of_the_file_what_its_own_leaves_out() -> None:
    (pool,) = load_text(TEXT, "file").pools
    assert pool.budget == Budget(Amount(0.25, share=True), Amount(0.5, share=True), None)


@pytest.mark.parametrize("wrong", ["-1", "1.5", "200%", "many"])
def test_an_amount_that_makes_no_sense_is_named(wrong: str) -> None:
    with pytest.raises(ConfigErrors, match="max_unavailable"):
        load_text(TEXT.replace("max_unavailable: 50%", f"max_unavailable: {wrong}"), "file")


def test_an_operator_sets_a_budget_aside_with_a_reason_in_the_journal(tmp_path: Path) -> None:
    file = intent_file(tmp_path / "intent.yaml")
    file.path.write_text(TEXT)
    file.intent = load_text(TEXT, "file")
    core = whole(file)
    new = load_text(TEXT.replace("mac: 02:45:56:02:00:01}", "mac: 02:45:56:02:00:01, drain: true}"), "file")

    async def story() -> None:
        app = core.app
        app.pools.answers = lambda _: False
        app.pools.step()
        await app.state.commit()
        said = await app.previews.preview(new)
        why = app.intents.propose(new)
        assert why == list(said.refused)
        assert "max_slots_moved_per_minute is 25%" in why[0]
        assert app.intents.propose(new, override="CHG-7: s1 burns") == []
        (event,) = core.said.of("override")
        assert event == {"reason": "CHG-7: s1 burns", "broken": why}
        assert app.state.intent.value is new

    play(story)
