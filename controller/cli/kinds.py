"""Kinds and names of resources as people write them, and resources as plain values."""

from __future__ import annotations

from typing import Any, NamedTuple

from controller.api.messages import plain
from controller.api.names import Kind
from controller.api.v1 import service_pb2 as api
from controller.cli.contexts import BadPlace

INTENT = "intent"
"""The whole of it, as a kind."""
WORDS = {word: kind for kind in Kind for word in (kind.field, f"{kind.field}s", f"{kind.field}es")}
"""Singular and plural of each."""
PLURALS = ("vips", "pools", "backends", "switches", "sites", "zones")


class Asked(NamedTuple):
    """Resources that are asked for."""

    kind: Kind
    names: tuple[str, ...]
    """Full names, such as ``pools/web``; empty: all of the kind."""


def kind_of(word: str) -> Kind:
    """Raises BadPlace."""
    kind = WORDS.get(word.lower())
    if kind is None:
        raise BadPlace(f'"{word}" is no kind of resource; write one of {", ".join(PLURALS)}')
    return kind


def asked(kind: str, names: list[str]) -> list[Asked]:
    """``pools web api``, or full names such as ``pools/web vips/shop``, by kind. Raises BadPlace."""
    if "/" not in kind:
        found = kind_of(kind)
        return [Asked(found, tuple(full(found, each) for each in names))]
    by_kind: dict[Kind, list[str]] = {}
    for each in (kind, *names):
        word, sign, rest = each.partition("/")
        if not sign:
            raise BadPlace(f'"{each}": write all names with their kinds, such as pools/{each}')
        this = kind_of(word)
        if this is Kind.POOL and "/" in rest:
            this = Kind.BACKEND
        by_kind.setdefault(this, []).append(full(this, rest))
    return [Asked(each, tuple(rows)) for each, rows in by_kind.items()]


def full(kind: Kind, name: str) -> str:
    """The full name of a resource. Raises BadPlace."""
    if kind is not Kind.BACKEND:
        if "/" in name or not name:
            raise BadPlace(f'{kind.field} "{name}": write its name alone')
        return f"{kind.key}/{name}"
    steps = [each for each in name.split("/") if each]
    if len(steps) == 3 and steps[1] == "backends":
        del steps[1]
    if len(steps) != 2:
        raise BadPlace(f'backend "{name}": write POOL/BACKEND, such as web/s1')
    return f"pools/{steps[0]}/backends/{steps[1]}"


def short(name: str) -> str:
    """The name in tables: without its kind."""
    return name.partition("/")[2].replace("/backends/", "/")


def kind_of_name(name: str) -> Kind:
    """Of a full name."""
    return Kind.BACKEND if "/backends/" in name else WORDS[name.partition("/")[0]]


def value(resource: api.Resource) -> Any:
    """What it holds, as a message."""
    return getattr(resource, str(resource.WhichOneof("value")))


def said(message: Any) -> dict[str, Any]:
    """A message as plain values; keys that are numbers, as ports have, are numbers; labels are texts."""
    found: dict[str, Any] = _numbered(plain(message))
    return found


def _numbered(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            int(k) if k.isdecimal() else k: each if k == "labels" else _numbered(each)
            for k, each in value.items()
        }
    return [_numbered(each) for each in value] if isinstance(value, list) else value


def whole_numbers(value: Any) -> Any:
    """Values of a Struct, which has no order and only floats: in order of their names, whole numbers as such."""
    if isinstance(value, dict):
        return {key: whole_numbers(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
