"""Collects lines of generated source with their indentation, and the objects that source refers to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Writer:
    """Generated source under construction.

    Indentation is one space: the tokenizer takes 100 levels, and programs nest deeply. `bindings` are the
    globals of the generated module.
    """

    def __init__(self) -> None:
        """Empty source without bindings."""
        self.lines: list[str] = []
        self.bindings: dict[str, object] = {}
        self._depth = 0
        self._shared: dict[int, str] = {}

    def line(self, text: str) -> None:
        """Add a line at the current indentation."""
        self.lines.append(" " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines added inside belong to `head`; an empty block becomes `pass`."""
        self.line(head)
        self._depth += 1
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.line("pass")
        self._depth -= 1

    def bind(self, prefix: str, value: object) -> str:
        """A global name for an object; the same object keeps its name."""
        name = self._shared.get(id(value))
        if name is None:
            name = f"{prefix}{len(self.bindings)}"
            self.bindings[name] = value
            self._shared[id(value)] = name
        return name

    def text(self) -> str:
        """The source so far."""
        return "\n".join(self.lines) + "\n"
