"""The catalogue of events says what the code writes: every name and every field, and nothing else."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from controller.core import trial
from controller.core.events import EVENTS, HEAD
from controller.core.journal import Journal

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for folder in ("controller", "flows", "p4src") for path in (ROOT / folder).rglob("*.py"))
SPREAD = {
    "trial.finding": tuple(trial.finding("lb1", 4)),
    "self._moved": ("fullnat",),
    "answer": ("ok", "refused", "not_stored", "writer", "revision"),
    "fields": (),
}
"""Functions whose result is spread into an event, and its keys; ``Journal.failure`` hands on what it is given, which is
counted where it is called."""
MANY = 40
"""Events that the code writes at least."""


@dataclass(frozen=True)
class Written:
    """An event that a place in the code writes."""

    name: str
    fields: frozenset[str]
    where: str


@cache
def written() -> tuple[Written, ...]:
    """Every event that the code writes."""
    return tuple(each for path in FILES for each in in_module(path.read_text(encoding="utf-8"), path.name))


def in_module(text: str, file: str) -> Iterator[Written]:
    """The events that a module writes: calls of ``event`` and ``failure``, and rows with a key ``event``."""
    tree = ast.parse(text)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            where = f"{file}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield from _called(node, node.func.attr, function, where)
            elif isinstance(node, ast.Dict):
                yield from _row(node, where)


def _called(node: ast.Call, method: str, function: ast.AST, where: str) -> Iterator[Written]:
    if method == "failure":
        yield Written("failure", _keywords(node) | {"error", "place"}, where)
    elif method == "event" and node.args:
        names = list(_names(node.args[0], function))
        assert names, f"{where}: the name of an event is a constant, or one of two, so that it can be found"
        yield from (Written(name, _keywords(node), where) for name in names)


def _row(node: ast.Dict, where: str) -> Iterator[Written]:
    rows = {_text(key): value for key, value in zip(node.keys, node.values, strict=True)}
    name = _text(rows.get("event"))
    if name is not None:
        keys = {key for key in rows if key is not None}
        yield Written(name, frozenset(keys - {each.name for each in HEAD}), where)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _keywords(node: ast.Call) -> frozenset[str]:
    found: set[str] = set()
    for each in node.keywords:
        if each.arg is not None:
            found.add(each.arg)
        else:
            value = each.value
            found.update(SPREAD[ast.unparse(value.func if isinstance(value, ast.Call) else value)])
    return frozenset(found)


def _names(node: ast.expr, function: ast.AST) -> Iterator[str]:
    """The constants that an expression may be; of a variable, those that its function assigns to it."""
    if isinstance(node, ast.IfExp):
        yield from _names(node.body, function)
        yield from _names(node.orelse, function)
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.Name):
        for each in ast.walk(function):
            if isinstance(each, ast.Assign) and any(ast.unparse(t) == node.id for t in each.targets):
                yield from _names(each.value, function)


@pytest.mark.parametrize("each", written(), ids=lambda each: f"{each.name} {each.where}")
def test_what_is_written_is_in_the_catalogue(each: Written) -> None:
    assert each.name in EVENTS, f"{each.where} writes an event that controller/core/events.py does not have"
    known = {field.name for field in EVENTS[each.name].fields}
    assert each.fields <= known, f"{each.where}: {each.name} has no field {sorted(each.fields - known)}"


@pytest.mark.parametrize("name", EVENTS)
def test_what_is_in_the_catalogue_is_written(name: str) -> None:
    found = [each for each in written() if each.name == name]
    assert found, f"no code writes {name}"
    fields = {field for each in found for field in each.fields}
    assert {field.name for field in EVENTS[name].fields} <= fields


def test_the_source_is_read_whole() -> None:
    assert len({each.name for each in written()}) >= MANY


def test_names_are_found_wherever_they_stand() -> None:
    text = (
        "def f(journal, up):\n"
        "    what = 'a' if up else 'b'\n"
        "    journal.event(what, x=1)\n"
        "    journal.event('c' if up else 'd')\n"
        "    journal.failure(error, y=2)\n"
        "    row = {'t': 1, 'event': 'e', 'z': 3}\n"
    )
    assert [(each.name, sorted(each.fields)) for each in in_module(text, "f.py")] == [
        ("a", ["x"]),
        ("b", ["x"]),
        ("c", []),
        ("d", []),
        ("failure", ["error", "place", "y"]),
        ("e", ["z"]),
    ]


def test_a_name_that_cannot_be_found_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"f\.py:2: the name of an event is a constant"):
        list(in_module("def f(journal, name):\n    journal.event(name)\n", "f.py"))


def test_every_event_has_the_fields_of_the_head() -> None:
    sink = io.StringIO()
    Journal(sink).event("stopped")
    assert list(json.loads(sink.getvalue())) == [each.name for each in HEAD]


def test_an_event_has_no_field_twice() -> None:
    for event in EVENTS.values():
        names = [each.name for each in (*HEAD, *event.fields)]
        assert len(names) == len(set(names))
