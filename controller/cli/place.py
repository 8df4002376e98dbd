"""Where a command goes: to the controller of a state file on this machine, or to those of a context."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from controller.cli import contexts
from controller.cli.contexts import BadPlace, Context

VARIABLE = "EVENKEEL_CONTEXT"
DEFAULT_STATE = Path("evenkeel.db")
TIMEOUT = "10s"


class Place(NamedTuple):
    """Which controllers are meant."""

    state: Path = DEFAULT_STATE
    context: Context | None = None
    """None: the one with that state file."""
    name: str = ""
    """Of the context."""

    @property
    def shown(self) -> str:
        """In messages."""
        if self.context is None:
            return f"--state {self.state}"
        return f"context {self.name}: {self.context.socket or ', '.join(self.context.servers)}"

    @property
    def socket(self) -> Path | None:
        """The API's socket of this machine; None: it is reached over the network."""
        if self.context is None:
            return self.state.with_name(f"{self.state.name}.api.sock").absolute()
        return self.context.socket


class Chosen(NamedTuple):
    """What the options say."""

    state: Path | None = None
    context: str | None = None
    timeout: str = TIMEOUT
    """Of one call."""

    def place(self) -> Place:
        """--context and --state say it, then EVENKEEL_CONTEXT, then the current context. Raises BadPlace."""
        if self.state is not None:
            if self.context is not None:
                raise BadPlace("--state and --context exclude each other")
            return Place(self.state)
        asked = os.environ.get(VARIABLE, "") if self.context is None else self.context
        known = contexts.read(contexts.file())
        name = asked or known.current
        return Place(context=known.named(name), name=name) if name else Place()
