"""Expressions to Python: numbers with their intervals, conditions, and headers picked by an index."""

from __future__ import annotations

from dataclasses import dataclass

from topo.p4switch.compile.names import Names
from topo.p4switch.compile.values import (
    ARITHMETIC,
    Value,
    combine,
    constant,
    known,
    of_width,
    union,
    unsigned,
)
from topo.p4switch.compile.writer import Writer
from topo.p4switch.errors import ProgramError
from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr
from topo.p4switch.program.model import ActionDef

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_BOOLEAN = (*_COMPARISONS, "and", "or", "not", "valid", "valid_union", "d2b")


@dataclass(frozen=True)
class Choice:
    """Header instances of one type, picked at run time by `index` (None: there is only one)."""

    index: Value | None
    headers: tuple[str, ...]


class Expressions:
    """Translates expressions; `params` names the local variables of the action being translated."""

    def __init__(self, names: Names, writer: Writer, registers: dict[str, str]) -> None:
        """`registers` gives the global name of each register array's cells."""
        self.names = names
        self._writer = writer
        self._registers = registers
        self.params: list[Value] = []

    def enter(self, action: ActionDef | None, values: tuple[int, ...] | None = None) -> list[str]:
        """Start an action: its parameters become the variables returned, or the constants given."""
        params = action.params if action is not None else ()
        if values is not None:
            self.params = [constant(v) for v in values]
            return []
        self.params = [of_width(f"p{i}", p.width) for i, p in enumerate(params)]
        return [p.text for p in self.params]

    def number(self, value: Expr) -> Value:
        """A value as an integer expression."""
        if isinstance(value, ex.Const):
            return constant(value.value)
        if isinstance(value, ex.Bool):
            return constant(int(value.value))
        if isinstance(value, ex.FieldRef):
            field = self.names.definition(value)
            return of_width(self.names.field(value.header, value.field), field.width, field.signed)
        if isinstance(value, ex.Local):
            return self.params[value.index]
        if isinstance(value, ex.StackField):
            return self._last(value.stack, self.names.program.stacks[value.stack].headers, value.field)
        if isinstance(value, ex.UnionStackField):
            return self._last(value.stack, self._union_members(value.stack, value.member), value.field)
        if isinstance(value, ex.RegisterCell):
            width = self.names.program.registers[value.array].width
            return of_width(f"{self._registers[value.array]}[{self.number(value.index).text}]", width)
        if isinstance(value, ex.Op):
            return self._operation(value)
        raise ProgramError(f"{type(value).__name__} {value} cannot be used as a number")

    def condition(self, value: Expr) -> str:
        """A value as a Python condition."""
        if isinstance(value, ex.Bool):
            return str(value.value)
        if not isinstance(value, ex.Op):
            return self.number(value).text
        op, left, right = value.op, value.left, value.right
        if op in ("and", "or"):
            assert left is not None
            assert right is not None
            return f"({self.condition(left)} {op} {self.condition(right)})"
        if op == "not":
            assert right is not None
            return f"(not {self.condition(right)})"
        if op == "d2b":
            assert right is not None
            return self.number(right).text
        if op in ("valid", "valid_union"):
            assert right is not None
            return self._valid(right)
        if op in _COMPARISONS:
            return self._comparison(op, left, right)
        return self.number(value).text

    def choice(self, value: Expr | None) -> Choice:
        """The headers a header-valued expression may name."""
        program = self.names.program
        if isinstance(value, ex.HeaderRef):
            return Choice(None, (value.name,))
        if isinstance(value, ex.Op) and value.op in ("dereference_header_stack", "dereference_stack"):
            assert isinstance(value.left, ex.StackRef)
            assert value.right is not None
            return _pick(self.number(value.right), program.stacks[value.left.name].headers)
        if isinstance(value, ex.Op) and value.op == "access_union_header":
            assert isinstance(value.right, ex.Const)
            index, unions = self.unions(value.left)
            headers = tuple(program.unions[u].headers[value.right.value] for u in unions)
            return Choice(None, headers) if index is None else _pick(index, headers)
        raise ProgramError(f"{value} does not name a header")

    def unions(self, value: Expr | None) -> tuple[Value | None, tuple[str, ...]]:
        """The unions a union-valued expression may name, with the index that picks one."""
        if isinstance(value, ex.UnionRef):
            return None, (value.name,)
        if isinstance(value, ex.Op) and value.op == "dereference_union_stack":
            assert isinstance(value.left, ex.UnionStackRef)
            assert value.right is not None
            return self.number(value.right), self.names.program.union_stacks[value.left.name].unions
        raise ProgramError(f"{value} does not name a header union")

    def is_boolean(self, value: Expr | None) -> bool:
        """Whether an expression yields a truth value."""
        if isinstance(value, ex.Op) and value.op == "?":
            return self.is_boolean(value.left)
        return isinstance(value, ex.Bool) or (isinstance(value, ex.Op) and value.op in _BOOLEAN)

    def key(self, ref: ex.FieldRef, width: int) -> str:
        """A field's bits as a table key or hash sees them."""
        return unsigned(self.number(ref), width)

    def _operation(self, value: ex.Op) -> Value:
        op, left, right = value.op, value.left, value.right
        if op in ARITHMETIC:
            assert right is not None
            return combine(op, constant(0) if left is None else self.number(left), self.number(right))
        if op == "?":
            assert left is not None
            assert right is not None
            assert value.cond is not None
            a, b = self.number(left), self.number(right)
            return union(f"({a.text} if {self.condition(value.cond)} else {b.text})", a, b)
        if op == "access_field":
            return self._access(value)
        if op in ("two_comp_mod", "sat_cast", "usat_cast"):
            return self._cast(op, left, right)
        if op in ("last_stack_index", "size_stack"):
            assert isinstance(right, ex.StackRef | ex.UnionStackRef)
            size = Value(self.names.next(right.name), 0, 1 << 16)
            return size if op == "size_stack" else combine("-", size, constant(1))
        return self._unary(value)

    def _unary(self, value: ex.Op) -> Value:
        right = value.right
        assert right is not None
        if value.op == "~":
            inner = self.number(right)
            low = None if inner.high is None else ~inner.high
            return Value(f"(~{inner.text})", low, None if inner.low is None else ~inner.low)
        if value.op == "b2d":
            return Value(f"(1 if {self.condition(right)} else 0)", 0, 1)
        if value.op in _BOOLEAN:
            return Value(f"(1 if {self.condition(value)} else 0)", 0, 1)
        raise ProgramError(f"operation {value.op!r} does not yield a number")

    def _cast(self, op: str, left: Expr | None, right: Expr | None) -> Value:
        assert left is not None
        assert right is not None
        inner, width = self.number(left), known(self.number(right))
        if width is None:
            raise ProgramError(f"{op} needs a constant width")
        signed = op != "usat_cast"
        if inner.fits(width, signed):
            return inner
        low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
        if op == "two_comp_mod":
            return Value(
                f"((({inner.text} & {(1 << width) - 1:#x}) ^ {high + 1:#x}) - {high + 1:#x})", low, high
            )
        return Value(f"min(max({inner.text}, {low}), {high})", low, high)

    def _comparison(self, op: str, left: Expr | None, right: Expr | None) -> str:
        assert left is not None
        assert right is not None
        if isinstance(left, ex.UnionRef) or (
            isinstance(left, ex.Op) and left.op == "dereference_union_stack"
        ):
            same = self._same_unions(left, right)
        elif isinstance(left, ex.HeaderRef) or (
            isinstance(left, ex.Op) and left.op in ("dereference_header_stack", "access_union_header")
        ):
            same = self._same_headers(self.choice(left), self.choice(right))
        elif self.is_boolean(left) or self.is_boolean(right):
            return f"(bool({self.condition(left)}) {op} bool({self.condition(right)}))"
        else:
            return f"({self.number(left).text} {op} {self.number(right).text})"
        return same if op == "==" else f"(not {same})"

    def _same_headers(self, left: Choice, right: Choice) -> str:
        if len(left.headers) != 1 or len(right.headers) != 1:
            raise ProgramError("comparing stack elements picked at run time is not supported")
        a, b = left.headers[0], right.headers[0]
        pairs = zip(self.names.variables(a), self.names.variables(b), strict=True)
        tests = " and ".join(f"{x} == {y}" for x, y in pairs)
        return f"({self.names.valid(a)} and {self.names.valid(b)} and {tests or 'True'})"

    def _same_unions(self, left: Expr, right: Expr) -> str:
        first, second = self.unions(left)[1], self.unions(right)[1]
        if len(first) != 1 or len(second) != 1:
            raise ProgramError("comparing union stack elements picked at run time is not supported")
        unions = self.names.program.unions
        pairs = zip(unions[first[0]].headers, unions[second[0]].headers, strict=True)
        return (
            "("
            + " or ".join(self._same_headers(Choice(None, (a,)), Choice(None, (b,))) for a, b in pairs)
            + ")"
        )

    def _valid(self, value: Expr) -> str:
        if isinstance(value, ex.UnionRef) or (
            isinstance(value, ex.Op) and value.op == "dereference_union_stack"
        ):
            index, unions = self.unions(value)
            texts = [
                "(" + " or ".join(self.names.valid(h) for h in self.names.program.unions[u].headers) + ")"
                for u in unions
            ]
            return texts[0] if index is None else _select(index, texts, "0")
        choice = self.choice(value)
        texts = [self.names.valid(h) for h in choice.headers]
        return texts[0] if choice.index is None else _select(choice.index, texts, "0")

    def _access(self, value: ex.Op) -> Value:
        assert isinstance(value.right, ex.Const)
        choice = self.choice(value.left)
        field = self.names.program.headers[choice.headers[0]].type.fields[value.right.value]
        texts = [self.names.field(h, field.name) for h in choice.headers]
        text = texts[0] if choice.index is None else _select(choice.index, texts, "0")
        return of_width(text, field.width, field.signed)

    def _last(self, stack: str, headers: tuple[str, ...], field: str) -> Value:
        """A field of the last element in use; of an empty stack, 0."""
        found = self.names.program.headers[headers[0]].type.field(field)
        if found is None:
            raise ProgramError(f"stack {stack} has no field {field}")
        texts = [self.names.field(h, field) for h in headers]
        index = combine("-", Value(self.names.next(stack), 0, None), constant(1))
        return of_width(_select(index, texts, "0"), found.width, found.signed)

    def _union_members(self, stack: str, member: str) -> tuple[str, ...]:
        program = self.names.program
        unions = [program.unions[u] for u in program.union_stacks[stack].unions]
        return tuple(u.headers[u.members.index(member)] for u in unions)


def _pick(index: Value, headers: tuple[str, ...]) -> Choice:
    number = known(index)
    if number is not None and 0 <= number < len(headers):
        return Choice(None, (headers[number],))
    return Choice(index, headers)


def _select(index: Value, texts: list[str], otherwise: str) -> str:
    """The text at the index, evaluated once."""
    out = otherwise
    for number in range(len(texts) - 1, -1, -1):
        subject = f"(_i := {index.text})" if number == 0 else "_i"
        out = f"{texts[number]} if {subject} == {number} else {out}"
    return f"({out})"
