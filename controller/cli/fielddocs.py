"""Docstrings under the fields of a class: the meaning of a dataclass's fields and of an enumeration's members."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from functools import cache


@cache
def field_docs(kind: type) -> Mapping[str, str]:
    """Name to docstring (one line, Markdown) of the annotated or assigned names of ``kind`` and its bases.

    A name without a docstring is left out.
    """
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__ in ("builtins", "enum", "typing"):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for node, following in zip(tree.body, tree.body[1:], strict=False):
            name, text = _assigned(node), _text(following)
            if name and text:
                found[name] = text
    return found


def _assigned(node: ast.stmt) -> str | None:
    target: ast.expr | None = None
    if isinstance(node, ast.AnnAssign):
        target = node.target
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    return target.id if isinstance(target, ast.Name) else None


def _text(node: ast.stmt) -> str | None:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return markdown(node.value.value)
    return None


def markdown(text: str) -> str:
    """One line of Markdown from a docstring: double backquotes become single ones."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))
