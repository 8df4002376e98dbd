"""Protobuf messages made from messages: fields are set to hostile values, repeated, moved, left out. Pure."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.fuzz.octets import mutated

_TEXTS = (
    "", " ", "a", "web", "*", "/", "..", "\0", "\n", "é", "\u202e", "x" * 300, "-1", "10s", "1e999", "9" * 400,
    "0.0.0.0", "::ffff:1.2.3.4", "10.0.0.0/33", "vips/web", "pools/web/backends/b1", "{}", "[[[[", "%s%n", "true",
)  # fmt: skip
_OCTETS = (b"", b"\0", b"\xff" * 8, b"\0" * 17, b"\1" * 300, b"\x80")
_NUMBERS = (0, 1, -1, 2, 7, 255, 65535, 65536, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e308, float("inf"), float("-inf"), float("nan"))
_DEEPEST = 6


def changed(chance: Random, kind: type[Any], data: bytes, other: bytes, texts: tuple[str, ...] = ()) -> bytes:
    """Another message of a kind, encoded; now and then octets that are none."""
    if chance.random() < 0.1:
        return mutated(chance, data, other)
    try:
        message, second = kind.FromString(data), kind.FromString(other)
    except Exception:  # octets that are none, made so before
        return mutated(chance, data, other)
    if chance.random() < 0.15:
        message.MergeFrom(second)
    for _ in range(chance.randrange(1, 5)):
        _change(chance, message, second, (*_TEXTS, *texts), 0)
    made: bytes = message.SerializeToString()
    return made


def _change(chance: Random, message: Any, other: Any, texts: tuple[str, ...], depth: int) -> None:
    fields = message.DESCRIPTOR.fields
    if not fields:
        return
    there = [each for each, _ in message.ListFields()]
    field = chance.choice(there if there and chance.random() < 0.7 else fields)
    if chance.random() < 0.1:
        message.ClearField(field.name)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        _map(chance, getattr(message, field.name), field, texts)
    elif field.is_repeated:
        _repeated(chance, getattr(message, field.name), getattr(other, field.name), field, texts, depth)
    elif field.message_type is not None:
        _inside(chance, getattr(message, field.name), getattr(other, field.name), texts, depth)
    else:
        setattr(message, field.name, _value(chance, field, texts))


def _inside(chance: Random, message: Any, other: Any, texts: tuple[str, ...], depth: int) -> None:
    message.SetInParent()
    if depth < _DEEPEST:
        _change(chance, message, other, texts, depth + 1)


def _map(chance: Random, items: Any, field: Any, texts: tuple[str, ...]) -> None:
    key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    if value.message_type is None:
        items[_value(chance, key, texts)] = _value(chance, value, texts)
    else:
        items[_value(chance, key, texts)].SetInParent()


def _repeated(
    chance: Random, items: Any, others: Any, field: Any, texts: tuple[str, ...], depth: int
) -> None:
    what = chance.randrange(6)
    if what == 0 and len(items):
        del items[chance.randrange(len(items))]
    elif what == 1 and len(items) and len(items) < 64:
        items.extend([items[chance.randrange(len(items))]] * chance.choice((1, 1, 2, 40)))
    elif what == 2 and len(others):
        items.append(others[chance.randrange(len(others))])
    elif field.message_type is None:
        items.append(_value(chance, field, texts))
    elif len(items) and what != 3:
        _inside(chance, items[chance.randrange(len(items))], field_default(field), texts, depth)
    else:
        items.add()


def field_default(field: Any) -> Any:
    """An empty message of a field's kind."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(field.message_type)()


def _value(chance: Random, field: Any, texts: tuple[str, ...]) -> Any:
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return chance.choice((*_OCTETS, chance.randbytes(chance.randrange(1, 20))))
        return chance.choice(texts)
    if kind == field.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return chance.choice(_FLOATS)
    if kind == field.CPPTYPE_ENUM:
        return chance.choice([*(each.number for each in field.enum_type.values), 99, 2**31 - 1])
    return _fitting(chance, kind in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32), _signed(field))


def _signed(field: Any) -> bool:
    return field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64)


def _fitting(chance: Random, short: bool, signed: bool) -> int:
    bits = 32 if short else 64
    value = chance.choice((*_NUMBERS, chance.randrange(1 << 16))) % (1 << bits)
    return value - (1 << bits) if signed and value >> (bits - 1) else value
