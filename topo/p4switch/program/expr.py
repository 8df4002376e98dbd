"""The expression tree of a bmv2 JSON: constants, fields, parameters, operators, named objects."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Const:
    """An integer constant; `width` is the bits it was declared with, 0 when the JSON does not say."""

    value: int
    width: int = 0


@dataclass(frozen=True)
class Bool:
    """A boolean constant."""

    value: bool


@dataclass(frozen=True)
class FieldRef:
    """A field of a header instance; the field `$valid$` is the header's validity."""

    header: str
    field: str


@dataclass(frozen=True)
class Local:
    """An action's run-time parameter, by index."""

    index: int


@dataclass(frozen=True)
class HeaderRef:
    """A header instance."""

    name: str


@dataclass(frozen=True)
class StackRef:
    """A header stack."""

    name: str


@dataclass(frozen=True)
class UnionRef:
    """A header union."""

    name: str


@dataclass(frozen=True)
class UnionStackRef:
    """A stack of header unions."""

    name: str


@dataclass(frozen=True)
class StackField:
    """A field of the last valid header of a stack."""

    stack: str
    field: str


@dataclass(frozen=True)
class UnionStackField:
    """A field of a member of the last valid union of a union stack."""

    stack: str
    member: str
    field: str


@dataclass(frozen=True)
class UnionStackMember:
    """A member of the next free union of a union stack, as the target of an extraction."""

    stack: str
    member: str


@dataclass(frozen=True)
class Lookahead:
    """Bits of the packet that are not extracted yet: bit offset from the cursor and width."""

    offset: int
    width: int


@dataclass(frozen=True)
class RegisterCell:
    """A cell of a register array, read in an expression."""

    array: str
    index: Expr


@dataclass(frozen=True)
class Named:
    """An object of the program by name; `kind` is the JSON's type (calculation, register_array, ...)."""

    kind: str
    name: str


@dataclass(frozen=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True)
class Vector:
    """A list of values, as log messages take it."""

    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Op:
    """An operation; unary ones have no `left`, and `?` has a `cond`."""

    op: str
    left: Expr | None
    right: Expr | None
    cond: Expr | None = None


Expr = (
    Const
    | Bool
    | FieldRef
    | Local
    | HeaderRef
    | StackRef
    | UnionRef
    | UnionStackRef
    | StackField
    | UnionStackField
    | UnionStackMember
    | Lookahead
    | RegisterCell
    | Named
    | Text
    | Vector
    | Op
)
