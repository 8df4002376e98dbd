"""Typed access to the JSON: every wrong or missing attribute becomes a ProgramError that names its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from topo.p4switch.errors import ProgramError


class Node:
    """A JSON value with the path that led to it, for error texts."""

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str) -> None:
        """Wrap `value`, found at `path`."""
        self.value = value
        self.path = path

    def fail(self, problem: str) -> ProgramError:
        """The error to raise for this node."""
        return ProgramError(f"{self.path}: {problem}")

    def get(self, key: str, default: Any = None) -> Any:
        """The raw attribute, or `default`."""
        return self._object().get(key, default)

    def has(self, key: str) -> bool:
        """Whether the attribute is there and not null."""
        return self._object().get(key) is not None

    def at(self, key: str) -> Node:
        """The attribute as a node; it must be there."""
        values = self._object()
        if key not in values:
            raise self.fail(f"attribute {key!r} is missing")
        return Node(values[key], f"{self.path}.{key}")

    def item(self, index: int) -> Node:
        """An element of a list."""
        if not isinstance(self.value, list) or index >= len(self.value):
            raise self.fail(f"expected a list with more than {index} elements")
        return Node(self.value[index], f"{self.path}[{index}]")

    def each(self, key: str | None = None) -> Iterator[Node]:
        """The elements of a list attribute (none when absent), or of this node itself."""
        values = self.value if key is None else self._object().get(key)
        if values is None:
            return
        path = self.path if key is None else f"{self.path}.{key}"
        if not isinstance(values, list):
            raise ProgramError(f"{path}: expected a list")
        for index, value in enumerate(values):
            name = value.get("name") if isinstance(value, dict) else None
            yield Node(value, f"{path}[{name if isinstance(name, str) else index}]")

    def text(self, key: str | None = None) -> str:
        """The node, or its attribute, as a string."""
        node = self if key is None else self.at(key)
        if not isinstance(node.value, str):
            raise node.fail(f"expected a string, got {node.value!r}")
        return node.value

    def number(self, key: str | None = None) -> int:
        """The node, or its attribute, as an integer."""
        node = self if key is None else self.at(key)
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            raise node.fail(f"expected an integer, got {node.value!r}")
        return node.value

    def hexadecimal(self, key: str | None = None) -> int:
        """The node, or its attribute, as the integer its hexadecimal string stands for."""
        node = self if key is None else self.at(key)
        try:
            return int(node.text(), 16)
        except ValueError as error:
            raise node.fail(f"expected a hexadecimal string, got {node.value!r}") from error

    def _object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.fail("expected an object")
        return self.value
