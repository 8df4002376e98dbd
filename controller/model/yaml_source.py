"""YAML text as a tree of nodes that know their line and column; knows nothing of intent."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import RoundTripScanner

from controller.model.errors import ConfigError, ConfigErrors, FileError, SchemaError, YamlError
from controller.model.yaml_fast import fast_root

MAX_BYTES = 4 << 20
"""Octets of the largest file: a fabric of a thousand VIPs takes half a megabyte."""
MAX_DEPTH = 32
"""Lists and mappings that stand in each other at most; an intent needs 8."""
MAX_VALUES = 1_000_000
"""Values that a file may stand for, each as often as an alias repeats it."""
_TAG = "tag:yaml.org,2002:"


# An anchor may be given again, and means the later place from there on: that is no matter for a warning.
warnings.filterwarnings("ignore", category=ReusedAnchorWarning)

_TOO_LARGE = f"is larger than {MAX_BYTES >> 20} MiB"
_SHALLOW = "close what is open: an intent needs no more than 8"
_SPLIT = "divide it among controllers, each with switches of its own"


class Mark(NamedTuple):
    """A place in the file, both counted from 1."""

    line: int
    col: int


@dataclass(frozen=True)
class Scalar:
    """One value: ``None``, ``bool``, ``int``, ``float`` or ``str``; ``text`` is how it was written."""

    value: bool | int | float | str | None
    text: str
    mark: Mark

    def __str__(self) -> str:
        return "empty" if self.value is None else f'"{self.text}"'


@dataclass(frozen=True)
class Sequence:
    """A list."""

    items: tuple[Tree, ...]
    mark: Mark

    def __str__(self) -> str:
        return "a list"


class Entry(NamedTuple):
    """One ``key: value`` of a mapping."""

    key: Scalar
    value: Tree


@dataclass(frozen=True)
class Mapping:
    """Keys and values in file order; keys are unique as written."""

    entries: tuple[Entry, ...]
    mark: Mark

    def __str__(self) -> str:
        return "a mapping"


Tree = Scalar | Sequence | Mapping


def read_text(path: Path) -> str:
    """The text of a UTF-8 file; raises ``ConfigErrors`` with the one reason why not."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = f"cannot be read ({reason})"
        raise ConfigErrors([FileError(str(path), 0, 0, problem, "name a readable YAML file")]) from None
    if len(data) > MAX_BYTES:
        raise ConfigErrors([FileError(str(path), 0, 0, _TOO_LARGE, _SPLIT)])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        mark = _mark_of_index(before, len(before))
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise ConfigErrors([FileError(str(path), *mark, problem, "save the file as UTF-8 text")]) from None


def parse(text: str, name: str) -> tuple[Tree, list[ConfigError]]:
    """The tree of a YAML text and the errors that leave a tree standing (duplicate keys and the like).

    ``name`` is the file's name in messages. Raises ``ConfigErrors`` with one error if there is no tree.
    """
    if len(text) > MAX_BYTES:
        raise ConfigErrors([FileError(name, 0, 0, _TOO_LARGE, _SPLIT)])
    yaml = YAML()
    yaml.Scanner = _BoundedScanner
    try:
        root = fast_root(text) or yaml.compose(text)
    except ReaderError as error:
        mark = _mark_of_index(text, error.position)
        problem = f"character U+{_code(error.character):04X} is not allowed in YAML"
        right = "remove it or escape it in double quotes"
        raise ConfigErrors([YamlError(name, *mark, problem, right)]) from None
    except MarkedYAMLError as error:
        raise ConfigErrors([_syntax_error(error, name)]) from None
    except _TooDeep as error:
        problem = f"lists and mappings stand more than {MAX_DEPTH} deep in each other"
        raise ConfigErrors([YamlError(name, *error.mark, problem, _SHALLOW)]) from None
    except (YAMLError, RecursionError) as error:
        problem = f"not YAML ({type(error).__name__})"
        raise ConfigErrors([YamlError(name, 1, 1, problem, "check its syntax")]) from None
    if root is None:
        raise ConfigErrors([YamlError(name, 1, 1, "the file is empty", "start with sites: and switches:")])
    builder = _Builder(name)
    tree = builder.build(root)
    if builder.values(root) > MAX_VALUES:
        problem = f"holds more than {MAX_VALUES:,} values, those of an alias counted each time"
        raise ConfigErrors([YamlError(name, 0, 0, problem, _SPLIT)])
    return tree, builder.errors


class _BoundedScanner(RoundTripScanner):
    """Ends at lists and mappings that stand too deep in each other: what reads them takes time and stack by depth."""

    def fetch_flow_collection_start(self, TokenClass: type, to_push: str) -> None:  # noqa: N803 - ruamel's name
        """At [ and {."""
        self._check_depth()
        super().fetch_flow_collection_start(TokenClass, to_push)

    def add_indent(self, column: int) -> bool:
        """At the first item or key of a block."""
        self._check_depth()
        return bool(super().add_indent(column))

    def _check_depth(self) -> None:
        if len(self.flow_context) + len(self.indents) >= MAX_DEPTH:
            mark = self.reader.get_mark()
            raise _TooDeep(Mark(mark.line + 1, mark.column + 1))


class _TooDeep(Exception):
    """The place at which a list or mapping begins that stands too deep in others."""

    def __init__(self, mark: Mark) -> None:
        super().__init__(mark)
        self.mark = mark


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")


def _mark_of_index(text: str, index: int) -> Mark:
    before = text[:index]
    return Mark(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _syntax_error(error: MarkedYAMLError, name: str) -> YamlError:
    mark = error.problem_mark or error.context_mark
    place = Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)
    problem = f"not YAML: {error.problem or error.context}"
    if "'\\t'" in problem:
        return YamlError(name, *place, problem, "indent with spaces")
    if error.context and error.context_mark:
        start = Mark(error.context_mark.line + 1, error.context_mark.column + 1)
        right = f"check what begins at {start.line}:{start.col} ({error.context})"
        return YamlError(name, *place, problem, right)
    return YamlError(name, *place, problem, "check quotes, colons and indentation here")


class _Builder:
    """Turns composed nodes into our tree; each node once, so that aliases cost nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.errors: list[ConfigError] = []
        self._done: dict[int, Tree] = {}
        self._open: set[int] = set()
        self._values: dict[int, int] = {}

    def build(self, node: Node) -> Tree:
        known = self._done.get(id(node))
        if known is not None:
            return known
        mark = Mark(node.start_mark.line + 1, node.start_mark.column + 1)
        if id(node) in self._open:
            self._error(mark, "an alias stands inside its own anchor", "write the value out")
            return Scalar(None, "", mark)
        self._open.add(id(node))
        tree: Tree
        # By name: libyaml's nodes are of other classes than ruamel's.
        kind = getattr(node, "id", "")
        if kind == "mapping":
            tree = Mapping(tuple(self._entries(node)), mark)
        elif kind == "sequence":
            tree = Sequence(tuple(self.build(item) for item in node.value), mark)
        else:
            tree = _scalar(str(node.tag).removeprefix(_TAG), node.value, mark)
        self._open.discard(id(node))
        self._done[id(node)] = tree
        return tree

    def values(self, node: Node) -> int:
        """How many values a node stands for, those of aliases counted each time."""
        known = self._values.get(id(node))
        if known is None:
            self._values[id(node)] = 1  # also for an alias inside its own anchor
            inner: list[Node] = []
            kind = getattr(node, "id", "")
            if kind == "mapping":
                inner = [part for pair in node.value for part in pair]
            elif kind == "sequence":
                inner = list(node.value)
            known = self._values[id(node)] = 1 + sum(self.values(part) for part in inner)
        return known

    def _entries(self, node: Node) -> list[Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            key = self.build(key_node)
            value = self.build(value_node)
            if not isinstance(key, Scalar):
                self._error(key.mark, f"{key} stands as a key", "a key is a word or a number")
            elif str(key_node.tag) == _TAG + "merge":
                self._merge(value, merged)
            elif key.text in own:
                problem = f'duplicate key "{key.text}" (first at line {own[key.text].key.mark.line})'
                self._error(key.mark, problem, "keep one of the two")
            else:
                own[key.text] = Entry(key, value)
        # Keys written out win over merged ones, as YAML's merge type says.
        return list((merged | own).values())

    def _merge(self, value: Tree, into: dict[str, Entry]) -> None:
        for source in value.items if isinstance(value, Sequence) else (value,):
            if not isinstance(source, Mapping):
                right = "merge a mapping (<<: *anchor) or a list of mappings"
                self._error(source.mark, f"<< merges {source}", right)
                continue
            for entry in source.entries:
                into.setdefault(entry.key.text, entry)

    def _error(self, mark: Mark, message: str, hint: str) -> None:
        self.errors.append(SchemaError(self.name, *mark, message, hint))


def _scalar(tag: str, text: str, mark: Mark) -> Scalar:
    if tag == "null":
        return Scalar(None, text, mark)
    if tag == "bool" and text.lower() in {"true", "yes", "on", "false", "no", "off"}:
        return Scalar(text.lower() in {"true", "yes", "on"}, text, mark)
    if tag in {"int", "float"}:
        number = _number(text)
        if number is not None:
            return Scalar(number, text, mark)
    return Scalar(text, text, mark)


def _number(text: str) -> int | float | None:
    plain = text.replace("_", "").lower()
    digits = plain.lstrip("+-")
    try:
        if digits.isdigit():
            return int(plain, 10)
        if digits.startswith(("0x", "0o", "0b")):
            return int(plain, 0)
        number = float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number.is_integer() and "." not in plain else number
