"""What a switch would hold, whether it is connected or not, and how that differs from what it holds. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from controller.plan.duty import PlanInput
from controller.southbound.driver import Delta
from controller.spec.types import Switch

TargetT = TypeVar("TargetT")


class Planned(NamedTuple):
    """From what a switch's target is planned."""

    world: PlanInput
    switch: Switch


class Difference(NamedTuple):
    """What would be written to a switch."""

    delta: Delta
    entries: Iterator[tuple[str, str]]
    """Each of them: ``added``, ``modified`` or ``deleted``, and what it is in words."""


class TargetPreview(ABC, Generic[TargetT]):
    """Of one switch."""

    @abstractmethod
    def target(self, of: Planned | None) -> TargetT:
        """What a switch holds; None: nothing of ours."""

    @abstractmethod
    def diff(self, switch: Switch, have: TargetT, want: TargetT) -> Difference:
        """What would be written."""

    def change(self, switch: Switch, before: Planned | None, after: Planned | None) -> Difference:
        """From one plan to another."""
        return self.diff(switch, self.target(before), self.target(after))
