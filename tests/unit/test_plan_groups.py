"""Priority groups: what lives decides which share each takes, more life never gives more to later ones."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.health.panic import effective
from controller.plan.groups import Serving, serving, shares
from controller.spec.policy import Zones
from controller.spec.types import Backend, Pool
from tests.fakes.poollife import Life, backend, but, down, pool


def grouped(*names: str, **more: object) -> Pool:
    """``a0``: backend a of group 0."""
    return Pool("web", tuple(backend(name, group=int(name[-1])) for name in names), **more)  # type: ignore[arg-type]


def taken(of: Pool, *dead: str) -> list[float]:
    """The groups' shares while these backends are down."""
    return [float(each.share) for each in shares(of.backends, dict.fromkeys(dead, False), of)]


FOUR = ("a0", "b0", "c0", "d0")


@pytest.mark.parametrize(
    ("spill_below", "dead", "wanted"),
    [
        (0.5, FOUR[:0], [1, 0]),
        (0.5, FOUR[:2], [1, 0]),
        (0.5, FOUR[:3], [0.5, 0.5]),
        (0.5, FOUR, [0, 1]),
        (0.0, FOUR[:3], [1, 0]),
        (0.0, FOUR, [0, 1]),
        (1.0, FOUR[:1], [0.75, 0.25]),
        (0.5, (*FOUR[:3], "x1", "y1"), [1, 0]),
        (0.5, (*FOUR, "x1"), [0, 1]),
    ],
)
def test_a_group_takes_what_its_living_backends_can_bear(
    spill_below: float, dead: tuple[str, ...], wanted: list[float]
) -> None:
    assert taken(grouped(*FOUR, "x1", "y1", spill_below=spill_below), *dead) == wanted


def test_what_no_group_can_bear_is_shared_by_what_lives_of_them() -> None:
    three = grouped(*FOUR, "v1", "w1", "x1", "y1", "z2", spill_below=1.0)
    assert taken(three, "a0", "b0", "c0", "v1", "w1") == [0.25, 0.5, 0.25]
    assert taken(three, "a0", "b0", "c0", "v1", "w1", "z2") == pytest.approx([1 / 3, 2 / 3, 0])


def test_a_draining_backend_is_missing_and_one_without_weight_is_not() -> None:
    of = but(grouped(*FOUR, "x1"), "a0", drain=True)
    of = but(of, "b0", drain=True)
    assert taken(of) == [1, 0]
    assert taken(but(of, "c0", drain=True)) == [0.5, 0.5]
    assert taken(but(of, "c0", weight=0)) == [pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert taken(but(but(but(of, "a0", weight=0), "b0", weight=0), "c0", weight=0)) == [1, 0]


def test_while_one_group_serves_weights_are_those_of_the_intent() -> None:
    of = but(grouped(*FOUR, "x1", "y1"), "y1", weight=7)
    assert serving(of.backends, {}, of).weights == dict.fromkeys(FOUR, 1)
    assert serving(of.backends, dict.fromkeys(FOUR, False), of).weights == {"x1": 1, "y1": 7}


def test_within_a_group_weights_are_as_configured_while_it_shares() -> None:
    of = but(but(grouped(*FOUR, "x1", "y1"), "y1", weight=3), "d0", weight=2)
    weights = serving(of.backends, dict.fromkeys(("b0", "d0"), False), of).weights
    assert weights["x1"] * 3 == pytest.approx(weights["y1"], rel=1e-6)
    assert weights["a0"] == weights["c0"]
    # 2 of 5 live, which bear 80% where 50% are to live.
    assert (weights["a0"] + weights["c0"]) / sum(weights.values()) == pytest.approx(0.8, rel=1e-6)


def test_there_is_no_panic_while_a_group_can_be_believed() -> None:
    of = grouped(*FOUR, "x1", "y1", panic_threshold=0.5)
    assert not serving(of.backends, dict.fromkeys(FOUR[:3], False), of).panicked
    assert not serving(of.backends, dict.fromkeys(FOUR, False), of).panicked
    found = serving(of.backends, dict.fromkeys((*FOUR[:3], "x1", "y1"), False), of)
    assert found == Serving(dict.fromkeys(FOUR, 1), True), "of the group of which one lives, all serve"


def test_with_all_down_the_first_group_panics_or_nobody_serves() -> None:
    everyone = dict.fromkeys((*FOUR, "x1"), False)
    of = grouped(*FOUR, "x1", panic_threshold=0.5)
    assert serving(of.backends, everyone, of) == Serving(dict.fromkeys(FOUR, 1), True)
    assert serving(of.backends, everyone, replace(of, panic_threshold=1.0)) == Serving({}, False)


def test_a_group_that_drains_as_a_whole_has_no_say_about_panic() -> None:
    of = grouped("a0", "x1", "y1", "z1", panic_threshold=0.5)
    found = serving(but(of, "a0", drain=True).backends, {"x1": False, "y1": False}, of)
    assert found == Serving(dict.fromkeys(("x1", "y1", "z1"), 1), True)


# -- zones ----------------------------------------------------------------------------------------------------


def zoned(**more: object) -> Pool:
    """Three servers in zone a and one in zone b."""
    reals = tuple(backend(name, zone=zone) for name, zone in (("p", "a"), ("q", "a"), ("r", "a"), ("s", "b")))
    return Pool("web", reals, panic_threshold=1.0, zones=Zones.EVEN, **more)  # type: ignore[arg-type]


def by_zone(of: Pool, up: dict[str, bool], zone: str | None) -> float:
    """The share of new connections of a zone."""
    weights = serving(of.backends, up, of).weights
    whole = sum(weights.values())
    part = sum(weights.get(real.name, 0) for real in of.backends if real.zone == zone)
    return part / whole if whole else 0.0


@pytest.mark.parametrize(
    ("dead", "spill_below", "share"),
    [
        ("", 0.5, 0.5),
        ("q", 0.5, 0.5),
        ("qr", 0.5, 0.4),
        ("qr", 0.0, 0.5),
        ("q", 1.0, 0.4),
        ("pqr", 0.5, 0.0),
        ("s", 0.5, 1.0),
        ("qrs", 0.5, 1.0),
    ],
)
def test_zones_take_the_same_and_one_that_has_lost_much_spills_over(
    dead: str, spill_below: float, share: float
) -> None:
    of = zoned(spill_below=spill_below)
    assert by_zone(of, dict.fromkeys(dead, False), "a") == pytest.approx(share, abs=1e-6)


def test_in_a_zone_backends_take_what_their_weights_say() -> None:
    of = but(zoned(), "p", weight=6)
    weights = serving(of.backends, {}, of).weights
    assert weights["p"] == pytest.approx(6 * weights["q"], rel=1e-6)
    assert weights["s"] == pytest.approx(8 * weights["q"], rel=1e-6)
    assert serving(of.backends, {}, replace(of, zones=Zones.WEIGHTS)).weights["s"] == 1


NAMES = tuple(f"s{number}" for number in range(10))


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """A pool of up to ten backends in up to four groups."""
    backends = tuple(
        backend(
            name,
            weight=draw(st.sampled_from([0, 1, 1, 2, 5, 65535])),
            group=draw(st.integers(0, 3)),
            drain=draw(st.sampled_from([False, False, False, True])),
            zone=draw(st.sampled_from([None, "a", "b"])),
        )
        for name in NAMES[: draw(st.integers(1, len(NAMES)))]
    )
    spill_below = draw(st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
    return Pool(
        "web", backends, panic_threshold=draw(st.sampled_from([0.0, 0.5, 1.0])), spill_below=spill_below
    )


verdicts = st.dictionaries(st.sampled_from(NAMES), st.booleans())


def able(of: Pool) -> list[Backend]:
    return [real for real in of.backends if real.weight and not real.drain]


@settings(max_examples=60)
@given(pools(), verdicts)
def test_shares_are_whole_and_only_the_living_get_slots_unless_health_is_ignored(
    of: Pool, up: dict[str, bool]
) -> None:
    found = shares(of.backends, up, of)
    assert sum(each.share for each in found) == (1 if able(of) else 0)
    serves = serving(of.backends, up, of)
    living = {real.name for real in able(of) if up.get(real.name, True)}
    assert set(serves.weights) <= {real.name for real in able(of)}
    assert all(weight >= 1 for weight in serves.weights.values())
    assert sum(serves.weights.values()) < 2**31
    if not serves.panicked:
        assert set(serves.weights) <= living
        assert bool(serves.weights) == bool(living), "who lives serves"


@settings(max_examples=60)
@given(pools(), verdicts, st.sampled_from(NAMES))
def test_more_life_in_a_group_never_gives_more_to_later_ones(
    of: Pool, up: dict[str, bool], risen: str
) -> None:
    rises = [real for real in able(of) if real.name == risen]
    if not rises or not any(up.get(real.name, True) for real in able(of)):
        return
    before = {e.group: e.share for e in shares(of.backends, {**up, risen: False}, of)}
    if not any({**up, risen: False}.get(real.name, True) for real in able(of)):
        return  # none lives: the first group stands for that
    after = {e.group: e.share for e in shares(of.backends, {**up, risen: True}, of)}
    assert after[rises[0].group] >= before[rises[0].group]
    for group in after:
        if group != rises[0].group:
            assert after[group] <= before[group], (group, before, after)


@settings(max_examples=60)
@given(pools(), verdicts, st.sampled_from(NAMES))
def test_more_life_in_a_zone_never_gives_more_to_another(of: Pool, up: dict[str, bool], risen: str) -> None:
    one = tuple(replace(real, group=0) for real in of.backends)
    of = replace(of, backends=one, panic_threshold=1.0, zones=Zones.EVEN)
    rises = [real.zone for real in able(of) if real.name == risen]
    before, after = {**up, risen: False}, {**up, risen: True}
    for zone in ("a", "b", None) if rises else ():
        gained = by_zone(of, after, zone) - by_zone(of, before, zone)
        assert (gained if zone == rises[0] else -gained) >= -1e-4


@settings(max_examples=60)
@given(pools(), verdicts)
def test_of_one_group_the_threshold_changes_nothing(of: Pool, up: dict[str, bool]) -> None:
    flat = tuple(replace(real, group=0) for real in of.backends)
    one = replace(of, backends=flat, zones=Zones.WEIGHTS)
    judged = {real.name: up.get(real.name, True) for real in able(one)}
    usable, panicked = effective(judged, one.panic_threshold)
    weights = {real.name: real.weight for real in able(one) if real.name in usable}
    assert serving(one.backends, up, one) == Serving(weights, panicked)


@settings(max_examples=60)
@given(pools(), verdicts)
def test_the_threshold_bounds_what_a_living_backend_bears(of: Pool, up: dict[str, bool]) -> None:
    found = shares(of.backends, up, of)
    can = sum((_bears(each.living, each.weight, of.spill_below) for each in found), Fraction(0))
    if can >= 1 and of.spill_below:
        for each in found:
            bound = Fraction(each.living, each.weight) / Fraction(str(of.spill_below))
            assert each.share <= min(Fraction(1), bound)


def _bears(living: int, weight: int, spill_below: float) -> Fraction:
    if not spill_below:
        return Fraction(living > 0)
    return min(Fraction(1), Fraction(living, weight) / Fraction(str(spill_below)))


# -- through time ---------------------------------------------------------------------------------------------


def held(life: Life, *names: str) -> float:
    """The share of slots of these backends."""
    return float(np.isin(life.state.now, [life.id(name) for name in names]).mean())


def test_slots_go_to_the_next_group_in_proportion_and_return_as_they_were() -> None:
    life = Life(grouped(*FOUR, "x1", "y1", panic_threshold=1.0))
    first = life.state.now
    life.go(10.0, health=down("a0", "b0"))
    assert held(life, "c0", "d0") == 1
    half = life.go(20.0, health=down("a0", "b0", "c0")).now
    assert held(life, "d0") == pytest.approx(0.5, abs=0.001)
    assert held(life, "x1", "y1") == pytest.approx(0.5, abs=0.001)
    life.go(30.0, health=down(*FOUR))
    assert held(life, "x1", "y1") == 1
    assert np.array_equal(life.go(40.0, health=down("a0", "b0", "c0")).now, half)
    assert np.array_equal(life.go(50.0, health={}).now, first)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.sets(st.sampled_from([*FOUR, "x1", "y1"])), min_size=1, max_size=6))
def test_the_table_depends_on_who_lives_and_on_nothing_else(dead: list[set[str]]) -> None:
    of = grouped(*FOUR, "x1", "y1", panic_threshold=0.5)
    life = Life(of)
    for number, names in enumerate(dead):
        life.go(10.0 * (number + 1), health=down(*names))
    fresh = Life(of)
    fresh.go(1.0, health=down(*dead[-1]))
    assert np.array_equal(life.state.now, fresh.state.now)
    assert life.state.panicked == fresh.state.panicked


def test_a_pool_of_one_group_has_the_table_that_it_had_whatever_the_threshold() -> None:
    of = pool("a", "b", "c", "d")
    tables = [Life(replace(of, spill_below=share)) for share in (0.0, 0.5, 1.0)]
    for life in tables:
        life.go(10.0, health=down("a", "b", "c"))
    assert all(np.array_equal(tables[0].state.now, life.state.now) for life in tables)
