"""A pool that is split: subsets share by weights of their own, and one edit promotes a canary or takes it back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.load import load_text
from controller.model.shares import part_shares, scaled
from controller.model.summary import notes
from controller.plan.groups import serving
from controller.plan.history import dump, load
from controller.plan.pool import Health, step
from controller.spec.pool import Subset
from controller.spec.switch import Fate
from controller.spec.types import Pool
from tests.fakes import core
from tests.fakes.poollife import SLOTS, Life, backend, pool

NEVER_HELD = 1.5
"""Of slots: a share is rounded down or up."""


def split(stable: int, canary: int, canaries: int = 1, others: int = 3) -> Pool:
    """So many backends in each subset; one more weighs five times as much as others."""
    stables = [backend(f"s{n}", subset="stable", weight=5 if n == 0 else 1) for n in range(others)]
    fresh = [backend(f"c{n}", subset="canary") for n in range(canaries)]
    parts = (Subset("stable", stable), Subset("canary", canary))
    return pool(backends=(*stables, *fresh), split=parts)


def slots(life: Life) -> dict[str, int]:
    return {m.backend.name: int((life.state.now == m.id).sum()) for m in life.state.members}


def of(found: dict[str, int], letter: str) -> float:
    return sum(count for name, count in found.items() if name.startswith(letter)) / SLOTS


@pytest.mark.parametrize(
    ("stable", "canary", "share"), [(90, 10, 0.1), (99, 1, 0.01), (1, 1, 0.5), (0, 5, 1.0)]
)
def test_a_subset_takes_its_part_whatever_its_backends_weigh(stable: int, canary: int, share: float) -> None:
    found = slots(Life(split(stable, canary)))
    assert of(found, "c") == pytest.approx(share, abs=NEVER_HELD / SLOTS)
    if stable:
        assert found["s0"] == pytest.approx(5 * found["s1"], rel=0.02, abs=6), "within it, weights count"


def test_one_edit_promotes_a_canary_and_one_takes_it_back() -> None:
    life = Life(split(90, 10))
    before = life.state.now
    life.go(10.0, split(0, 100))
    assert of(slots(life), "c") == 1.0
    assert {life.fate(f"s{n}", 10.0) for n in range(3)} == {Fate.DRAIN}, "connections stay for drain_timeout"
    life.go(20.0, split(90, 10))
    assert (life.state.now == before).all()
    assert {life.fate(f"s{n}", 20.0) for n in range(3)} == {Fate.NORMAL}


def test_labels_say_what_belongs_to_a_subset_and_a_name_says_it_before_them() -> None:
    v2 = (("track", "canary"), ("version", "v2"))
    parts = (
        Subset("canary", 1, (("track", "canary"),)), Subset("v2", 1, (("version", "v2"),)), Subset("stable", 2),
    )  # fmt: skip
    reals = (
        backend("c0", labels=v2), backend("b0", labels=v2[1:]), backend("s0", labels=v2, subset="stable"),
        backend("s1", subset="stable", labels=(("version", "v1"),)),
    )  # fmt: skip
    made = pool(backends=reals, split=parts)
    assert [made.subset_of(real) for real in reals] == ["canary", "v2", "stable", "stable"]
    assert made.subset_of(backend("n0", labels=(("track", "x"),))) is None
    assert made.subset_of(backend("n0", labels=v2, home="spare")) is None
    found = slots(Life(made))
    assert [of(found, letter) for letter in "cbs"] == pytest.approx([0.25, 0.25, 0.5], abs=NEVER_HELD / SLOTS)


def test_a_small_step_moves_few_slots() -> None:
    life = Life(split(90, 10))
    before = life.state
    life.go(10.0, split(85, 15))
    assert life.state.moved_from(before) < 0.08 * SLOTS


@pytest.mark.parametrize(
    ("down", "share"),
    [
        ((), 0.5),
        (("c0",), 0.5),
        (("c0", "c1", "c2"), 0.5 * 0.5 / (0.5 * 0.5 + 0.5)),
        (("c0", "c1", "c2", "c3"), 0.0),
    ],
)
def test_a_subset_that_has_lost_much_takes_what_it_can_bear(down: tuple[str, ...], share: float) -> None:
    life = Life(split(1, 1, canaries=4))
    life.go(5.0, health={name: Health(False, 5.0, "refused") for name in down})
    assert of(slots(life), "c") == pytest.approx(share, abs=NEVER_HELD / SLOTS)


def test_backends_of_a_backup_are_not_split() -> None:
    own = split(90, 10)
    lent = [backend(f"b{n}", group=1, home="spare", weight=n + 1) for n in range(2)]
    whole = replace(own, backends=(*own.backends, *lent))
    down = dict.fromkeys((real.name for real in own.backends), False)
    assert dict(serving(whole.backends, down, whole).weights) == {"b0": 1, "b1": 2}


def test_factors_move_shares_within_a_subset() -> None:
    members = split(1, 1, canaries=2).backends
    found = scaled(split(1, 1, canaries=2), members, members, Fraction(1), {"c0": Fraction(1, 3)})
    total = sum(found.values())
    assert found["c0"] / total == pytest.approx(0.125)
    assert found["c1"] / total == pytest.approx(0.375)


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=6), st.integers(1, 3))
def test_parts_are_in_proportion_to_the_weights_of_subsets(weights: list[int], each: int) -> None:
    names = [f"p{n}" for n in range(len(weights))]
    reals = tuple(backend(f"{name}-{n}", subset=name) for name in names for n in range(each))
    parts = tuple(Subset(name, weight) for name, weight in zip(names, weights, strict=True))
    found = part_shares(pool(backends=reals, split=parts), 0)
    wanted = {name: weight for name, weight in zip(names, weights, strict=True) if weight}
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        assert float(found[name]) == pytest.approx(weight / sum(wanted.values()), abs=1e-6)


def test_check_says_what_subsets_take_and_status_shows_it(tmp_path: Path) -> None:
    text = core.text("pair").replace("- name: s1\n", "- name: s1\n    subset: canary\n")
    text = text.replace("- name: s2\n", "- name: s2\n    subset: stable\n")
    text = text.replace("- name: s3\n", "- name: s3\n    subset: stable\n")
    rows = "[{name: stable, weight: 3}, {name: canary, weight: 1}]"
    text = text.replace("  backends:\n", f"  split: {rows}\n  backends:\n", 1)
    intent = load_text(text, "f")
    assert 'pool "web" splits new connections: stable 75%, canary 25%' in notes(intent)
    file = core.intent_file(tmp_path / "intent.yaml")
    file.intent = intent
    shown = core.whole(file).app.snapshot().pools["web/tcp"]
    assert {name: (each.share, each.living) for name, each in shown.split.items()} == {
        "stable": (0.75, 2), "canary": (0.25, 1),
    }  # fmt: skip
    assert shown.backends["s1"].subset == "canary"


def test_a_controller_that_starts_finds_backends_as_they_were() -> None:
    reals = (backend("c0", labels=(("track", "canary"),)), backend("s0", subset="stable"))
    life = Life(
        pool(backends=reals, split=(Subset("canary", 1, (("track", "canary"),)), Subset("stable", 1)))
    )
    read = load(dump(life.state))
    assert read.members == life.state.members
    assert step(read, life.pool, {}, life.ids, 1.0).members is read.members
