"""What panic threshold and schedule promise."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.health.panic import effective
from controller.health.schedule import TICK, Wheel, first_due, next_due
from controller.health.targets import Probe
from controller.spec.health import ProbeKind


@pytest.mark.parametrize(
    ("up", "threshold", "usable", "panicked"),
    [
        ({}, 0.5, "", False),
        ({"a": True, "b": True}, 0.5, "ab", False),
        ({"a": True, "b": False}, 0.5, "a", False),
        ({"a": True, "b": False, "c": False}, 0.5, "abc", True),
        ({"a": False}, 0.5, "a", True),
        ({"a": False, "b": False}, 1.0, "", False),
        ({"a": True, "b": False}, 0.0, "ab", True),
        ({"a": True}, 0.0, "a", False),
    ],
)
def test_health_is_ignored_above_the_threshold_only(
    up: dict[str, bool], threshold: float, usable: str, panicked: bool
) -> None:
    assert effective(up, threshold) == (frozenset(usable), panicked)


@given(st.dictionaries(st.text(max_size=3), st.booleans(), min_size=1), st.floats(0, 0.99))
def test_below_1_a_pool_never_runs_empty(up: dict[str, bool], threshold: float) -> None:
    usable, panicked = effective(up, threshold)
    assert usable
    assert panicked == (usable != {name for name in up if up[name]})


TIMES = st.floats(0, 1e7)
INTERVALS = st.floats(0.01, 600)
FRACTIONS = st.floats(0, 1, exclude_max=True)


@given(TIMES, INTERVALS, FRACTIONS)
def test_next_is_later_by_at_most_an_interval(now: float, interval: float, fraction: float) -> None:
    due = next_due(now, interval, fraction)
    assert now - 1e-6 <= due <= now + interval + 1e-6


@given(TIMES, INTERVALS, FRACTIONS)
def test_target_keeps_its_place_in_the_interval(now: float, interval: float, fraction: float) -> None:
    due = next_due(now, interval, fraction)
    again = next_due(due + interval / 2, interval, fraction)
    assert again == pytest.approx(due + interval, abs=1e-6)


@given(TIMES, INTERVALS, FRACTIONS)
def test_new_target_is_asked_within_a_second(now: float, interval: float, fraction: float) -> None:
    assert now <= first_due(now, interval, fraction) <= now + 1.0


def test_ten_thousand_targets_are_spread_evenly_and_the_same_everywhere() -> None:
    probes = [Probe(ProbeKind.TCP, IPv4Address(0x0A000000 + n), 80) for n in range(10_000)]
    tenths = Counter(int(probe.fraction * 10) for probe in probes)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) < 1_200
    milliseconds = Counter(int(probe.fraction * 1000) for probe in probes)
    assert max(milliseconds.values()) < 40
    assert probes[7].key == "b676c60133e6751a414ad4c5"


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 101)))
def test_wheel_gives_everything_once_and_never_early(whens: list[float], looks: list[float]) -> None:
    wheel: Wheel[float] = Wheel()
    for when in whens:
        wheel.add(when, when)
    taken: list[float] = []
    for now in [*sorted(looks), 102.0]:
        due = wheel.take(now)
        assert all(when <= now for when in due)
        assert all(now - when <= 2 * TICK for when in whens if when not in taken + due and when <= now)
        taken += due
    assert sorted(taken) == sorted(whens)
    assert wheel.next() is None


def test_wheel_says_when_to_look_again() -> None:
    wheel: Wheel[str] = Wheel()
    wheel.add(3.0, "later")
    wheel.add(1.0, "sooner")
    assert wheel.next() == pytest.approx(1.0, abs=2 * TICK)
    assert wheel.take(2.0) == ["sooner"]
    assert wheel.next() == pytest.approx(3.0, abs=2 * TICK)
