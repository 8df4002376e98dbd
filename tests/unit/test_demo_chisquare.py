"""Chi-square figures against published ones."""

from __future__ import annotations

import math
import random

import pytest

from topo.demo.chisquare import fit, survival, together


@pytest.mark.parametrize(
    ("x", "df", "p"),
    [
        # Critical values from the usual printed tables.
        (3.841459, 1, 0.05),
        (6.634897, 1, 0.01),
        (10.827566, 1, 0.001),
        (11.070498, 5, 0.05),
        (20.515006, 5, 0.001),
        (18.307038, 10, 0.05),
        (3.940299, 10, 0.95),
        (124.342113, 100, 0.05),
        (149.449253, 100, 0.001),
    ],
)
def test_survival_matches_the_printed_tables(x: float, df: int, p: float) -> None:
    assert survival(x, df) == pytest.approx(p, rel=1e-5)


@pytest.mark.parametrize("x", [0.0, 0.5, 2.0, 9.0, 40.0, 700.0])
def test_survival_of_two_degrees_is_the_exponential(x: float) -> None:
    assert survival(x, 2) == pytest.approx(math.exp(-x / 2), rel=1e-9)


@pytest.mark.parametrize(("x", "df"), [(1.0, 0), (-1.0, 3)])
def test_survival_refuses_what_is_no_chi_square(x: float, df: int) -> None:
    with pytest.raises(ValueError, match=r"x must be >= 0 and df >= 1"):
        survival(x, df)


def test_fit_of_a_worked_example() -> None:
    result = fit({"a": 44, "b": 56}, {"a": 1, "b": 1})
    assert result.df == 1
    assert result.statistic == pytest.approx(1.44)
    assert result.p == pytest.approx(0.2301, abs=1e-4)


def test_counts_that_follow_the_weights_fit_and_others_do_not() -> None:
    rng = random.Random(7)
    weights = {"s1": 2, "s2": 1, "s3": 1}
    drawn = rng.choices(list(weights), list(weights.values()), k=4000)
    counts = {name: drawn.count(name) for name in weights}
    assert fit(counts, weights).p > 0.001
    assert fit(counts, {"s1": 1, "s2": 1, "s3": 1}).p < 1e-9


def test_a_backend_that_got_nothing_does_not_fit() -> None:
    assert fit({"a": 100, "b": 100}, {"a": 1, "b": 1, "c": 1}).p < 1e-9


@pytest.mark.parametrize("observed", [{}, {"a": 5}])
def test_nothing_to_compare_is_said_by_zero_degrees(observed: dict[str, int]) -> None:
    assert fit(observed, {"a": 1}).df == 0


def test_fits_add_up() -> None:
    whole = together([fit({"a": 44, "b": 56}, {"a": 1, "b": 1})] * 3)
    assert whole.df == 3
    assert whole.statistic == pytest.approx(4.32)
    assert whole.p == pytest.approx(survival(4.32, 3))
