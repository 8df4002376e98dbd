"""Weights that follow what is measured get where they belong, stay there, and move little at a time."""

from __future__ import annotations

from math import exp, log
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from controller.plan.adaptive import DRIFT, MOST_STEP, Adapting, Measured, averaged, decide, follow
from controller.plan.tuned import UNIT
from controller.spec.scheduling import TRACKED_SHARE, Adaptive, Scheduler
from tests.bench.adaptive import least_connections, response_time
from tests.bench.loadmodel import Server, Simulation

LEAST, TIME = Scheduler.LEAST_CONNECTIONS, Scheduler.RESPONSE_TIME
RULES = Adaptive()
SIMULATED = settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.generate))
"""Each example is half an hour of a pool: a failing one is not made smaller, which would take minutes."""


def bounded(of: Simulation) -> None:
    """Whatever happens: steps are small, factors within their bounds, decisions apart."""
    former, when = dict.fromkeys(of.adapted, UNIT), 0.0
    for at, factors in of.decisions:
        assert at >= when + of.rules.interval
        for name, factor in factors.items():
            assert of.rules.least * UNIT <= factor <= of.rules.most * UNIT
            # Its own step, and the way back of a mean that has drifted off.
            assert abs(log(factor / former[name])) <= 2 * MOST_STEP + DRIFT
        former, when = factors, at


def swing(of: Simulation, since: float) -> float:
    """How far factors have been since then from what they are in the end, as a logarithm."""
    late = (factors for at, factors in of.decisions if at > since)
    return max((abs(log(each[name] / of.adapted[name])) for each in late for name in each), default=0.0)


@st.composite
def pools(draw: st.DrawFn) -> list[Server]:
    duration = draw(st.floats(1.0, 300.0))
    return [
        Server(f"s{n}", draw(st.integers(1, 5)), duration * draw(st.floats(0.6, 1.6)), 100.0)
        for n in range(draw(st.integers(2, 8)))
    ]


@SIMULATED
@given(pools())
def test_connections_even_out_without_going_past_where_they_belong(servers: list[Server]) -> None:
    lasting = sum(each.duration for each in servers) / len(servers)
    made = Simulation(LEAST, RULES, servers, rate=len(servers) * 20_000 / lasting)
    made.run(2400)
    bounded(made)
    assert made.errors[-1] <= max(RULES.dead_band * 1.6, min(made.errors[0], 0.17)), "it got there"
    assert max(made.reversals().values(), default=0) <= 1
    assert not [at for at, _ in made.decisions if at > 2000], "and stays"


@pytest.mark.parametrize("seed", range(6))
def test_what_connections_do_by_chance_is_not_followed_back_and_forth(seed: int) -> None:
    chance = Random(seed)
    lasting = exp(chance.uniform(0, log(RULES.lasting)))
    servers = [
        Server(f"s{n}", chance.randint(1, 5), lasting * chance.uniform(0.6, 1.6), 100.0)
        for n in range(chance.randint(2, 8))
    ]
    made = Simulation(LEAST, RULES, servers, rate=len(servers) * 400 / lasting, seed=seed)
    made.run(1800)
    bounded(made)
    assert sum(made.errors[-300:]) / 300 <= 0.25
    assert len(made.decisions) <= 10
    assert swing(made, 900.0) < 0.3


@SIMULATED
@given(
    st.lists(st.floats(40.0, 200.0), min_size=2, max_size=8),
    st.floats(0.1, 0.7),
    st.floats(0.001, 0.2),
)
def test_times_settle_at_any_load(capacities: list[float], load: float, base: float) -> None:
    servers = [Server(f"s{n}", capacity=each, base=base) for n, each in enumerate(capacities)]
    made = Simulation(TIME, RULES, servers, rate=load * sum(capacities), every=1.0)
    made.run(1800)
    bounded(made)
    assert max(made.reversals().values(), default=0) <= 2
    assert not [at for at, _ in made.decisions if at > 1200]
    quick = min(servers, key=lambda each: each.latency)
    slow = max(servers, key=lambda each: each.latency)
    if slow.latency > 1.5 * quick.latency + 0.002:
        assert made.adapted[slow.name] < made.adapted[quick.name]


@pytest.mark.parametrize("lasting", [600.0, 1800.0])
def test_connections_that_last_longer_than_said_make_it_turn_back_and_die_out(lasting: float) -> None:
    servers = [Server("slow", duration=2 * lasting), *(Server(f"s{n}", duration=lasting) for n in range(3))]
    made = Simulation(LEAST, RULES, servers, rate=80_000 / lasting)
    made.run(8 * lasting)
    bounded(made)
    assert max(made.reversals().values()) <= 4
    assert swing(made, 4 * lasting) < 0.15
    assert max(made.errors[-round(lasting) :]) <= 0.17


def test_half_an_hour_of_least_connections_leaves_nine_slots_in_ten_settled() -> None:
    made = least_connections(10, 2, 3.0, 60.0, seed=1)
    assert min(made.settled) >= 1 - TRACKED_SHARE
    assert made.moved > 0.1 * len(made.state.now), "it had much to do"
    assert sum(made.errors[-120:]) < 0.5 * sum(made.errors[:120])
    assert max(made.reversals()[name] for name in ("s0", "s1")) <= 1
    assert swing(made, 1200.0) < 0.2


def test_half_an_hour_by_response_time_leaves_nine_slots_in_ten_settled() -> None:
    made = response_time(4, 1, 2.0, 0.6)
    assert min(made.settled) >= 1 - TRACKED_SHARE
    assert sum(made.errors[-120:]) < 0.6 * sum(made.errors[:120])


def test_equal_servers_are_left_alone() -> None:
    made = Simulation(LEAST, RULES, [Server(f"s{n}") for n in range(5)], rate=100.0)
    made.run(1800)
    assert made.decisions == []


def measured(**values: float) -> list[Measured]:
    return [Measured(name, 1, UNIT, value) for name, value in values.items()]


def ready(rows: list[Measured], now: float = 100.0) -> Adapting:
    return follow(RULES, rows, follow(RULES, rows, Adapting.new(0.0), 0.0, held=False), now, held=False)


def test_nothing_is_decided_within_the_interval_or_for_one_alone() -> None:
    rows = measured(a=900.0, b=100.0)
    early = follow(RULES, rows, Adapting.new(95.0), 95.0, held=False)
    assert decide(LEAST, RULES, rows, early, 100.0)[0] == {}
    assert decide(LEAST, RULES, rows, ready(rows), 100.0)[0] != {}
    alone = measured(a=900.0)
    assert decide(LEAST, RULES, alone, ready(alone), 100.0)[0] == {}


def test_a_backend_that_comes_or_goes_begins_the_interval_again() -> None:
    rows = measured(a=900.0, b=100.0)
    before = ready(rows)
    more = [*rows, Measured("c", 1, UNIT, 0.0)]
    assert decide(LEAST, RULES, more, follow(RULES, more, before, 100.0, held=False), 100.0)[0] == {}


@pytest.mark.parametrize(
    ("low", "high", "acts"),
    [(95.0, 105.0, False), (1.0, 4.0, False), (40.0, 60.0, False), (400.0, 900.0, True), (1e4, 1.3e4, True)],
)
def test_within_the_dead_band_and_what_chance_does_nothing_is_done(
    low: float, high: float, acts: bool
) -> None:
    rows = measured(a=low, b=high)
    made = decide(LEAST, RULES, rows, ready(rows), 100.0)[0]
    assert bool(made) is acts
    assert not made or made["a"] > UNIT > made["b"]


def test_less_than_a_network_takes_is_no_difference() -> None:
    rows = measured(a=0.0001, b=0.0003)
    assert decide(TIME, RULES, rows, ready(rows), 100.0)[0] == {}
    rows = measured(a=0.010, b=0.030)
    assert decide(TIME, RULES, rows, ready(rows), 100.0)[0]["b"] < UNIT


def test_weights_of_the_intent_are_what_connections_are_shared_by() -> None:
    rows = [Measured("a", 3, UNIT, 29_999.0), Measured("b", 1, UNIT, 9_999.0)]
    assert decide(LEAST, RULES, rows, ready(rows), 100.0)[0] == {}


@given(
    st.sampled_from((LEAST, TIME)),
    st.lists(
        st.tuples(st.integers(1, 65535), st.integers(UNIT // 4, 2 * UNIT), st.floats(0, 1e9)),
        min_size=2,
        max_size=20,
    ),
    st.booleans(),
)
def test_whatever_is_measured_factors_stay_within_their_bounds(
    kind: Scheduler, rows: list[tuple[int, int, float]], held: bool
) -> None:
    of = [Measured(f"s{n}", *row) for n, row in enumerate(rows)]
    state = follow(RULES, of, Adapting.new(0.0), 0.0, held=held)
    state = follow(RULES, of, state, 60.0, held=held)
    made, after = decide(kind, RULES, of, state, 60.0)
    assert made.keys() in (set(), {each.name for each in of})
    assert all(RULES.least * UNIT <= factor <= RULES.most * UNIT for factor in made.values())
    assert after.since == (60.0 if made else 0.0)
    assert decide(kind, RULES, of, after, 60.0 + RULES.interval / 2)[0] == {} or not made


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0, 100))
def test_an_average_is_between_what_it_was_and_what_is(
    before: float, value: float, passed: float, smoothing: float
) -> None:
    found = averaged(before, value, passed, smoothing)
    assert min(before, value) - 1e-6 <= found <= max(before, value) + 1e-6
    assert averaged(None, value, passed, smoothing) == value
    assert averaged(0.0, 1.0, 10.0, 10.0) == pytest.approx(1 - exp(-1))
