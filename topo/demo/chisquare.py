"""Chi-square goodness of fit from the standard library's mathematics alone.

The survival function is the regularised upper incomplete gamma function Q(df/2, x/2): its power series below
the mean, Lentz's continued fraction above it (Abramowitz and Stegun 6.5.29 and 6.5.31).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

_EPSILON = 1e-15
_TINY = 1e-300
_STEPS = 10_000


@dataclass(frozen=True)
class Fit:
    """How well counts follow weights."""

    statistic: float
    df: int
    """Degrees of freedom; 0: nothing to compare."""
    p: float
    """Probability of a fit at least this bad by chance."""


def _lower_series(a: float, x: float) -> float:
    term = total = 1.0 / a
    for n in range(1, _STEPS):
        term *= x / (a + n)
        total += term
        if term < total * _EPSILON:
            break
    return total * math.exp(a * math.log(x) - x - math.lgamma(a))


def _upper_fraction(a: float, x: float) -> float:
    b = x + 1.0 - a
    c = 1.0 / _TINY
    d = 1.0 / b
    value = d
    for n in range(1, _STEPS):
        factor = -n * (n - a)
        b += 2.0
        d = 1.0 / ((factor * d + b) or _TINY)
        c = (b + factor / c) or _TINY
        value *= d * c
        if abs(d * c - 1.0) < _EPSILON:
            break
    return value * math.exp(a * math.log(x) - x - math.lgamma(a))


def survival(x: float, df: int) -> float:
    """P(X >= x) for a chi-square variable X of ``df`` degrees of freedom."""
    if df < 1 or x < 0:
        raise ValueError(f"chi-square of x={x}, df={df}: x must be >= 0 and df >= 1")
    if x == 0:
        return 1.0
    a, half = df / 2.0, x / 2.0
    return 1.0 - _lower_series(a, half) if half < a + 1.0 else _upper_fraction(a, half)


def fit(observed: Mapping[str, int], weights: Mapping[str, float]) -> Fit:
    """Compare counts per name with the shares that ``weights`` promise.

    Names without weight are left out: what they got is a misdirection, which the ledger reports by itself.
    Fewer than two weighted names, or no counts, give df 0 and p 1.
    """
    names = sorted(name for name, weight in weights.items() if weight > 0)
    total = sum(observed.get(name, 0) for name in names)
    if len(names) < 2 or total == 0:
        return Fit(0.0, 0, 1.0)
    share = total / sum(weights[name] for name in names)
    statistic = sum(
        (observed.get(name, 0) - weights[name] * share) ** 2 / (weights[name] * share) for name in names
    )
    df = len(names) - 1
    return Fit(statistic, df, survival(statistic, df))


def together(fits: list[Fit]) -> Fit:
    """One fit of several independent ones: statistics and degrees of freedom add up."""
    statistic = sum(one.statistic for one in fits)
    df = sum(one.df for one in fits)
    return Fit(statistic, df, survival(statistic, df) if df else 1.0)
