"""Calls that change single backends edit a draft: what comes of many of them is what comes of one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.drafts import Draft
from controller.api.edits import Values, changes, drained, weighted
from controller.api.errors import Refused
from controller.api.names import Kind, Name
from controller.model.backups import with_backups
from controller.spec.types import Intent
from tests.fakes import core

PAIR = core.loaded("pair")


WEB = PAIR.pools[0]
RESERVE = replace(
    WEB, name="reserve", backends=tuple(replace(real, name=f"r{real.name}") for real in WEB.backends)
)


def of(backup: str | None) -> Intent:
    """Two pools; the first may have the other one as its backup."""
    return replace(PAIR, pools=with_backups((replace(WEB, backup=backup), RESERVE)))


NAMES = [Name(Kind.BACKEND, pool.name, real.name) for pool in of(None).pools for real in pool.own]
EDITS = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3), min_size=1).map(weighted),
    st.tuples(st.lists(st.sampled_from(NAMES), min_size=1, unique=True), st.booleans()).map(
        lambda given: drained(*given)
    ),
)


def one_by_one(intent: Intent, values: Mapping[Name, Mapping[str, Any]]) -> Intent:
    """The slow way: pools are made again."""
    pools = tuple(
        replace(
            pool,
            backends=tuple(
                replace(real, **values.get(Name(Kind.BACKEND, pool.name, real.name), {})) for real in pool.own
            ),
        )
        for pool in intent.pools
    )
    return replace(intent, pools=with_backups(pools))


@settings(max_examples=25, deadline=None)
@given(st.lists(EDITS, max_size=6), st.booleans())
def test_many_edits_of_backends_are_one_intent_and_each_says_what_it_changed(
    made: list[Values], with_backup: bool
) -> None:
    intent = of("reserve" if with_backup else None)
    draft, now = Draft(intent), intent
    for edit in made:
        before, now = now, one_by_one(now, edit.by_backend)
        assert draft.values(edit) == changes(before, now)
    assert draft.intent == now


def test_an_edit_with_a_backend_that_is_not_there_changes_nothing() -> None:
    draft = Draft(PAIR)
    beyond = Name(Kind.BACKEND, NAMES[0].name, "beyond")
    with pytest.raises(Refused, match="beyond"):
        draft.values(weighted({NAMES[0]: 7, beyond: 7}))
    with pytest.raises(Refused, match="pools/none"):
        draft.values(weighted({NAMES[0]: 7, Name(Kind.BACKEND, "none", "s1"): 7}))
    assert draft.intent is PAIR


def test_edits_of_the_whole_see_those_of_backends_before_them() -> None:
    draft = Draft(PAIR)
    draft.values(weighted({NAMES[0]: 7}))
    before, after, found = draft.whole(lambda intent: replace(intent, allow_empty=not intent.allow_empty))
    assert [real.weight for real in before.pools[0].own if real.name == NAMES[0].backend] == [7]
    assert [name for name, _ in found.listed] == ["document"]
    assert draft.intent is before, "nothing is taken before it is permitted"
    draft.take(after)
    draft.values(weighted({NAMES[1]: 5}))
    assert draft.intent.allow_empty is not PAIR.allow_empty
    assert draft.backends(NAMES[:2])[NAMES[1]].weight == 5
