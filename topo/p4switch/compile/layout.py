"""How a header type is cut into struct items: used fields decoded, unused runs kept as bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from topo.p4switch.program.model import FieldDef, HeaderType

_CODES = {8: "Q", 4: "I", 2: "H", 1: "B"}


@dataclass(frozen=True)
class Group:
    """Fields that together fill whole bytes: (name, width, signed), first one most significant."""

    fields: tuple[tuple[str, int, bool], ...]

    @property
    def bits(self) -> int:
        """Width of the group."""
        return sum(width for _, width, _ in self.fields)


@dataclass(frozen=True)
class Opaque:
    """Whole bytes that are not looked into, kept under the name of their first field."""

    name: str
    size: int


@dataclass(frozen=True)
class VarBits:
    """The variable-length field."""

    name: str
    max_width: int


Item = Group | Opaque | VarBits


def cut(kind: HeaderType, used: Callable[[str], bool]) -> tuple[Item, ...]:
    """The items of a header type; neighbouring groups without a used field become one Opaque."""
    items: list[Item] = []
    run: list[FieldDef] = []
    for field in kind.fields:
        if field.varbit:
            items.append(VarBits(field.name, field.max_width))
            continue
        run.append(field)
        bits = sum(f.width for f in run)
        if bits % 8:
            continue
        _close(items, run, bits, used)
        run = []
    return tuple(items)


def _close(items: list[Item], run: list[FieldDef], bits: int, used: Callable[[str], bool]) -> None:
    if any(used(f.name) for f in run):
        items.append(Group(tuple((f.name, f.width, f.signed) for f in run)))
        return
    last = items[-1] if items else None
    if isinstance(last, Opaque):
        items[-1] = Opaque(last.name, last.size + bits // 8)
    elif bits:
        items.append(Opaque(run[0].name, bits // 8))


def pieces(size: int) -> list[int]:
    """Sizes of the struct codes that make up `size` bytes, at most three; else one string of bytes."""
    out = []
    rest = size
    for code in (8, 4, 2, 1):
        while rest >= code:
            out.append(code)
            rest -= code
    return out if len(out) <= 3 else [-size]


def code_of(piece: int) -> str:
    """The struct code of a piece; a negative one is a string of bytes."""
    return _CODES[piece] if piece > 0 else f"{-piece}s"


def join_pieces(names: list[str], sizes: list[int]) -> str:
    """The expression that makes one integer of a group's pieces."""
    if sizes[0] < 0:
        return f"int_from_bytes({names[0]}, 'big')"
    text = names[0]
    for name, size in zip(names[1:], sizes[1:], strict=True):
        text = f"({text} << {8 * size} | {name})"
    return text


def split_pieces(value: str, sizes: list[int]) -> list[str]:
    """The expressions that cut one integer into a group's pieces; `value` must be cheap to repeat."""
    if sizes[0] < 0:
        return [f"({value}).to_bytes({-sizes[0]}, 'big')"]
    out = []
    below = 8 * sum(sizes)
    for index, size in enumerate(sizes):
        below -= 8 * size
        text = f"{value} >> {below}" if below else value
        out.append(
            text
            if index == 0
            else f"({text}) & {(1 << 8 * size) - 1:#x}"
            if below
            else f"{text} & {(1 << 8 * size) - 1:#x}"
        )
    return out


def pack_fields(parts: list[tuple[str, int, bool]]) -> str:
    """The expression that puts (variable, width, signed) side by side in one integer."""
    below = sum(width for _, width, _ in parts)
    out = []
    for name, width, signed in parts:
        below -= width
        text = f"({name} & {(1 << width) - 1:#x})" if signed else name
        if text != "0":
            out.append(f"{text} << {below}" if below else text)
    return " | ".join(out) or "0"
