"""Pages of typed records: the status (nested dataclasses) and the journal's events (the catalogue).

The meaning of a field of a dataclass is the docstring under it, that of a record its own docstring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

from controller.core.events import HEAD
from controller.core.eventtypes import Event, Field, Line
from controller.sites.causes import Cause
from tests.reference.docstrings import field_docs, paragraphs, table

JSON_TYPES: dict[object, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    type(None): "null",
}
HEADING = ("field", "type", "meaning")
GENERATED = "Generated from the code by `make docs`."


def record_page(title: str, introduction: str, root: type) -> str:
    """A page with a section for ``root`` and for each dataclass that its fields hold, in the order of first use.

    Raises ValueError for a record or a field without a docstring.
    """
    lines = [f"# {title}", "", f"{GENERATED} {introduction}"]
    for kind in _nested(root):
        lines += ["", f"## {kind.__name__}", "", paragraphs(kind)[0], "", *_rows(kind)]
    return "\n".join(lines) + "\n"


def event_page(title: str, introduction: str, groups: Mapping[str, Mapping[str, Event]]) -> str:
    """A page with the fields of all events, and a section for each group: title to events by name."""
    lines = [f"# {title}", "", f"{GENERATED} {introduction}", "", *_event_rows(HEAD)]
    for heading, events in groups.items():
        lines += ["", f"## {heading}"]
        for name, event in sorted(events.items()):
            lines += ["", f"### {name}", "", event.meaning]
            if event.line is not None:
                lines += ["", _of_timeline(event.line)]
            if event.fields:
                lines += ["", *_event_rows(event.fields)]
    return "\n".join(lines) + "\n"


def _of_timeline(line: Line) -> str:
    change = ", with the change of the commit that stores it" if line.decided else ""
    but = "".join(f"; not for `{cause}`" for cause in line.leaves_out)
    return f"In the timeline{change}{but}. Usual cause: `{line.cause}`."


def cause_rows() -> list[str]:
    """A table of the words that causes are."""
    docs = field_docs(Cause)
    return table(("cause", "meaning"), [(f"`{each}`", docs[each.name]) for each in Cause])


def _event_rows(fields: Sequence[Field]) -> list[str]:
    return table(HEADING, [(f"`{each.name}`", _json_type(each.type), each.meaning) for each in fields])


def dataclasses_in(hint: object) -> Iterator[type]:
    """The dataclasses in a type, such as ``Site`` in ``tuple[Site, ...] | None``, from left to right."""
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for argument in get_args(hint):
        yield from dataclasses_in(argument)


def _nested(root: type) -> list[type]:
    found = [root]
    for kind in found:  # Grows while it is read.
        for hint in get_type_hints(_checked(kind)).values():
            found += [each for each in dict.fromkeys(dataclasses_in(hint)) if each not in found]
    return found


def _rows(kind: type) -> list[str]:
    docs, hints = field_docs(kind), get_type_hints(kind)
    rows = []
    for each in fields(_checked(kind)):
        if each.name not in docs:
            where = f"{kind.__module__}.{kind.__qualname__}.{each.name}"
            raise ValueError(f"field {where} has no docstring under it: add one")
        rows.append((f"`{each.name}`", _json_type(hints[each.name]), docs[each.name]))
    return table(HEADING, rows)


def _json_type(hint: object) -> str:
    """A type in the words of JSON; a record is a link to its section. Raises ValueError for what JSON has not."""
    if hint in JSON_TYPES:
        return JSON_TYPES[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_json_type(each) for each in arguments)
    if origin in (tuple, list, frozenset, Sequence):
        return f"list of {_json_type(arguments[0])}"
    if origin in (dict, Mapping):
        return f"object, each value: {_json_type(arguments[1])}"
    raise ValueError(f"{hint} has no counterpart in JSON that the reference knows")


def _checked(kind: type) -> type:
    if not is_dataclass(kind):
        raise ValueError(f"{kind.__module__}.{kind.__qualname__} is no dataclass")
    return kind
