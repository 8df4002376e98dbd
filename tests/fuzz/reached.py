"""Which lines of the modules under test were reached: some of the inputs are run under a trace."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Reached:
    """Lines by file, those that are in functions: what a module does when it is loaded is no input's doing."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._files = {str(file) for each in modules for file in _files(ROOT / each)}
        self._lines: set[tuple[str, int]] = set()

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Note what this thread reaches, and those that begin meanwhile."""
        threading.settrace(self._call)
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def __len__(self) -> int:
        return len(self._lines)

    def share(self) -> tuple[int, int]:
        """Lines reached, of all."""
        everything = {line for file in self._files for line in _lines(file)}
        return len(self._lines & everything), len(everything)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def _files(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def _lines(file: str) -> Iterator[tuple[str, int]]:
    """Of all functions of a file."""
    made = compile(Path(file).read_text(), file, "exec")
    todo = [each for each in made.co_consts if isinstance(each, CodeType)]
    while todo:
        code = todo.pop()
        todo += [each for each in code.co_consts if isinstance(each, CodeType)]
        if code.co_flags & 1:  # of a function: the body of a class runs when it is loaded
            yield from (
                (file, line) for _, _, line in code.co_lines() if line and line != code.co_firstlineno
            )
