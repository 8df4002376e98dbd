"""Never two owners: the rules hold in every order of a small world, and each guard is needed."""

from __future__ import annotations

import inspect
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sites import guards
from tests.examples import examples
from tests.ownership.explore import explore, parse, replay
from tests.ownership.instances import INSTANCES, Instance
from tests.ownership.key import Key, Keys
from tests.ownership.model import Model
from tests.ownership.mutations import MUTATIONS
from tests.ownership.parts import Broken, Size
from tests.ownership.sequences import HELD, PEERS, SEQUENCES, Sequence
from tests.ownership.walk import LAGGING, LARGE, THREE, walk

SMALL = Size(authority=2, renew=2, ticks=((1, 2), (2, 1)))
NOT_FOR_SAFETY = {"unheard"}
"""Guards against moves without need: ``test_sites_schedules`` shows what they are for."""


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda each: each.why.replace(" ", "-"))
def test_the_rules_hold_and_their_guard_is_needed(sequence: Sequence) -> None:
    replay(sequence.size, parse(sequence.events), possible=True)
    with MUTATIONS[sequence.guard].applied(), pytest.raises(Broken):
        replay(sequence.size, parse(sequence.events))


def test_every_guard_is_left_out_in_some_sequence() -> None:
    names = {
        name
        for name, each in vars(guards).items()
        if inspect.isfunction(each) and each.__module__ == guards.__name__
    }
    assert {MUTATIONS[each.guard].guard for each in SEQUENCES} == names - NOT_FOR_SAFETY
    assert {each.guard for each in SEQUENCES} == set(MUTATIONS)


def test_no_order_of_any_length_leads_to_two_owners() -> None:
    found = explore(SMALL, {})
    assert found.finished
    assert not found.sequence, (found.why, " ".join(map(str, found.sequence)))
    assert found.states > 10_000  # it saw takeovers both ways


def test_the_search_finds_two_owners_where_a_guard_is_missing() -> None:
    with MUTATIONS["clocks are taken for equal"].applied():
        assert explore(SMALL, {}).sequence


def test_promises_hold_in_every_order_soon_after_the_store_is_lost() -> None:
    found = explore(PEERS, {}, limit=5_000, after=HELD + " tick:1:2 tick:1:2 poll:0")
    assert not found.sequence, (found.why, " ".join(map(str, found.sequence)))
    with MUTATIONS["a promise by equal clocks"].applied():
        assert explore(PEERS, {}, limit=5_000, after=HELD + " tick:1:2 tick:1:2 poll:0").sequence


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda each: each.what.replace(" ", "-"))
def test_worlds_that_the_search_takes_for_equal_lead_to_equal_worlds(instance: Instance) -> None:
    model, keys, chance = Model(instance.size), Keys(instance.size), random.Random(1)
    known: dict[Key, set[tuple[str, Key]]] = {}
    for _ in range(4):
        world = replay(instance.size, parse(instance.after))
        for _ in range(30):
            events = list(model.events(world, dict.fromkeys(instance.budget, 1)))
            later = {(event.kind, keys.of(model.play(world, event))) for event in events}
            assert known.setdefault(keys.of(world), later) == later
            world = model.play(world, chance.choice(events))


@settings(max_examples=examples(30, 100))
@given(st.integers(0, 1 << 32), st.sampled_from([LARGE, LAGGING, THREE]))
def test_random_walks_of_larger_worlds_come_to_no_two_owners(seed: int, size: Size) -> None:
    walk(seed, 300, size)
