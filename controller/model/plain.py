"""Reads a document of plain values as the reader of files reads YAML: the same keys, checks and messages.

Instead of lines its errors have paths, such as ``pools[0].backends[1].weight``.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import NamedTuple

from controller.model.document import Plain
from controller.model.errors import ConfigErrors
from controller.model.load import load_tree
from controller.model.reader import Path, Source
from controller.model.units import Wrong
from controller.model.yaml_source import Entry, Mapping, Mark, Scalar, Sequence, Tree
from controller.spec.types import Intent

NAME = "the document"


class Violation(NamedTuple):
    """One thing wrong in one place of a document."""

    path: str
    """Empty: the document as a whole."""
    message: str
    """What is wrong."""
    hint: str
    """What would be right."""

    def __str__(self) -> str:
        return f"{self.path or NAME}: {self.message}, {self.hint}"


class DocumentErrors(Exception):
    """Everything wrong with a document, in its order."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("\n".join(str(each) for each in violations))
        self.violations = tuple(violations)


def load_plain(document: Plain) -> Intent:
    """The intent that a document says. Raises ``DocumentErrors`` with everything that is wrong."""
    builder = _Builder()
    tree = builder.build(document, ())
    source = Source(NAME, where=builder.where)
    try:
        return load_tree(tree, source)
    except ConfigErrors as errors:
        found = [Violation(builder.path(each.line), each.message, each.hint) for each in errors]
        raise DocumentErrors(found) from None


def dotted(path: Path) -> str:
    """A path as people write it."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


class _Builder:
    """Makes nodes whose lines are numbers of their paths."""

    def __init__(self) -> None:
        self._paths: list[Path] = []

    def build(self, value: object, path: Path) -> Tree:
        """The node of a value. Raises ``Wrong`` for what no document holds, which is a defect of its maker."""
        self._paths.append(path)
        mark = Mark(len(self._paths), 1)
        if isinstance(value, Dict):
            entries = (
                Entry(Scalar(str(key), str(key), mark), self.build(each, (*path, str(key))))
                for key, each in value.items()
            )
            return Mapping(tuple(self._keyed(entry) for entry in entries), mark)
        if isinstance(value, list):
            return Sequence(tuple(self.build(each, (*path, i)) for i, each in enumerate(value)), mark)
        if isinstance(value, bool):
            return Scalar(value, str(value).lower(), mark)
        if value is None or isinstance(value, str | int | float):
            return Scalar(value, "" if value is None else str(value), mark)
        raise Wrong(f"is a {type(value).__name__}", "write what JSON can hold")

    @staticmethod
    def _keyed(entry: Entry) -> Entry:
        """A key stands where its value does. That of a number, as ports have it, is one."""
        text = entry.key.text
        value = int(text) if text.isdecimal() and text.isascii() else text
        return Entry(Scalar(value, text, entry.value.mark), entry.value)

    def path(self, line: int) -> str:
        """Of an error; 0: of the whole."""
        return dotted(self._paths[line - 1]) if 0 < line <= len(self._paths) else ""

    def where(self, mark: Mark) -> str:
        """A place, in messages."""
        return self.path(mark.line)
