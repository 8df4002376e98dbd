"""Integer expressions in the making: source text with the interval its value is known to lie in."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

_WIDEST_SHIFT = 2048


@dataclass(frozen=True)
class Value:
    """Source text of an integer; `low` and `high` bound it, None is unbounded."""

    text: str
    low: int | None
    high: int | None

    def fits(self, width: int, signed: bool = False) -> bool:
        """Whether the value is known to fit a field of that width."""
        if self.low is None or self.high is None:
            return False
        if signed:
            return -(1 << (width - 1)) <= self.low and self.high < 1 << (width - 1)
        return self.low >= 0 and self.high < 1 << width


def constant(number: int) -> Value:
    """A known integer; negative ones are bracketed."""
    return Value(str(number) if number >= 0 else f"({number})", number, number)


def known(value: Value) -> int | None:
    """The value's number when it is a constant."""
    return value.low if value.low is not None and value.low == value.high else None


def of_width(text: str, width: int, signed: bool = False) -> Value:
    """A variable of that many bits."""
    if signed:
        return Value(text, -(1 << (width - 1)), (1 << (width - 1)) - 1)
    return Value(text, 0, (1 << width) - 1)


def stored(value: Value, width: int, signed: bool = False) -> str:
    """Source text of the value as a field of that width keeps it."""
    if value.fits(width, signed):
        return value.text
    ones = (1 << width) - 1
    number = known(value)
    if signed:
        half = 1 << (width - 1)
        if number is not None:
            return str(((number & ones) ^ half) - half)
        return f"((({value.text}) & {ones:#x}) ^ {half:#x}) - {half:#x}"
    if number is not None:
        return str(number & ones)
    return f"({value.text}) & {ones:#x}"


def unsigned(value: Value, width: int) -> str:
    """Source text of the value's bits as a non-negative integer."""
    return (
        value.text if value.low is not None and value.low >= 0 else f"({value.text} & {(1 << width) - 1:#x})"
    )


def _add(a: Value, b: Value) -> Value:
    return Value(f"({a.text} + {b.text})", _sum(a.low, b.low), _sum(a.high, b.high))


def _sub(a: Value, b: Value) -> Value:
    low = None if a.low is None or b.high is None else a.low - b.high
    high = None if a.high is None or b.low is None else a.high - b.low
    return Value(f"({a.text} - {b.text})", low, high)


def _mul(a: Value, b: Value) -> Value:
    text = f"({a.text} * {b.text})"
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Value(text, None, None)
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Value(text, min(corners), max(corners))


def _div(a: Value, b: Value) -> Value:
    return Value(f"({a.text} // {b.text})", 0 if _natural(a) else None, a.high if _natural(a) else None)


def _mod(a: Value, b: Value) -> Value:
    return Value(f"({a.text} % {b.text})", 0, None if b.high is None else max(b.high - 1, 0))


def _left(a: Value, b: Value) -> Value:
    count = known(b)
    if count is not None:
        low = None if a.low is None else a.low << count
        return Value(f"({a.text} << {count})", low, None if a.high is None else a.high << count)
    if b.high is not None and b.high <= 64:
        high = a.high << b.high if _natural(a) and a.high is not None else None
        return Value(f"({a.text} << {b.text})", 0 if _natural(a) else None, high)
    # No field is that wide, so what is shifted further would be cut off anyway; Python would build it first.
    return Value(
        f"({a.text} << {b.text} if {b.text} < {_WIDEST_SHIFT} else 0)", 0 if _natural(a) else None, None
    )


def _right(a: Value, b: Value) -> Value:
    count = known(b)
    if count is not None:
        low = None if a.low is None else a.low >> count
        return Value(f"({a.text} >> {count})", low, None if a.high is None else a.high >> count)
    if _natural(a):
        return Value(f"({a.text} >> {b.text})", 0, a.high)
    return Value(f"({a.text} >> {b.text})", a.low, a.high if a.high is None or a.high >= 0 else -1)


def _and(a: Value, b: Value) -> Value:
    for value, other in ((a, b), (b, a)):
        mask = known(other)
        if mask is not None and mask >= 0 and mask & (mask + 1) == 0 and value.fits(mask.bit_length()):
            return value
    text = f"({a.text} & {b.text})"
    highs = [v.high for v in (a, b) if _natural(v) and v.high is not None]
    if highs:
        return Value(text, 0, min(highs))
    return Value(text, 0 if _natural(a) or _natural(b) else None, None)


def _bits(op: str, a: Value, b: Value) -> Value:
    text = f"({a.text} {op} {b.text})"
    if _natural(a) and _natural(b):
        if a.high is None or b.high is None:
            return Value(text, 0, None)
        return Value(text, 0, (1 << max(a.high, b.high).bit_length()) - 1)
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Value(text, None, None)
    top = max((n if n >= 0 else ~n).bit_length() for n in (a.low, a.high, b.low, b.high))
    return Value(text, -(1 << top), (1 << top) - 1)


def _or(a: Value, b: Value) -> Value:
    return _bits("|", a, b)


def _xor(a: Value, b: Value) -> Value:
    return _bits("^", a, b)


_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "+": _add,
    "-": _sub,
    "*": _mul,
    "/": _div,
    "%": _mod,
    "<<": _left,
    ">>": _right,
    "&": _and,
    "|": _or,
    "^": _xor,
}

ARITHMETIC = frozenset(_BINARY)


def combine(op: str, a: Value, b: Value) -> Value:
    """The value of `a op b`, computed now when both are constants."""
    x, y = known(a), known(b)
    if (
        x is not None
        and y is not None
        and (op not in ("/", "%") or y > 0)
        and (op != "<<" or y < _WIDEST_SHIFT)
    ):
        return constant(_FOLD[op](x, y))
    return _BINARY[op](a, b)


_FOLD: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
    "%": operator.mod,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}


def union(text: str, a: Value, b: Value) -> Value:
    """Either of two values."""
    low = None if a.low is None or b.low is None else min(a.low, b.low)
    high = None if a.high is None or b.high is None else max(a.high, b.high)
    return Value(text, low, high)


def _natural(value: Value) -> bool:
    return value.low is not None and value.low >= 0


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
