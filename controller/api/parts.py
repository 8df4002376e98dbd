"""What the services need of a controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.clock import Clock
from controller.core.commands import Command
from controller.core.intents import Intents
from controller.core.journal import Journal
from controller.core.requests import Requests
from controller.core.resources import Resources
from controller.core.shown import Snapshot
from controller.core.state import State
from controller.sites.base import Space


@dataclass(frozen=True)
class Parts:
    """A controller that serves."""

    state: State
    intents: Intents
    resources: Resources
    requests: Requests
    commands: Mapping[str, Command]
    snapshot: Callable[[], Snapshot]
    log: Space
    """Where all controllers on the store keep what happened."""
    journal: Journal
    clock: Clock
    file: str = ""
    """The intent file that owns the intent; empty: the API does."""
