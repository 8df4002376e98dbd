"""Ids stay with their names, rest for as long as a switch may remember them, and return to a name that comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.plan import ids as module
from controller.plan.ids import QUARANTINE, IdAllocator, IdsExhausted, Space

REAL = Space.BACKEND


def step(ids: IdAllocator, names: str, now: float = 0.0, memory: float = 10.0) -> IdAllocator:
    return ids.step({REAL: dict.fromkeys(names, memory)}, now)


def test_a_name_keeps_its_id_and_spaces_count_apart() -> None:
    ids = step(step(IdAllocator(), "ab"), "abc").step({Space.VIP: {"b": 0.0}}, 0.0)
    assert ids.ids(REAL) == {"a": 1, "b": 2, "c": 3}
    assert ids.id(Space.VIP, "b") == 1
    assert (ids.name(REAL, 2), ids.name(REAL, 9), ids.find(REAL, "z")) == ("b", None, None)


def test_planning_cannot_make_an_id() -> None:
    with pytest.raises(KeyError, match="no id was allocated for backend 'a'"):
        IdAllocator().id(REAL, "a")


def test_nothing_new_is_the_same_object() -> None:
    ids = step(IdAllocator(), "ab")
    assert step(ids, "ab", 50.0) is ids


def test_an_id_rests_for_the_longest_memory_that_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULTS 4.4: it rested by the timeouts of the pools that were left."""
    monkeypatch.setattr(module, "LIMIT", 1)
    ids = step(step(IdAllocator(), "a", memory=7200.0), "a", memory=10.0)
    ids = step(ids, "", 100.0)
    with pytest.raises(IdsExhausted, match="all 1 ids for backends are in use or quarantined"):
        step(ids, "b", 100.0 + QUARANTINE * 7200.0 - 1)
    assert step(ids, "b", 100.0 + QUARANTINE * 7200.0).id(REAL, "b") == 1


def test_a_name_that_returns_has_the_id_that_it_had() -> None:
    """FAULTS 2.2: a listener that was commented out for one edit got other ids than switches remembered."""
    ids = step(step(step(IdAllocator(), "abc"), "", 1.0), "cx", 2.0)
    assert ids.ids(REAL) == {"c": 3, "x": 4}
    assert step(ids, "abcx", 3.0).ids(REAL) == {"a": 1, "b": 2, "c": 3, "x": 4}


def test_names_change_at_once_and_take_their_ids_along() -> None:
    ids = step(IdAllocator(), "ab").renamed(REAL, {"a": "b", "b": "a"})
    assert ids.ids(REAL) == {"a": 2, "b": 1}


def test_what_was_stored_is_the_same_and_another_boot_makes_it_rest_longer() -> None:
    ids = step(step(IdAllocator(), "abc"), "ac", 7.5)
    assert IdAllocator.load(ids.dump()) == ids
    (before,), (after,) = ids.quarantined[REAL].values(), ids.shifted(100.0).quarantined[REAL].values()
    assert after.until == before.until + 100.0


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcdefgh")), st.integers(0, 40)), max_size=40))
def test_no_id_ever_has_two_names_or_is_given_to_another_early(steps: list[tuple[set[str], int]]) -> None:
    ids, now = IdAllocator(), 0.0
    left: dict[int, tuple[str, float]] = {}
    for names, wait in steps:
        now += wait
        before = ids.ids(REAL)
        try:
            ids = step(ids, "".join(sorted(names)), now)
        except IdsExhausted:
            continue
        after = ids.ids(REAL)
        assert set(after) == names
        assert len(set(after.values())) == len(after)
        for name, number in before.items():
            assert after.get(name, number) == number
            if name not in after:
                left[number] = (name, now + QUARANTINE * 10.0)
        for name, number in after.items():
            former, until = left.get(number, (name, 0.0))
            assert former == name or now >= until
        ids = IdAllocator.load(ids.dump())
