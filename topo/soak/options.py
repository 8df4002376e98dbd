"""How a soak is run, and what it will do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from topo import model
from topo.soak.schedule import Schedule, write_schedule
from topo.soak.stage import SCALES, Scale, Stage, stage_of
from topo.soak.steps import KINDS


@dataclass(frozen=True)
class Options:
    """How a soak is run."""

    out: Path
    seed: int = 1
    minutes: float = 5.0
    scale: Scale = SCALES[0]
    topology: str | Path = "soak"
    kinds: tuple[str, ...] = KINDS
    sabotage: bool = False
    connections: int | None = None
    """Long-lived ones at a time; None: as many as fit."""
    keep: bool = False
    """Leave the lab up afterwards."""
    lab: str = "soak"
    """Name of the lab."""


def planned(options: Options) -> tuple[Stage, Schedule]:
    """What will be done; nothing is built. Raises ``LabError``, ``StageError`` or ``ValueError``."""
    stage = stage_of(model.load(options.topology), options.scale)
    return stage, write_schedule(options.seed, options.minutes, stage, options.kinds, options.sabotage)
