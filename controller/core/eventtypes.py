"""What an event of the journal is: its meaning, its fields, and how it stands in the timeline."""

from __future__ import annotations

from typing import NamedTuple

from controller.sites.causes import Cause


class Field(NamedTuple):
    """A key of an event."""

    name: str
    type: object
    """Its Python type: str, int, float, bool, a list of one of them, or one of them or None."""
    meaning: str


class Line(NamedTuple):
    """How an event stands in the timeline."""

    text: str
    """With ``{FIELD}``; of a truth ``{FIELD:IF TRUE|IF FALSE}``. What stands in brackets is left out if a field in it
    is missing, null or empty."""
    cause: Cause
    """Why it happens, unless the event says otherwise."""
    decided: bool = False
    """It is stored by the commit that follows: there its change is that commit's. Otherwise it is the one before."""
    leaves_out: tuple[Cause, ...] = ()
    """What happens for these is not in the timeline."""
    adds_up: bool = False
    """Numbers of several such events of one change may be shown as one: counts added, of durations the longest."""


class Event(NamedTuple):
    """A kind of event."""

    meaning: str
    fields: tuple[Field, ...] = ()
    line: Line | None = None
    """None: it is not of the timeline."""


SWITCH = Field("switch", str, "Name of the switch.")
WHY = Field("why", str, "The reason, in words.")
ERROR = Field("error", str, "What went wrong, in words.")
