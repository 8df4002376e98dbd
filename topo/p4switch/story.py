"""A trace as people read it: what was parsed, which tables matched, what changed, where the frame went. Pure.

The compiler turns a program into many nameless tables and conditions; of a trace only named tables, headers, registers
and the program's own variables are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

_MAPPED = 0xFFFF
_OWN = re.compile(r"^scalars\.\w+?_t\._(\w+?)(\d+)$")
"""A field of the program's own metadata; the compiler numbers them."""
_HEADER = re.compile(r"^[a-z0-9_]+\.[a-z0-9_]+$")
_QUIET = {"checksum"}
_SECRET = {"configure": 1}
"""Actions with secrets, and how many of their parameters may be shown."""


def tell(answer: Mapping[str, Any]) -> Iterator[str]:
    """Lines about one switch's trace, as its trace socket answered it; what is set to what it was is left out."""
    told = {"extract": _extract, "table": _table, "action": _action, "valid": _valid}
    told |= {"multicast": _multicast, "register": _register, "transmit": _transmit}
    told |= {"digest": _named("digest"), "drop": _named("drop")}
    values_now: dict[str, Any] = {}
    copied = False
    for stage, name, values in answer["events"]:
        if stage == "set":
            if values_now.get(name, 0) != values[0]:
                values_now[name] = values[0]
                yield from _set(name, values)
        elif stage == "egress" and copied:
            yield f"copy       for port {values[0]}"
        elif stage in told:
            copied |= stage == "multicast"
            yield from told[stage](name, values)
    if not answer["out"]:
        yield "sent       nothing: dropped"


def _extract(name: str, values: list[Any]) -> Iterator[str]:
    fields = " ".join(f"{field}={show(field, value)}" for field, value in values[0] if field not in _QUIET)
    yield f"parsed     {name}: {fields}"


def _table(name: str, values: list[Any]) -> Iterator[str]:
    if "." not in name:
        return
    key = " ".join(f"{field}={show(field, value)}" for field, value in values[0] or ())
    found = "hit" if values[1] else "miss"
    yield f"table      {name.rpartition('.')[2]}: {key or 'no key'}: {found}"


def _action(name: str, values: list[Any]) -> Iterator[str]:
    if "." not in name or name.endswith("NoAction"):
        return
    short = name.rpartition(".")[2]
    params = [show("", value) for value in values[0]]
    if short in _SECRET:
        params = [*params[: _SECRET[short]], "..."]
    if params:
        yield f"action     {short}({', '.join(params)})"


def _set(name: str, values: list[Any]) -> Iterator[str]:
    own = _OWN.match(name)
    if own is not None and not own[1].startswith("key"):
        yield f"  now      {own[1]} = {show(own[1], values[0])}"
    elif _HEADER.match(name) and not name.startswith(("scalars.", "balance_", "standard_metadata.")):
        yield f"  change   {name} = {show(name.rpartition('.')[2], values[0])}"


def _valid(name: str, values: list[Any]) -> Iterator[str]:
    yield f"  header   {name} {'added' if values[0] else 'removed'}"


def _register(name: str, values: list[Any]) -> Iterator[str]:
    yield f"  register {name}[{values[0]}] = {values[1]:#x}"


def _multicast(name: str, values: list[Any]) -> Iterator[str]:
    ports = ", ".join(map(str, values[0])) or "there is no such group"
    yield f"flooded    to multicast group {name}: {ports}"


def _transmit(name: str, values: list[Any]) -> Iterator[str]:
    yield f"sent       to port {values[0]}, {len(values[1]) // 2} bytes"


def _named(what: str) -> Any:
    def lines(name: str, values: list[Any]) -> Iterable[str]:
        yield f"{what:<10} {name} {' '.join(str(value) for value in values)}".rstrip()

    return lines


def show(field: str, value: Any) -> str:
    """A value in the notation of its field: addresses, MACs, large numbers in hex."""
    if not isinstance(value, int) or isinstance(value, bool):
        return str(value)
    if value >> 32 == _MAPPED:
        return str(IPv4Address(value & 0xFFFFFFFF))
    if value >> 64:
        return str(IPv6Address(value))
    if field in ("src", "dst", "mac", "sha", "tha") and value >> 32:
        text = f"{value:012x}"
        return ":".join(text[n : n + 2] for n in range(0, 12, 2))
    if field in ("src", "dst", "spa", "tpa") and value > 0xFFFF:
        return str(IPv4Address(value))
    return hex(value) if value > 0xFFFFFF else str(value)
