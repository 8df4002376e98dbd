"""An intent that takes everything away is refused by a running controller unless it says that it is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model.load import load_text
from controller.model.removal import removes_all
from controller.model.summary import notes
from controller.spec.types import Intent
from tests.unit.spoil import DATA

FULL = load_text((DATA / "good.yaml").read_text(), "f")
RIGHT = "put them back, or add allow_empty: true at the top of the file if this is meant"
NO_LISTENERS = replace(FULL, vips=tuple(replace(vip, listeners=()) for vip in FULL.vips))
NO_BACKENDS = replace(FULL, pools=tuple(replace(pool, backends=()) for pool in FULL.pools))


@pytest.mark.parametrize(
    ("new", "lost"),
    [
        (FULL, []),
        (replace(FULL, vips=FULL.vips[:1]), []),
        (replace(FULL, vips=()), ["VIPs (2)", "listeners (4)"]),
        (NO_LISTENERS, ["listeners (4)"]),
        (replace(FULL, vips=(), pools=()), ["VIPs (2)", "listeners (4)", "pools (2)", "backends (3)"]),
        (NO_BACKENDS, ["backends (3)"]),
        (replace(FULL, vips=(), pools=(), allow_empty=True), []),
    ],
)
def test_taking_all_of_a_kind_away_is_refused_with_how_to_say_it_is_meant(
    new: Intent, lost: list[str]
) -> None:
    assert removes_all(FULL, new) == [f"the new intent removes all {what}: {RIGHT}" for what in lost]


def test_what_served_nothing_may_go_on_serving_nothing() -> None:
    empty = replace(FULL, vips=(), pools=())
    assert removes_all(empty, empty) == []
    assert removes_all(empty, FULL) == []


def test_check_knows_the_key_and_says_that_it_should_not_stay() -> None:
    intent = load_text((DATA / "good.yaml").read_text() + "allow_empty: true\n", "f")
    assert intent.allow_empty
    assert any(note.startswith("allow_empty ") for note in notes(intent))
