"""Shards: a mapping like any other, whose versions do not change and whose differences are exact."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.spec.shards import Shards

CONTENT = st.dictionaries(st.integers(0, 5000), st.integers(0, 2), max_size=60)
KEYS = st.sets(st.integers(0, 5000), max_size=30)


@settings(deadline=None)
@given(CONTENT, CONTENT, KEYS)
def test_a_new_version_is_what_a_dict_would_be_and_leaves_the_old_one_alone(
    old: dict[int, int], put: dict[int, int], more: set[int]
) -> None:
    gone = more | set(list(old)[::3])
    first = Shards(old)
    second = first.changed(put, gone)
    expected = {key: value for key, value in (old | put).items() if key not in gone}
    for made, model in ((first, old), (second, expected)):
        assert dict(made) == model
        assert made == model
        assert len(made) == len(model)
        assert all(made.get(key) == model.get(key) and (key in made) == (key in model) for key in gone)


@settings(deadline=None)
@given(CONTENT, CONTENT, KEYS)
def test_all_differences_are_in_the_parts_that_differ(
    old: dict[int, int], put: dict[int, int], gone: set[int]
) -> None:
    first = Shards(old)
    for second in (first.changed(put, gone), Shards({**put, **dict.fromkeys(gone, 5)})):
        for pairs in (list(first.differing(second)), list(second.lacking(old))):
            merged = dict(old)
            for ours, theirs in pairs:
                for key in ours:
                    del merged[key]
                assert not merged.keys() & theirs.keys()
                merged |= theirs
            assert merged == dict(second)


def test_versions_that_are_equal_differ_nowhere_and_one_change_is_in_one_part() -> None:
    content = dict.fromkeys(range(10_000), 0)
    first = Shards(content)
    assert not list(first.differing(Shards(content)))
    assert not list(first.differing(first.changed({5: 0}, [10_001])))
    ((ours, theirs),) = first.differing(first.changed({5: 1}))
    assert len(ours) == len(theirs) < 100
