"""How an edge spreads packets over lb switches: exact shares, and only the slots of who goes or comes change."""

from __future__ import annotations

import random
from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from controller.plan.ecmp import SLOTS, ecmp
from controller.spec.switch import FALLBACKS, NO_ECMP, Ecmp

NAMES = st.lists(st.integers(1, 5000).map(lambda n: f"{n:x}/0"), min_size=1, max_size=24, unique=True)


def made(names: list[str], first_port: int = 1) -> Ecmp:
    return ecmp(tuple((port, name) for port, name in enumerate(names, first_port)))


def chosen(spread: Ecmp, alive: set[int]) -> list[int]:
    """Port per slot while only these are alive; 0: none."""
    ways = {way.id: way.ports for way in spread.ways}
    return [next((port for port in ways[way] if port in alive), 0) for way in spread.slots]


def test_an_edge_without_uplinks_spreads_nothing() -> None:
    assert ecmp(()) is NO_ECMP


@given(NAMES)
def test_everybody_is_preferred_by_an_exact_share_of_the_slots(names: list[str]) -> None:
    ports = set(range(1, len(names) + 1))
    counts = Counter(chosen(made(names), ports))
    assert set(counts) == ports
    assert max(counts.values()) - min(counts.values()) <= 1


@given(NAMES, st.data())
def test_who_goes_leaves_its_own_slots_alone_to_others_and_gets_them_again(
    names: list[str], data: st.DataObject
) -> None:
    spread, ports = made(names), set(range(1, len(names) + 1))
    alive = data.draw(st.sets(st.sampled_from(sorted(ports)), min_size=1))
    gone = data.draw(st.sampled_from(sorted(alive)))
    before, after = chosen(spread, alive), chosen(spread, alive - {gone})
    for old, new in zip(before, after, strict=True):
        assert new == old if old != gone else new in {0, *alive} - {gone}
    assert (0 in after) == (alive == {gone})


@given(NAMES)
def test_the_load_of_who_goes_is_spread(names: list[str]) -> None:
    spread, ports = made(names), set(range(1, len(names) + 1))
    before = chosen(spread, ports)
    for gone in ports:
        after = chosen(spread, ports - {gone})
        heirs = Counter(new for old, new in zip(before, after, strict=True) if old == gone)
        turns, slots = (ceil(FALLBACKS / max(len(ports) - 1, 1)), ceil(before.count(gone) / FALLBACKS))
        assert max(heirs.values()) <= turns * slots


def changed(names: list[str], more: str) -> int:
    """Slots that change their lb switch for another one than ``more``, which is added."""
    count = len(names) + 1
    old = chosen(made(names), set(range(1, count)))
    new = chosen(made([*names, more]), set(range(1, count + 1)))
    return sum(a != b for a, b in zip(old, new, strict=True) if b != count)


def test_who_is_added_takes_its_share_and_changes_few_other_slots() -> None:
    """Mostly few: two names may have nearly the same order of slots, and then many of theirs change hands."""
    chance = random.Random(1)
    found = sorted(
        changed([f"{n:x}/0" for n in chance.sample(range(1, 5000), count)], "2000/0")
        for count in range(1, 9)
        for _ in range(25)
    )
    assert found[len(found) // 2] <= SLOTS / 32
    assert found[len(found) * 9 // 10] <= SLOTS / 16


@given(NAMES, st.randoms())
def test_edges_agree_whatever_their_ports(names: list[str], random: object) -> None:
    one, other = made(names), made(list(reversed(names)), first_port=100)
    name_of = dict(enumerate(names, 1))
    other_name = dict(enumerate(reversed(names), 100))
    first = [name_of[port] for port in chosen(one, set(name_of))]
    second = [other_name[port] for port in chosen(other, set(other_name))]
    assert first == second


def test_ids_of_ways_are_below_those_of_the_next_port() -> None:
    spread = made([f"{n:x}/0" for n in range(1, 4)])
    assert [way.id for way in spread.ways] == list(range(FALLBACKS, 4 * FALLBACKS))
    assert len(spread.slots) == SLOTS
