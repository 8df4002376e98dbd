"""A book of pins for the controller's own code in which its changes change nothing: pins are the suite's affair."""

from __future__ import annotations

from copy import deepcopy

from controller.core.cells import Cell
from controller.core.pinning import Pinning
from controller.plan.duty import PlanInput


def pinning(world: PlanInput) -> Pinning:
    """On a copy of the world's pins."""
    return Pinning(deepcopy(world.pins), Cell("world", world), lambda: None)
