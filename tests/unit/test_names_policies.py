"""Policies: each by its formula, and the chain of them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from controller.exits.names.candidates import Facts, facts
from controller.exits.names.chain import left, tree, walk
from controller.exits.names.compiling import compiled
from controller.exits.names.inputs import State
from controller.exits.names.policies import NARROWS, NOWHERE, Where
from controller.spec.names import COUNTS, ORDERS, NoneLive, Policy, Service
from tests.examples import examples
from tests.fakes import naming
from tests.fakes.naming import (
    ELSEWHERE,
    EU,
    US,
    asker,
    candidate,
    chooses,
    inputs,
    last,
    service,
    state,
    zone,
)

A, B, C = candidate("a", 1, site="east"), candidate("b", 2, site="west"), candidate("c", 3, site="west")
CRITICAL = {2: 13.82, 3: 16.27}
"""Of chi-square by degrees of freedom: p = 0.001."""


def known(*policies: Policy, states: dict[str, State] | None = None, **more: object) -> tuple[Service, Facts]:
    made = service((A, B, C), *policies, **more)
    whole = zone(made)
    return made, facts(inputs(whole, states), whole, made)


def kept(
    policy: Policy, where: Where = NOWHERE, states: dict[str, State] | None = None, **more: object
) -> str:
    made, candidates = known(policy, states=states, **more)
    return "".join(each.name for each in NARROWS[policy](made, candidates, where).kept)


@pytest.mark.parametrize(
    ("dead", "stay"),
    [
        ({}, "abc"),
        ({"a": state(A, up=False, why="refused")}, "bc"),
        ({"b": state(B, word="site west is not fit")}, "ac"),
        ({"b": state(B, up=True, word="no server of pool web lives")}, "ac"),
        ({"a": state(A, up=True), "b": state(B, up=None)}, "abc"),
    ],
)
def test_health_leaves_those_that_neither_probes_nor_their_site_say_are_dead(
    dead: dict[str, State], stay: str
) -> None:
    assert kept(Policy.HEALTH, states=dead) == stay


@pytest.mark.parametrize(("region", "stay"), [("eu", "a"), ("us", "bc"), ("", "abc")])
def test_region_leaves_those_that_serve_the_askers(region: str, stay: str) -> None:
    assert kept(Policy.REGION, Where(region)) == stay


def test_a_candidate_serves_the_regions_that_are_named_of_it_too() -> None:
    far = candidate("far", 9, site="far", regions=("eu",))
    made = service((A, far), Policy.REGION)
    whole = zone(made)
    judged = NARROWS[Policy.REGION](made, facts(inputs(whole), whole, made), Where("eu"))
    assert [each.name for each in judged.kept] == ["a", "far"]


@pytest.mark.parametrize(
    ("sessions", "stay"),
    [((89, 10, 10), "abc"), ((90, 10, 10), "bc"), ((99, 90, 89), "c"), ((None, 95, 5), "ac")],
)
def test_session_threshold_leaves_those_below_a_share_of_their_capacity(
    sessions: tuple[int | None, ...], stay: str
) -> None:
    counts = {e.name: state(e, sessions=n, capacity=100) for e, n in zip((A, B, C), sessions, strict=True)}
    assert kept(Policy.SESSION_THRESHOLD, states=counts) == stay


@pytest.mark.parametrize(
    ("servers", "stay"),
    [((3, 3, 2), "ab"), ((1, 2, 3), "c"), ((None, 2, 3), "ac"), ((None, None, None), "abc")],
)
def test_active_servers_leaves_those_with_the_most(servers: tuple[int | None, ...], stay: str) -> None:
    counts = {each.name: state(each, servers=n) for each, n in zip((A, B, C), servers, strict=True)}
    assert kept(Policy.ACTIVE_SERVERS, states=counts) == stay


@pytest.mark.parametrize(
    ("rtts", "stay"),
    [
        ({"east": 0.010, "west": 0.050}, "a"),
        ({"east": 0.045, "west": 0.040}, "abc"),
        ({"east": 0.051, "west": 0.040}, "bc"),
        ({"west": 0.200}, "bc"),
        ({}, "abc"),
        ({"mars": 0.001}, "abc"),
    ],
)
def test_rtt_leaves_those_at_the_nearest_site_and_as_good_as_nearest(
    rtts: dict[str, float], stay: str
) -> None:
    assert kept(Policy.RTT, Where("", rtts)) == stay


@pytest.mark.parametrize(
    ("sessions", "stay"),
    [((10, 20, 30), "a"), ((30, 20, 20), "bc"), ((None, 5, 6), "ab"), ((500, 500, 500), "abc")],
)
def test_available_sessions_leaves_those_that_can_take_the_most(
    sessions: tuple[int | None, ...], stay: str
) -> None:
    counts = {e.name: state(e, sessions=n, capacity=100) for e, n in zip((A, B, C), sessions, strict=True)}
    assert kept(Policy.AVAILABLE_SESSIONS, states=counts) == stay


def test_preference_leaves_the_highest() -> None:
    made = service((candidate("a", 1, preference=5), candidate("b", 2), candidate("c", 3, preference=5)))
    whole = zone(made)
    judged = NARROWS[Policy.PREFERENCE](made, facts(inputs(whole), whole, made), NOWHERE)
    assert [each.name for each in judged.kept] == ["a", "c"]
    assert judged.why["b"] == "preference 0"


# -- orders ------------------------------------------------------------------------------------------------------

WEIGHTS = (1, 2, 3, 4)
WEIGHTED = tuple(candidate(f"w{n}", n, weight=n) for n in WEIGHTS)


def drawn(made: Service, count: int, client: str = ELSEWHERE) -> Counter[int]:
    ask = chooses(inputs(zone(made)))
    return Counter(last(ask(asker(client)).records.values[0]) for _ in range(count))


@pytest.mark.parametrize("answers", [1, 2, None])
def test_weight_draws_the_first_in_proportion(answers: int | None) -> None:
    found = drawn(service(WEIGHTED, Policy.WEIGHT, answers=answers), 10_000)
    expected = {n: 10_000 * n / sum(WEIGHTS) for n in WEIGHTS}
    assert sum((found[n] - e) ** 2 / e for n, e in expected.items()) < CRITICAL[3]


def test_site_weight_draws_a_site_whatever_the_weights_of_its_candidates() -> None:
    made = service((A, B, C), Policy.SITE_WEIGHT, Policy.ROUND_ROBIN, site_weights=(("east", 3), ("west", 1)))
    found = drawn(made, 10_000)
    expected = {1: 7500.0, 2: 1250.0, 3: 1250.0}
    assert sum((found[n] - e) ** 2 / e for n, e in expected.items()) < CRITICAL[2]


def test_a_site_of_weight_0_is_drawn_only_while_there_is_no_other() -> None:
    made = service((A, B), Policy.HEALTH, Policy.SITE_WEIGHT, site_weights=(("west", 0),))
    assert drawn(made, 50) == {1: 50}
    ask = chooses(inputs(zone(made), {"a": state(A, up=False)}))
    assert ask(asker(EU)).records.values == ("198.51.100.2",)


def test_round_robin_gives_each_its_turn_by_weight_exactly() -> None:
    assert drawn(service(WEIGHTED, Policy.ROUND_ROBIN), 1000) == {n: 100 * n for n in WEIGHTS}
    ask = chooses(inputs(zone(service((A, B, C), Policy.ROUND_ROBIN, answers=None))))
    firsts = [ask(asker(EU)).records.values for _ in range(6)]
    assert [last(each[0]) for each in firsts] == [1, 2, 3, 1, 2, 3]
    assert [last(each) for each in firsts[1]] == [2, 3, 1]


def test_turns_go_on_over_changes_that_leave_the_same_candidates() -> None:
    whole = zone(service((A, B, C), Policy.ROUND_ROBIN))
    kept_by = naming.memory()
    turns = []
    for port in range(6):
        made = inputs(whole, {"a": state(A, sessions=port)})
        turns.append(last(naming.choice(compiled(made, kept_by))(asker(EU)).records.values[0]))
    assert turns == [1, 2, 3, 1, 2, 3]


def test_least_selected_takes_the_one_that_came_first_least_often() -> None:
    assert drawn(service(WEIGHTED, Policy.LEAST_SELECTED), 100) == {1: 25, 2: 25, 3: 25, 4: 25}
    assert drawn(service(WEIGHTED, Policy.LEAST_SELECTED, answers=2), 100) == {1: 25, 2: 25, 3: 25, 4: 25}


def test_weight_0_is_answered_only_while_there_is_no_other() -> None:
    zero = candidate("zero", 9, weight=0)
    for policy in (Policy.WEIGHT, Policy.ROUND_ROBIN):
        made = service((A, zero), Policy.HEALTH, policy, answers=None)
        ask = chooses(inputs(zone(made)))
        assert {ask(asker(EU)).records.values for _ in range(20)} == {("198.51.100.1",)}
        ask = chooses(inputs(zone(made), {"a": state(A, up=False)}))
        assert ask(asker(EU)).records.values == ("198.51.100.9",)


# -- the chain ---------------------------------------------------------------------------------------------------


def test_a_policy_that_would_leave_none_is_passed_over() -> None:
    dead = {"a": state(A, up=False)}
    made = service((A, B, C), Policy.HEALTH, Policy.REGION, Policy.ROUND_ROBIN)
    ask = chooses(inputs(zone(made), dead))
    assert {last(ask(asker(EU)).records.values[0]) for _ in range(9)} == {2, 3}


@pytest.mark.parametrize(("rule", "count"), [(NoneLive.ALL, 3), (NoneLive.NONE, 0)])
def test_what_is_answered_when_none_lives(rule: NoneLive, count: int) -> None:
    dead = {each.name: state(each, up=False) for each in (A, B, C)}
    made = service((A, B, C), Policy.HEALTH, Policy.ROUND_ROBIN, none_live=rule, answers=None)
    assert len(chooses(inputs(zone(made), dead))(asker(US)).records.values) == count


def test_a_name_of_which_none_lives_leads_on() -> None:
    dead = {each.name: state(each, up=False) for each in (A, B)}
    whole = zone(service((A, B), Policy.HEALTH, otherwise="next.example.org."))
    content = compiled(inputs(whole, dead), naming.memory())
    for kind in ("A", "AAAA"):
        records = naming.choice(content, kind)(asker(US)).records
        assert (records.type, records.values) == ("CNAME", ("next.example.org.",))
    one = compiled(inputs(whole, {"a": state(A, up=False)}), naming.memory())
    assert naming.choice(one)(asker(US)).records.values == ("198.51.100.2",)
    assert naming.choice(one, "AAAA")(asker(US)).records.values == ()


def test_the_walk_says_what_each_policy_was_handed_and_left() -> None:
    made, candidates = known(
        Policy.HEALTH, Policy.REGION, Policy.WEIGHT, states={"b": state(B, up=False, why="x")}
    )
    found, steps = walk(made, candidates, Where("us"))
    assert [(s.policy, s.given, s.kept) for s in steps] == [
        (Policy.HEALTH, ("a", "b", "c"), ("a", "c")),
        (Policy.REGION, ("a", "c"), ("c",)),
        (Policy.WEIGHT, ("c",), ("c",)),
    ]
    assert steps[0].why["b"] == "probes: x"
    assert found == tree(made, candidates, Where("us"))


NARROWING = sorted(NARROWS)
STATES = some.builds(
    lambda up, word, servers, sessions: {
        "up": up, "word": word, "servers": servers, "sessions": sessions, "capacity": 100,
    },
    some.sampled_from([None, True, False]),
    some.sampled_from(["", "", "not fit"]),
    some.none() | some.integers(0, 3),
    some.none() | some.integers(0, 120),
)  # fmt: skip


@some.composite
def chains(draw: some.DrawFn) -> tuple[Policy, ...]:
    middle = draw(
        some.lists(some.sampled_from([p for p in Policy if p not in ORDERS]), unique=True, max_size=8)
    )
    chain = [each for each in middle if each is not Policy.HEALTH]
    order = draw(some.none() | some.sampled_from(sorted(ORDERS)))
    return (Policy.HEALTH, *chain, *((order,) if order else ()))


@settings(max_examples=examples(40, 1000), deadline=None)
@given(
    chains(),
    some.lists(STATES, min_size=1, max_size=6),
    some.sampled_from([EU, US, ELSEWHERE, "10.1.128.9"]),
    some.none() | some.integers(1, 4),
    some.dictionaries(some.sampled_from(["east", "west"]), some.floats(0.001, 0.2)),
)
def test_what_is_answered_lives_if_any_does_and_is_the_same_for_equal_states(
    chain: tuple[Policy, ...],
    rows: list[dict[str, object]],
    client: str,
    answers: int | None,
    rtts: dict[str, float],
) -> None:
    candidates = tuple(
        candidate(f"c{n}", n, site="east" if n % 2 else "west", weight=n % 3, preference=n % 2)
        for n in range(len(rows))
    )
    made = service(candidates, *chain, answers=answers)
    by_name = {each.name: state(each, **row) for each, row in zip(candidates, rows, strict=True)}
    whole = inputs(zone(made), by_name, rtts={"10.1.0.0/24": rtts})
    ask, again = chooses(whole, 5), chooses(whole, 5)
    found = [ask(asker(client)).records for _ in range(5)]
    assert found == [again(asker(client)).records for _ in range(5)]
    live = {str(each.address) for each in candidates if not _dead(by_name[each.name])}
    everything = {str(each.address) for each in candidates}
    for records in found:
        assert records.values
        assert len(set(records.values)) == len(records.values) <= (answers or len(candidates))
        assert set(records.values) <= (live or everything)


def _dead(of: State) -> bool:
    return of.up is False or bool(of.word)


@settings(max_examples=examples(40, 1000), deadline=None)
@given(chains(), some.lists(STATES, min_size=1, max_size=6))
def test_a_chain_only_ever_narrows(chain: tuple[Policy, ...], rows: list[dict[str, object]]) -> None:
    candidates = tuple(candidate(f"c{n}", n, site="east" if n % 2 else "west") for n in range(len(rows)))
    made = service(candidates, *chain)
    whole = zone(made)
    by_name = {each.name: state(each, **row) for each, row in zip(candidates, rows, strict=True)}
    found, steps = walk(made, facts(inputs(whole, by_name), whole, made), Where("eu", {"east": 0.01}))
    assert all(set(step.kept) <= set(step.given) for step in steps)
    straight = [step for step in steps if not step.at]
    assert all(one.kept == next_.given for one, next_ in pairwise(straight))
    assert left(found)
    assert {each.name for each in left(found)} <= set(steps[0].kept)


@pytest.mark.parametrize("policy", list(Policy))
def test_every_policy_says_why_of_each_candidate(policy: Policy) -> None:
    counted = {"a": state(A, sessions=1, capacity=2)} if policy in COUNTS else {}
    made, candidates = known(policy, states=counted)
    _, steps = walk(made, candidates, Where("eu", {"east": 0.01}))
    assert set(steps[0].why) == {"a", "b", "c"}
    assert all(steps[0].why.values())
