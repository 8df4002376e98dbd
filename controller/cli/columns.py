"""Tables without borders: heads in capitals, as wide as what they hold; colours on terminals alone."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

STYLES = {
    "up": "green", "in use": "green", "in step": "green", "fit": "green", "put": "green",
    "down": "red", "away": "red", "not fit": "red", "deleted": "red",
    "drain": "yellow", "draining": "yellow", "drained": "yellow", "leaving": "yellow", "not in step": "yellow",
    "none: it moves": "yellow", "unknown": "yellow",
}  # fmt: skip
"""Of cells that begin so."""


def console() -> Console:
    """Standard output; NO_COLOR and anything that is no terminal turn colours off."""
    return Console(highlight=False, soft_wrap=True)


def show(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    to = console()
    for line in lines(heads, rows):
        to.print(line)


def lines(heads: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "") -> list[Text]:
    """The lines of a table."""
    cells = [[head.upper() for head in heads], *([each or "-" for each in row] for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    return [_line(row, widths, indent) for row in cells]


def _line(row: Sequence[str], widths: Sequence[int], indent: str) -> Text:
    line = Text(indent)
    for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
        last = at == len(row) - 1
        line.append(cell, style=style(cell))
        line.append("" if last else " " * (width - len(cell) + 2))
    return line


def style(cell: str) -> str:
    """The colour of a cell."""
    return STYLES.get(cell.partition(":")[0], STYLES.get(cell, ""))
