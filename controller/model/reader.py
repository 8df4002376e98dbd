"""Reads mappings key by key with converters, collecting every error with its place; knows no particular key.

A ``Record`` learns which keys exist from what it is asked for, so the schema is written once. A value that
does not convert is reported and its path kept in ``Source.bad``: later checks stay silent about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar, overload

from controller.model.errors import ConfigError, SchemaError
from controller.model.units import Wrong
from controller.model.yaml_source import Entry, Mapping, Mark, Scalar, Sequence, Tree

T = TypeVar("T")
D = TypeVar("D")
Path = tuple[str | int, ...]
MAX_SHOWN = 200
"""Characters of a value or key that a message quotes at most."""
Converter = Callable[["Place"], T]
"""From a place to a value; raises ``Wrong``. The first line of its docstring is the type in the generated reference."""


@dataclass(frozen=True)
class Key:
    """A key that the schema asked a record for."""

    name: str
    converter: Converter[object]
    default: object
    required: bool


@dataclass
class Source:
    """What is known of the file besides the intent itself: places, errors, and what could not be read."""

    file: str
    errors: list[ConfigError] = field(default_factory=list)
    marks: dict[Path, Mark] = field(default_factory=dict)
    bad: set[Path] = field(default_factory=set)
    """Paths at which an error was reported, so that their values are not what the operator meant."""
    paths: dict[int, Path] = field(default_factory=dict)
    """``id()`` of each built object to its path; the objects live as long as the intent."""
    names: dict[str, set[str]] = field(default_factory=dict)
    """Per kind ("site", "switch", ...) all names given, also those of objects that could not be built."""
    first: dict[tuple[Path, str], Mark] = field(default_factory=dict)
    """Where a name was first given in the list at a path."""
    dropped: set[str] = field(default_factory=set)
    """Kinds of which an object could not be built."""
    where: Callable[[Mark], str] = field(default=lambda mark: f"line {mark.line}")
    """How messages call a place."""
    asked: list[Key] | None = None
    """If a list: every key that a record is asked for, so that the reference can be generated from the schema."""

    def copied(self, thing: T, copy: T) -> T:
        """Notes that ``copy`` was made of ``thing``, so that its place is the same, and returns it."""
        self.paths[id(copy)] = self.paths[id(thing)]
        return copy

    def error(self, mark: Mark, message: str, hint: str) -> None:
        """Records an error at a place."""
        self.errors.append(SchemaError(self.file, mark.line, mark.col, message, hint))


@dataclass(frozen=True)
class Place:
    """A node, where it stands in the tree (``path``), and how messages call it (``label``)."""

    source: Source
    node: Tree
    path: Path
    label: str

    def fail(self, problem: str, right: str) -> None:
        """Records that this value ``problem`` and that ``right`` would be right."""
        self.source.bad.add(self.path)
        self.source.error(self.node.mark, f"{shortened(self.label)} {shortened(problem)}", shortened(right))

    def scalar(self, right: str) -> Scalar:
        """The node if it is a scalar that is not empty; raises ``Wrong`` saying what is ``right``."""
        if not isinstance(self.node, Scalar):
            raise Wrong(f"is {self.node}", right)
        if self.node.value is None:
            raise Wrong("is empty", right)
        return self.node

    def convert(self, converter: Converter[T]) -> tuple[T] | None:
        """The converted value in a 1-tuple, or None once its error is recorded."""
        self.source.marks[self.path] = self.node.mark
        try:
            return (converter(self),)
        except Wrong as wrong:
            self.fail(wrong.problem, wrong.right)
            return None


class Record:
    """A mapping being read; ``close`` after the last key reports the keys that were not asked for."""

    def __init__(self, place: Place, what: str) -> None:
        if not isinstance(place.node, Mapping):
            raise Wrong(f"is {place.node}", f"write keys and values here ({what})")
        self.place = place
        self.what = what
        """How messages call the thing, e.g. ``pool "web"``."""
        self.complete = True
        """False once a required key is missing or bad: the thing cannot be built."""
        self._entries: dict[str, Entry] = {entry.key.text: entry for entry in place.node.entries}
        self._known: list[str] = []
        self._refused: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether the key is given."""
        return key in self._entries

    def get(self, key: str, converter: Converter[T], default: D) -> T | D:
        """The value of an optional key; ``default`` if it is not given or (reported) bad."""
        self._note_key(key, converter, default, required=False)
        entry = self._entries.get(key)
        if entry is None:
            return default
        path = (*self.place.path, key)
        converted = Place(self.place.source, entry.value, path, key).convert(converter)
        return default if converted is None else converted[0]

    @overload
    def need(self, key: str, converter: Converter[T], example: str) -> T: ...
    @overload
    def need(self, key: str, converter: Converter[T], example: str, stand_in: D) -> T | D: ...
    def need(self, key: str, converter: Converter[T], example: str, stand_in: object = None) -> object:
        """The value of a required key. If it is missing or bad, the record is incomplete and the result
        meaningless; or, given a ``stand_in`` that checks can live with, that is the result.
        """
        if not self.has(key):
            self._note_key(key, converter, None, required=True)
            self.lacks(key, f"add {example}")
            value: object = stand_in
        else:
            value = self.get(key, converter, stand_in)
        if value is None:
            self.complete = False
        return value

    def _note_key(self, key: str, converter: Converter[object], default: object, required: bool) -> None:
        self._known.append(key)
        if self.place.source.asked is not None:
            self.place.source.asked.append(Key(key, converter, default, required))

    def lacks(self, key: str, right: str) -> None:
        """Reports that a required key is not there."""
        self.place.source.bad.add((*self.place.path, key))
        self.place.source.error(self.place.node.mark, f'{self.what} lacks "{key}"', right)

    def fail(self, key: str, message: str, right: str) -> None:
        """Reports an error of the thing at one of its keys."""
        source = self.place.source
        source.bad.add((*self.place.path, key))
        entry = self._entries.get(key)
        source.error(entry.key.mark if entry else self.place.node.mark, f"{self.what}: {message}", right)

    def refuse(self, key: str, problem: str, right: str) -> None:
        """Reports a key that might be expected here and is not offered, if it is given."""
        self._refused.add(key)
        if self.has(key):
            self.fail(key, problem, right)

    def name(self, kind: str, converter: Converter[str], example: str) -> str:
        """The required key ``name``, noted: a reference to a thing that is otherwise bad is no error."""
        entry = self._entries.get("name")
        if entry is not None and isinstance(entry.value, Scalar) and entry.value.text:
            self.what = f'{self.what} "{entry.value.text}"'
            self._note_name(kind, entry.value)
        return self.need("name", converter, example)

    def _note_name(self, kind: str, given: Scalar) -> None:
        source, siblings = self.place.source, self.place.path[:-1]
        source.names.setdefault(kind, set()).add(given.text)
        if (siblings, given.text) in source.first:
            first = source.where(source.first[siblings, given.text])
            source.bad.add((*self.place.path, "name"))
            source.error(given.mark, f"{self.what} is given twice (first at {first})", "choose another name")
        source.first.setdefault((siblings, given.text), given.mark)

    def close(self) -> bool:
        """Reports unknown keys; True if everything required was there."""
        for text, entry in self._entries.items():
            if text in self._known or text in self._refused:
                continue
            near = get_close_matches(text, self._known, n=1, cutoff=0.6)
            right = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(self._known)}"
            self.place.source.error(entry.key.mark, f'{self.what} has the unknown key "{text}"', right)
            self.place.source.bad.add((*self.place.path, text))
            if near:  # The operator meant that key: what its absence would entail is no second error.
                self.place.source.bad.add((*self.place.path, near[0]))
        return self.complete

    def built(self, thing: T) -> T:
        """Notes where ``thing`` came from and returns it."""
        self.place.source.paths[id(thing)] = self.place.path
        return thing


def first_line(converter: Converter[object]) -> str:
    """What a converter takes, in words: the first line of its docstring without the full stop."""
    return (converter.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def shortened(text: str) -> str:
    """A text for a message, which may quote a value of any length."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN // 2]} ... {text[-MAX_SHOWN // 3 :]}"


def each(converter: Converter[T], right: str) -> Converter[tuple[T, ...]]:
    """A list of items; bad items are reported and left out."""

    def convert(place: Place) -> tuple[T, ...]:
        if not isinstance(place.node, Sequence):
            raise Wrong(f"is {place.node}", right)
        found: list[T] = []
        for index, node in enumerate(place.node.items):
            label = f"{place.label}[{index}]"
            item = Place(place.source, node, (*place.path, index), label).convert(converter)
            if item is not None:
                found.append(item[0])
        return tuple(found)

    convert.__doc__ = f"List: {first_line(converter)}"
    return convert


def things(reader: Callable[[Place], T | None], kind: str, example: str) -> Converter[tuple[T, ...]]:
    """A list of records of one kind; those that could not be built are left out and noted as dropped."""

    def one(place: Place) -> T:
        thing = reader(place)
        if thing is None:
            raise _Dropped
        return thing

    def convert(place: Place) -> tuple[T, ...]:
        if not isinstance(place.node, Sequence):
            raise Wrong(f"is {place.node}", f"write a list: {example}")
        found: list[T] = []
        for index, node in enumerate(place.node.items):
            item_place = Place(place.source, node, (*place.path, index), f"{place.label}[{index}]")
            try:
                item = item_place.convert(one)
            except _Dropped:
                item = None
            if item is None:
                place.source.dropped.add(kind)
            else:
                found.append(item[0])
        return tuple(found)

    return convert


class _Dropped(Exception):
    """A record whose errors are recorded already."""
