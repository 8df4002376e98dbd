"""Messages and plain documents: what a message says under its fields' names, and back. Knows no particular key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from controller.model.document import Plain

M = TypeVar("M", bound=Message)

ALWAYS = frozenset({"sites", "switches", "backends", "listeners", "servers"})
"""Lists that a document needs and that may be empty: a message cannot tell an empty list from none."""


def plain(message: Message) -> Plain:
    """What a message says. Fields that are not set are not there."""
    said: Plain = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if _is_map(field):
            if value:
                said[field.name] = {str(key): value[key] for key in sorted(value)}
        elif field.is_repeated:
            items = list(value) if field.message_type is None else [plain(each) for each in value]
            if items or field.name in ALWAYS:
                said[field.name] = items
        elif field.has_presence:
            if message.HasField(field.name):
                said[field.name] = value if field.message_type is None else plain(value)
        elif value:
            said[field.name] = value
    return said


def fill(message: M, said: Mapping[str, object]) -> M:
    """Set in a message what a plain document says; the message."""
    for name, value in said.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if isinstance(value, Mapping):
            if _is_map(field):
                numbered = _key_of(field).cpp_type != FieldDescriptor.CPPTYPE_STRING
                getattr(message, name).update(
                    {int(key) if numbered else key: each for key, each in value.items()}
                )
            else:
                getattr(message, name).SetInParent()
                fill(getattr(message, name), value)
        elif isinstance(value, list):
            _extend(getattr(message, name), field, value)
        else:
            setattr(message, name, value)
    return message


def _extend(target: object, field: FieldDescriptor, values: Iterable[object]) -> None:
    for each in values:
        if field.message_type is None:
            target.append(each)  # type: ignore[attr-defined]
        else:
            fill(target.add(), each)  # type: ignore[attr-defined, arg-type]


def _key_of(field: FieldDescriptor) -> FieldDescriptor:
    kind = field.message_type
    assert kind is not None
    return kind.fields_by_name["key"]


def _is_map(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and bool(kind.GetOptions().map_entry)
