"""Files of ``evenkeel apply``: an intent, or resources as ``evenkeel get -o yaml`` prints them, divided by ``---``.

name: pools/web           # of a backend it is needed, else it may be left out
revision: 7               # optional: what it must have; 0: it must not be there
pool: {name: web, ...}    # the keys of the intent file
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from controller.api.messages import fill
from controller.api.names import KINDS, Kind
from controller.api.v1 import resources_pb2 as messages
from controller.api.v1 import service_pb2 as api
from controller.cli.kinds import full
from controller.model.document import document
from controller.model.errors import ConfigErrors, SchemaError
from controller.model.load import load_tree
from controller.model.reader import Source
from controller.model.yaml_source import Entry, Mapping, Mark, Scalar, Sequence, Tree, parse, read_text

STDIN = Path("-")
_DIVIDER = re.compile(r"^---[ \t]*(?:#.*)?$", re.MULTILINE)
_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")
_ABOUT = ("name", "id", "revision")
_DOCUMENT = tuple(messages.Document.DESCRIPTOR.fields_by_name)
_VALUES = tuple(KINDS)
_WHOLE = 2**63 - 1


class One(NamedTuple):
    """A resource in a file."""

    file: str
    resource: api.Resource
    """With its full name."""
    expected: int | None
    tree: Mapping
    """Of its value."""

    @property
    def name(self) -> str:
        """Of the resource."""
        return str(self.resource.name)

    def where(self, path: str) -> str:
        """FILE:LINE:COL of a path in it."""
        return placed(self.file, self.tree, path)


class Whole(NamedTuple):
    """An intent in a file."""

    file: str
    document: messages.Document
    tree: Tree

    def where(self, path: str) -> str:
        """FILE:LINE:COL of a path in it."""
        return placed(self.file, self.tree, path)


def read(path: Path) -> Whole | list[One]:
    """What a file holds; ``-``: standard input. Raises ConfigErrors with everything that is wrong."""
    if path == STDIN:
        return of_text(sys.stdin.read(), "standard input")
    return of_text(read_text(path), str(path))


def of_text(text: str, name: str) -> Whole | list[One]:
    """What a text holds. Raises ConfigErrors."""
    parts = list(_divided(text))
    if not parts:
        raise _wrong(name, Mark(1, 1), "the file is empty", "write an intent, or resources")
    trees = [(_numbered(tree), errors) for tree, errors in (parse(part, name) for part in parts)]
    if any(isinstance(tree, Mapping) and _is_document(tree) for tree, _ in trees):
        if len(trees) > 1:
            wrong = next(tree for tree, _ in trees if isinstance(tree, Mapping) and _is_document(tree))
            raise _wrong(
                name, wrong.mark, "an intent stands beside other resources", "give it a file of its own"
            )
        whole, errors = trees[0]
        return Whole(name, fill(messages.Document(), document(load_tree(whole, Source(name, errors)))), whole)
    return _resources(name, trees)


def _resources(name: str, trees: list[tuple[Tree, list[Any]]]) -> list[One]:
    found: list[One] = []
    errors: list[Any] = []
    for tree, wrong in trees:
        reader = _Reader(name)
        one = reader.one(tree)
        errors += [*wrong, *reader.errors]
        if one is None:
            continue
        if any(each.name == one.name for each in found):
            errors.append(SchemaError(name, *tree.mark, f"{one.name} is there twice", "keep one of the two"))
        found.append(one)
    if errors:
        raise ConfigErrors(errors)
    return found


def _divided(text: str) -> Iterator[str]:
    """The documents of a text, each at the lines where it stands."""
    start = 0
    for end in [*(found.start() for found in _DIVIDER.finditer(text)), len(text)]:
        part = text[start:end]
        body = _DIVIDER.sub("", part, count=1) if start or part.startswith("---") else part
        if any(line.strip() and not line.lstrip().startswith("#") for line in body.splitlines()):
            yield "\n" * text.count("\n", 0, start) + body
        start = end


def _numbered(tree: Tree) -> Tree:
    """With keys that are numbers as such: JSON writes them, which ports have, as text."""
    if isinstance(tree, Sequence):
        return Sequence(tuple(_numbered(each) for each in tree.items), tree.mark)
    if isinstance(tree, Mapping):
        return Mapping(tuple(Entry(_key(key), _numbered(each)) for key, each in tree.entries), tree.mark)
    return tree


def _key(key: Scalar) -> Scalar:
    digits = isinstance(key.value, str) and key.text.isdecimal() and key.text.isascii() and len(key.text) < 11
    return Scalar(int(key.text), key.text, key.mark) if digits else key


def _is_document(tree: Mapping) -> bool:
    keys = {entry.key.text for entry in tree.entries}
    return bool(keys & set(_DOCUMENT)) and not keys & set(_VALUES)


def placed(file: str, tree: Tree, path: str) -> str:
    """FILE:LINE:COL of what a path names, or of the innermost thing around it that is there."""
    here: Tree | None = tree
    mark = tree.mark
    for step in _STEP.findall(path):
        if isinstance(here, Sequence) and step.startswith("["):
            index = int(step[1:-1])
            here = here.items[index] if index < len(here.items) else None
        elif isinstance(here, Mapping):
            here = next((each.value for each in here.entries if each.key.text == step), None)
        else:
            here = None
        if here is None:
            break
        mark = here.mark
    return f"{file}:{mark.line}:{mark.col}"


class _Reader:
    """Makes a message of a tree: keys are fields, and what the message has as text is taken as it was written."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.errors: list[SchemaError] = []

    def one(self, tree: Tree) -> One | None:
        """The resource of a document; None: it is none."""
        keys = "name, revision and one of " + ", ".join(_VALUES)
        if not isinstance(tree, Mapping):
            self._fail(tree, f"{tree} stands where a resource should", f"write {keys}, or an intent")
            return None
        said = {entry.key.text: entry.value for entry in tree.entries}
        for entry in tree.entries:
            if entry.key.text not in (*_ABOUT, *_VALUES):
                self._fail(entry.key, f'a resource has the unknown key "{entry.key.text}"', f"write {keys}")
        kinds = [word for word in _VALUES if word in said]
        if len(kinds) != 1:
            self._fail(tree, f"a resource holds {' and '.join(kinds) or 'no value'}", f"write {keys}")
            return None
        kind = KINDS[kinds[0]]
        value = said[kind.field]
        if not isinstance(value, Mapping):
            self._fail(value, f"{kind.field} is {value}", "write its keys")
            return None
        resource = api.Resource()
        self._fill(getattr(resource, kind.field), value)
        getattr(resource, kind.field).SetInParent()
        resource.name = self._name(tree, said.get("name"), kind, getattr(resource, kind.field).name)
        return One(self._file, resource, self._revision(said.get("revision")), value)

    def _name(self, tree: Tree, given: Tree | None, kind: Kind, own: str) -> str:
        if given is None:
            if kind is Kind.BACKEND:
                self._fail(
                    tree, "a backend has no name of its pool", "write name: pools/POOL/backends/BACKEND"
                )
            return full(kind, own) if own and "/" not in own and kind is not Kind.BACKEND else ""
        text = given.text if isinstance(given, Scalar) else ""
        if not text.startswith(f"{kind.key}/") or text.rpartition("/")[2] != own:
            self._fail(
                given, f'name is "{text}", but the resource is the {kind.field} "{own}"', "write one name"
            )
        return text

    def _revision(self, given: Tree | None) -> int | None:
        if given is None:
            return None
        value = given.value if isinstance(given, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _WHOLE:
            self._fail(given, f"revision is {given}", "write that of evenkeel get, 0, or leave it out")
            return None
        return value

    def _fill(self, message: Any, tree: Mapping) -> None:
        fields = message.DESCRIPTOR.fields_by_name
        for entry in tree.entries:
            field = fields.get(entry.key.text)
            if field is None:
                what = message.DESCRIPTOR.name.lower()
                right = f"write one of {', '.join(fields)}"
                self._fail(entry.key, f'a {what} has the unknown key "{entry.key.text}"', right)
            else:
                self._set(message, field, entry.value)

    def _set(self, message: Any, field: FieldDescriptor, tree: Tree) -> None:
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            if isinstance(tree, Mapping):
                numbered = kind.fields_by_name["key"].cpp_type != FieldDescriptor.CPPTYPE_STRING
                self._map(getattr(message, field.name), tree, numbered)
            else:
                self._fail(tree, f"{field.name} is {tree}", "write a mapping")
        elif field.is_repeated:
            if not isinstance(tree, Sequence):
                self._fail(tree, f"{field.name} is {tree}", "write a list")
                return
            for item in tree.items:
                self._append(getattr(message, field.name), field, item)
        elif kind is not None:
            if isinstance(tree, Mapping):
                getattr(message, field.name).SetInParent()
                self._fill(getattr(message, field.name), tree)
            else:
                self._fail(tree, f"{field.name} is {tree}", "write a mapping")
        elif (value := self._scalar(field, tree)) is not None:
            setattr(message, field.name, value)

    def _append(self, target: Any, field: FieldDescriptor, item: Tree) -> None:
        if field.message_type is None:
            value = self._scalar(field, item)
            if value is not None:
                target.append(value)
        elif isinstance(item, Mapping):
            self._fill(target.add(), item)
        else:
            self._fail(item, f"an item of {field.name} is {item}", "write a mapping")

    def _map(self, target: Any, tree: Mapping, numbered: bool) -> None:
        for key, value in tree.entries:
            if not isinstance(value, Scalar) or value.value is None:
                self._fail(value, f"{key.text} is {value}", "write one word")
            elif not numbered:
                target[key.text] = value.text
            elif isinstance(key.value, bool) or not isinstance(key.value, int) or not 0 <= key.value < 2**32:
                self._fail(key, f'"{key.text}" is no whole number', "write one, such as 1")
            else:
                target[key.value] = value.text

    def _scalar(self, field: FieldDescriptor, tree: Tree) -> str | int | bool | None:
        if not isinstance(tree, Scalar) or tree.value is None:
            self._fail(tree, f"{field.name} is {tree}", "write one value, or leave the key out")
            return None
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return tree.text
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            if isinstance(tree.value, bool):
                return tree.value
            self._fail(tree, f"{field.name} is {tree}", "write true or false")
        elif isinstance(tree.value, int) and not isinstance(tree.value, bool) and 0 <= tree.value < 2**32:
            return tree.value
        else:
            self._fail(tree, f"{field.name} is {tree}", "write a whole number, such as 5")
        return None

    def _fail(self, tree: Tree, problem: str, right: str) -> None:
        self.errors.append(SchemaError(self._file, *tree.mark, problem, right))


def _wrong(name: str, mark: Mark, problem: str, right: str) -> ConfigErrors:
    return ConfigErrors([SchemaError(name, *mark, problem, right)])
