"""Frozen dataclasses to JSON values and back, by their type hints: how intent and plans are stored.

Handles dataclasses, enums, addresses and networks, tuples, frozen sets, mappings with string keys, bytes and the plain
JSON types. A field that the stored value lacks takes its default, so that stores of older versions can be read.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
_ADDRESSES = (IPv4Address, IPv6Address)
_NETWORKS = (IPv4Network, IPv6Network)


class CodecError(ValueError):
    """A stored value is not of the type that is asked for."""


def encode(value: object) -> Json:
    """A JSON value from which ``decode`` makes the same again. Raises CodecError for a type that it does not know."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return encode(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (*_ADDRESSES, *_NETWORKS)):
        return str(value)
    if is_dataclass(value):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value) if f.init}
    if isinstance(value, tuple | list):
        return [encode(each) for each in value]
    if isinstance(value, frozenset | set):
        return sorted((encode(each) for each in value), key=str)
    if isinstance(value, Mapping):
        return {str(key): encode(each) for key, each in value.items()}
    raise CodecError(f"{type(value).__name__} cannot be stored")


def decode(kind: type[T], data: Json) -> T:
    """The value of type ``kind`` that was encoded. Raises CodecError naming what does not fit."""
    try:
        made: T = _decode(kind, data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError(f"no {getattr(kind, '__name__', kind)}: {error}") from error
    return made


def _decode(kind: Any, data: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, data)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_decode(arguments[0], each) for each in data)
        return tuple(_decode(each, item) for each, item in zip(arguments, data, strict=True))
    if origin is frozenset:
        return frozenset(_decode(arguments[0], each) for each in data)
    if origin is list:
        return [_decode(arguments[0], each) for each in data]
    if origin is not None and issubclass(origin, Mapping):
        return {key: _decode(arguments[1], each) for key, each in data.items()}
    if is_dataclass(kind):
        return _decode_dataclass(kind, data)
    return _decode_plain(kind, data)


def _decode_union(arguments: tuple[Any, ...], data: Any) -> Any:
    if data is None:
        return None
    kinds = [each for each in arguments if each is not types.NoneType]
    if set(kinds) <= set(_ADDRESSES):
        return ip_address(data)
    if set(kinds) <= set(_NETWORKS):
        return ip_network(data)
    (kind,) = kinds
    return _decode(kind, data)


def _decode_plain(kind: Any, data: Any) -> Any:
    if kind is bytes:
        return bytes.fromhex(data)
    if kind is float:
        return float(data)
    if isinstance(kind, type) and issubclass(kind, (Enum, *_ADDRESSES, *_NETWORKS)):
        return kind(data)
    if not isinstance(data, kind):
        raise TypeError(f"{data!r} is no {kind.__name__}")
    return data


def _decode_dataclass(kind: Any, data: Any) -> Any:
    known = {}
    for field, hint in _fields(kind):
        if field.name in data:
            known[field.name] = _decode(hint, data[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(f"{kind.__name__} lacks {field.name}")
    return kind(**known)


@cache
def _fields(kind: Any) -> list[tuple[Any, Any]]:
    hints = get_type_hints(kind)
    return [(field, hints[field.name]) for field in fields(kind) if field.init]
