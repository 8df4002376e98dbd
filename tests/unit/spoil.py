"""Spoils a good intent text by replacements that mark the places at which errors are expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
MARK = "¦"
"""Stands in a replacement right before each place at which an error is expected."""


class Spoiled(NamedTuple):
    """A text without marks, and what must be said about it."""

    text: str
    expected: list[str]


def spoil(base: str, edit: Mapping[str, str], says: Sequence[str], name: str) -> Spoiled:
    """``base`` with each key of ``edit`` (it stands there once) replaced by its value.

    ``says`` are the errors in file order; each gets the place of its mark in the file called ``name``.
    """
    for old, new in edit.items():
        assert base.count(old) == 1, f"{old!r} stands {base.count(old)} times in the base"
        base = base.replace(old, new)
    places: list[str] = []
    lines = base.split("\n")
    for number, line in enumerate(lines, start=1):
        parts = line.split(MARK)
        columns = [len("".join(parts[: i + 1])) + 1 for i in range(len(parts) - 1)]
        places += [f"{name}:{number}:{column}" for column in columns]
        lines[number - 1] = "".join(parts)
    assert len(places) == len(says), f"{len(places)} marks for {len(says)} errors"
    pairs = zip(places, says, strict=True)
    return Spoiled("\n".join(lines), [f"{place}: {message}" for place, message in pairs])
