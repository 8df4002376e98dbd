"""What switches should hold at a time of the suite's own clock."""

from __future__ import annotations

from dataclasses import dataclass

from controller.plan.duty import PlanInput

START = 1_000_000 * 900.0
"""Begins a generation of memory of the default length, and of each that divides it."""


@dataclass(frozen=True, eq=False)
class Moment(PlanInput):
    """What switches should hold at a time of the suite's clock."""

    now: float = START
