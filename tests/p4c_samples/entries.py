"""STF's spelling of tables, keys and values to the embedded switch's entries."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.p4c_samples.stf import Add, SetDefault, StfError
from topo.p4switch.entries import MatchKey, MatchValue
from topo.p4switch.program.model import ActionCall, ActionDef, KeyField, TableDef
from topo.p4switch.state import Switch
from topo.p4switch.tables import Table

_PRIORITY_BASE = 1_000_000
"""STF's larger priority wins, and 0 is allowed: entries get this much more."""

_BITS = {"0x": 4, "0b": 1, "0o": 3}


def apply_add(switch: Switch, add: Add) -> None:
    """Insert the entry."""
    table = find_table(switch, add.table)
    keys = table.definition.keys
    values: dict[str, str] = {}
    for name, value in add.matches:
        values[_key_name(keys, name)] = value
    key: MatchKey = tuple(_match(k, values.get(k.name)) for k in keys)
    priority = _PRIORITY_BASE + (add.priority or 0) if table.uses_priority else 0
    table.insert(key, _action(switch, table.definition, add.action, add.params), priority)


def apply_default(switch: Switch, change: SetDefault) -> None:
    """Set the table's default action."""
    table = find_table(switch, change.table)
    table.set_default(_action(switch, table.definition, change.action, change.params))


def find_table(switch: Switch, name: str) -> Table:
    """The table of that name, or the one whose name ends with it."""
    return switch.tables[_find(switch.tables, name, "table")]


def number(text: str) -> int:
    """An STF number: decimal, 0x, 0b or 0o."""
    return int(text, 0) if text[:2].lower() in _BITS else int(text)


def _find(names: Iterable[str], wanted: str, kind: str) -> str:
    known = list(names)
    if wanted in known:
        return wanted
    ends = [n for n in known if n.endswith(wanted)]
    if len(set(ends)) != 1:
        raise StfError(f"{kind} {wanted}: {'several' if ends else 'none'} among {', '.join(known)}")
    return ends[0]


def _key_name(keys: tuple[KeyField, ...], name: str) -> str:
    name = re.sub(r"\$([0-9]+)", r"[\1]", name)
    names = [k.name for k in keys]
    for candidate in (name, f"{name}$", f"{name}.$valid$"):
        if candidate in names:
            return candidate
    if name.endswith(".$valid"):
        name += "$"
    ends = [
        n
        for n in names
        if n.endswith((f".{name}", f".{name}$")) or (name == "valid" and "$valid$" in n) or n == name
    ]
    if not ends:
        raise StfError(f"key field {name}: none among {', '.join(names)}")
    return ends[-1]


def _match(key: KeyField, text: str | None) -> MatchValue:
    ones = (1 << key.width) - 1
    if key.kind == "exact":
        return number(text or "0") & ones
    if key.kind == "lpm":
        value, length = _prefix(text or "0/0", key.width)
        return value >> (key.width - length) << (key.width - length) & ones, length
    if key.kind == "range":
        low, _, high = (text or f"0->{ones}").partition("->")
        return number(low), number(high or low)
    if text is None:
        return (0, 0)
    value, mask = _masked(text)
    return value & mask & ones, mask & ones


def _masked(text: str) -> tuple[int, int]:
    """Digits with `*` for any; without them the mask covers the digits written."""
    if "&&&" in text:
        first, _, second = text.partition("&&&")
        return number(first), number(second)
    if text[:2].lower() not in _BITS:
        return int(text), -1
    bits = _BITS[text[:2].lower()]
    digits = text[2:]
    base = 1 << bits
    value = int(digits.replace("*", "0"), base)
    mask = int("".join("0" if d == "*" else f"{base - 1:x}" for d in digits), base)
    # Digits that are not written are zero, and asked for: only `*` is anything.
    return value, mask | ~((1 << bits * len(digits)) - 1) if "*" not in digits else mask


def _prefix(text: str, width: int) -> tuple[int, int]:
    if "/" in text:
        value, _, length = text.partition("/")
        return number(value), number(length)
    if text[:2].lower() not in _BITS:
        return int(text), width
    bits = _BITS[text[:2].lower()]
    digits = text[2:]
    stars = digits.count("*")
    return int(digits.replace("*", "0"), 1 << bits), min(width, bits * (len(digits) - stars))


def _action(
    switch: Switch, definition: TableDef, name: str, params: tuple[tuple[str, str], ...]
) -> ActionCall:
    actions: dict[str, ActionDef] = {
        switch.program.actions[i].name: switch.program.actions[i] for i in definition.actions
    }
    action = actions[_find(actions, name, f"action of {definition.name}")]
    values = dict(params)
    missing = [p.name for p in action.params if p.name not in values]
    if missing:
        raise StfError(f"action {action.name}: no value for {', '.join(missing)}")
    return ActionCall(action.id, tuple(number(values[p.name]) & ((1 << p.width) - 1) for p in action.params))
