"""What the services need of a controller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.clock import Clock
from controller.core.commands import Command
from controller.core.explaining import Explaining
from controller.core.intents import Intents
from controller.core.journal import Journal
from controller.core.ownership import Ownership
from controller.core.previews import Previews
from controller.core.requests import Requests
from controller.core.resources import Resources
from controller.core.shown import Snapshot, VipStatus
from controller.core.snapshot import vip_statuses
from controller.core.state import State
from controller.exits.base import Exits
from controller.exits.names.exit import NamesExit
from controller.plan.preview import Preview
from controller.sites.base import Space
from controller.spec.types import Intent
from controller.tracing.base import NOT_TRACED, Tracing


@dataclass(frozen=True)
class Parts:
    """A controller that serves."""

    state: State
    intents: Intents
    resources: Resources
    requests: Requests
    commands: Mapping[str, Command]
    snapshot: Callable[[], Snapshot]
    vips: Callable[[], Mapping[str, VipStatus]]
    """Where they are, and why."""
    preview: Callable[[Intent, int], Awaitable[Preview]]
    """What a proposal would do; so many entries of each switch are listed."""
    explaining: Explaining
    log: Space
    """Where all controllers on the store keep what happened."""
    journal: Journal
    clock: Clock
    names: NamesExit
    """What names are answered by."""
    file: str = ""
    """The intent file that owns the intent; empty: the API does."""
    tracing: Tracing = NOT_TRACED


class HasPath(Protocol):
    """An intent file."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...


class Assembled(Protocol):
    """A controller that is put together."""

    state: State
    intents: Intents
    resources: Resources
    requests: Requests
    ownership: Ownership
    previews: Previews
    explaining: Explaining
    log: Space
    journal: Journal
    clock: Clock
    exits: Exits
    tracing: Tracing

    @property
    def file(self) -> HasPath | None:
        """The file that owns the intent."""
        ...

    def commands(self) -> tuple[Command, ...]:
        """What it takes."""
        ...

    def snapshot(self) -> Snapshot:
        """What there is to show."""
        ...


def parts_of(app: Assembled) -> Parts:
    """What the services need of it."""
    return Parts(
        app.state,
        app.intents,
        app.resources,
        app.requests,
        {each.name: each for each in app.commands()},
        app.snapshot,
        lambda: vip_statuses(app.state.owners.value, app.ownership),
        app.previews.preview,
        app.explaining,
        app.log,
        app.journal,
        app.clock,
        _names(app.exits),
        "" if app.file is None else str(app.file.path),
        app.tracing,
    )


def _names(exits: Exits) -> NamesExit:
    found = exits.exit("names")
    assert isinstance(found, NamesExit)
    return found
