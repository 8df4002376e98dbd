"""YAML made from YAML: values are exchanged, keys left out, repeated and renamed, subtrees moved. Pure."""

from __future__ import annotations

import json
from functools import lru_cache
from random import Random
from typing import Any

import yaml

_LEAVES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 65535, 65536, 10**9, 10**30, 0.5, -0.0, 1e308, "", " ", "x" * 70, "a/b", "*",
    "0s", "1ms", "1h", "9" * 30 + "h", "0%", "100%", "101%", "10.0.0.1", "10.0.0.0/8", "::1", "fd00::1", "fd00::/8",
    "0.0.0.0/0", "02:45:56:00:01:01", "ff:ff:ff:ff:ff:ff", "hex:00", "tcp", "udp", "http",
    "dr", "nat", "fullnat", "tun",
    "lb", "edge", "leaf", "ovs", "bmv2", "embedded", "0x1", "0xffffffffffffffff", "east", "west", "source",
    [], {}, [[]],
)  # fmt: skip
_KEYS = (
    "name",
    "weight",
    "health",
    "backends",
    "drain",
    "zone",
    "failover",
    "backup",
    "guard",
    "ports",
    "mac",
    "fence",
)


def replanted(chance: Random, data: bytes, other: bytes) -> bytes:
    """A few changes of the tree that a text is; of one that is no YAML, the text itself."""
    tree, second = _tree(data), _tree(other)
    if tree is None:
        return data
    for _ in range(chance.randrange(1, 5)):
        _change(chance, tree, second)
    try:
        return json.dumps(tree, indent=1 if chance.random() < 0.1 else None).encode()
    except (ValueError, TypeError, RecursionError):
        return data


def _tree(data: bytes) -> Any:
    text = _json(data)
    return None if text is None else json.loads(text)


@lru_cache(maxsize=4096)
def _json(data: bytes) -> str | None:
    if b"*" in data:
        return None  # a few aliases can stand for a billion values
    try:
        found = yaml.safe_load(data)
        return json.dumps(found) if isinstance(found, dict | list) else None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, UnicodeDecodeError):
        return None


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Containers with their keys or numbers, all of them."""
    found: list[tuple[Any, Any]] = []
    todo = [tree]
    while todo and len(found) < 5000:
        at = todo.pop()
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        for key in keys:
            found.append((at, key))
            if isinstance(at[key], dict | list):
                todo.append(at[key])
    return found


def _change(chance: Random, tree: Any, second: Any) -> None:
    places = _places(tree)
    if not places:
        return
    at, key = chance.choice(places)
    match chance.randrange(8):
        case 0:
            del at[key]
        case 1 | 2 | 3:
            at[key] = chance.choice(_LEAVES)
        case 4 if isinstance(at, dict):
            at[chance.choice((*_KEYS, str(key) + "x"))] = at.pop(key)
        case 5 if isinstance(at, list):
            at.insert(key, json.loads(json.dumps(at[key])))
        case 6:
            there, which = chance.choice(_places(second) or places) if second is not None else (at, key)
            at[key] = json.loads(json.dumps(there[which]))
        case _:
            there, which = chance.choice(places)
            if isinstance(at[key], str | int | float) and isinstance(there[which], str | int | float):
                at[key] = there[which]
