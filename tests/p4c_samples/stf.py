"""Reads the Simple Test Framework's language: packets, expectations, table entries, replication, arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Packet:
    """A frame (bytes) that arrives on a port."""

    port: int
    frame: bytes


@dataclass(frozen=True)
class Expect:
    """A frame that leaves a port: hexadecimal digits, `*` for any; `exact` forbids more bytes.

    `pattern` None expects any number of frames, whatever they hold.
    """

    port: int
    pattern: str | None
    exact: bool = False


@dataclass(frozen=True)
class Add:
    """A table entry: key fields and parameters by name, values as written."""

    table: str
    priority: int | None
    matches: tuple[tuple[str, str], ...]
    action: str
    params: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SetDefault:
    """A table's default action."""

    table: str
    action: str
    params: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RemoveAll:
    """Remove every entry of every table."""


@dataclass(frozen=True)
class Command:
    """A command to the switch (mc_node_create, mirroring_add, register_write, ...) with its words."""

    name: str
    words: tuple[str, ...]


Statement = Packet | Expect | Add | SetDefault | RemoveAll | Command

COMMANDS = (
    "mirroring_add", "mirroring_add_mc", "mirroring_delete", "mirroring_get", "mc_mgrp_create",
    "mc_node_create", "mc_node_update", "mc_node_associate", "counter_read", "counter_write",
    "register_read", "register_write", "register_reset", "meter_get_rates", "meter_set_rates",
    "meter_array_set_rates", "check_counter",
)  # fmt: skip

_CALL = re.compile(r"^(?P<head>.*?)(?P<action>[\w.$]+)\s*\((?P<params>[^)]*)\)\s*(=.*)?$")


class StfError(Exception):
    """A line that is not STF; the text names it."""


def parse(text: str) -> list[Statement]:
    """The statements of an STF file in order; StfError names a line that cannot be read."""
    out: list[Statement] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        try:
            statement = _statement(line)
        except (ValueError, IndexError) as error:
            raise StfError(f"line {number}: {line}: {error}") from error
        if statement is not None:
            out.append(statement)
    return out


def _statement(line: str) -> Statement | None:
    """One statement; None for those that only wait."""
    word, _, rest = line.partition(" ")
    word, rest = word.lower(), rest.strip()
    if word == "packet":
        port, _, data = rest.partition(" ")
        return Packet(int(port), bytes.fromhex(data.replace(" ", "")))
    if word == "expect":
        return _expect(rest)
    if word == "add":
        return _add(rest)
    if word == "setdefault":
        action, params, head = _call(rest)
        return SetDefault(head.strip(), action, params)
    if word == "remove":
        return RemoveAll()
    if word in COMMANDS:
        return Command(word, tuple(rest.split()))
    if word in ("wait", "no_packet"):
        return None
    raise ValueError(f"unknown statement {word!r}")


def _expect(rest: str) -> Expect:
    port, _, data = rest.partition(" ")
    pattern = "".join(data.split()).upper()
    if not pattern:
        return Expect(int(port), None)
    return Expect(int(port), pattern.rstrip("$"), pattern.endswith("$"))


def _call(text: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """Action, parameters and what stands before them."""
    found = _CALL.match(text)
    if found is None:
        raise ValueError("no action with parentheses")
    params = []
    for part in filter(None, (p.strip() for p in found["params"].split(","))):
        name, _, value = part.partition(":")
        params.append((name.strip(), value.strip()))
    return found["action"], tuple(params), found["head"]


def _add(rest: str) -> Add:
    action, params, head = _call(rest)
    words = re.sub(r"\s*:\s*", ":", head).split()
    table, words = words[0], words[1:]
    priority = None
    if words and ":" not in words[0]:
        priority, words = int(words[0]), words[1:]
    matches = []
    for word in words:
        name, _, value = word.partition(":")
        matches.append((name.strip('"'), value))
    return Add(table, priority, tuple(matches), action, params)
