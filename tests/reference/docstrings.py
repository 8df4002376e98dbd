"""What pages are made of: docstrings of classes and of their fields, tables."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from controller.cli.fielddocs import field_docs, markdown

__all__ = ["field_docs", "markdown", "paragraphs", "table"]


def paragraphs(kind: type) -> list[str]:
    """The paragraphs of the docstring of a class, each one line of Markdown; raises ValueError if there are none."""
    if not kind.__doc__ or kind.__doc__.startswith(f"{kind.__name__}("):  # What dataclass() writes itself.
        raise ValueError(f"{kind.__module__}.{kind.__qualname__} has no docstring: add one")
    return [markdown(each) for each in inspect.cleandoc(kind.__doc__).split("\n\n")]


def table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [f"| {' | '.join(heading)} |", "|" + "---|" * len(heading)]
    return [*lines, *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)]
