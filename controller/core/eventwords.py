"""Events in words. Pure."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from controller.core.events import EVENTS
from controller.core.eventtypes import Line
from controller.sites.timeline import Entry, Value

_OPTIONAL = re.compile(r"\[([^\]]*)\]")
_FIELD = re.compile(r"\{(\w+)")


class _Words(string.Formatter):
    """``{up:up|down}`` of a truth; lists with commas."""

    def format_field(self, value: object, format_spec: str) -> str:
        if "|" in format_spec:
            return format_spec.split("|")[0 if value else 1]
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return "-" if value is None else str(value)

    def get_value(self, key: int | str, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        return kwargs.get(str(key))


_WORDS = _Words()


def text_of(line: Line, fields: Mapping[str, Value]) -> str:
    """The words of an event."""

    def optional(found: re.Match[str]) -> str:
        return found[1] if all(fields.get(name) for name in _FIELD.findall(found[1])) else ""

    return _WORDS.vformat(_OPTIONAL.sub(optional, line.text), (), fields)


def what(entry: Entry) -> str:
    """The words of an event; of one that this version does not know, its name and fields."""
    known = EVENTS.get(entry.event)
    if known is not None and known.line is not None:
        return text_of(known.line, entry.fields)
    return " ".join([entry.event, *(f"{name}={value}" for name, value in entry.fields.items())])
