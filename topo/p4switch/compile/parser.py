"""Parsers to Python: a tree of ifs with constant offsets, or a loop over numbered states where that is too big."""

from __future__ import annotations

from dataclasses import dataclass

from topo.p4switch.compile.context import Context
from topo.p4switch.compile.headers import Headers
from topo.p4switch.compile.primitives import Primitives
from topo.p4switch.compile.values import Value, known, of_width, unsigned
from topo.p4switch.errors import ProgramError
from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr
from topo.p4switch.program.model import Call, Parser, ParserState, Transition

_CORE_ERRORS = (
    "NoError",
    "PacketTooShort",
    "NoMatch",
    "StackOutOfBounds",
    "HeaderTooShort",
    "ParserTimeout",
    "ParserInvalidArgument",
)
_LARGEST_TREE = 120


@dataclass
class _Cursor:
    """Where the parser stands: `base` is empty (offset known now) or the variable `o`."""

    base: str
    delta: int

    def text(self, more: int = 0) -> str:
        """The offset, `more` bytes on."""
        total = self.delta + more
        if not self.base:
            return str(total)
        return f"{self.base} + {total}" if total else self.base


class ParserWriter:
    """Generates one parser. It leaves `o` at the first byte not parsed and the error's number in `PE`."""

    def __init__(self, context: Context, headers: Headers, primitives: Primitives, parser: Parser) -> None:
        """Prepare to write `parser`."""
        self._c = context
        self._headers = headers
        self._primitives = primitives
        self._parser = parser
        self._states = list(parser.states)
        self._tree = self._size(parser.init, ()) <= _LARGEST_TREE

    def write(self) -> None:
        """Write the parser as a loop that its end and its errors break out of."""
        line = self._c.writer.line
        line("o = PE = 0")
        if self._parser.init is None:
            return
        if self._tree:
            with self._c.writer.block("while True:"):
                self._branch(self._parser.init, _Cursor("", 0))
            return
        line(f"_st = {self._states.index(self._parser.init)}")
        with self._c.writer.block("while True:"):
            for number, name in enumerate(self._states):
                with self._c.writer.block(f"{'el' if number else ''}if _st == {number}:"):
                    self._state(self._parser.states[name], _Cursor("o", 0))

    def _size(self, name: str | None, path: tuple[str, ...]) -> int:
        """States the parser has as a tree; more than the limit when it loops."""
        if name is None:
            return 0
        if name in path:
            return _LARGEST_TREE + 1
        total = 1
        for following in {t.next for t in self._parser.states[name].transitions}:
            total += self._size(following, (*path, name))
            if total > _LARGEST_TREE:
                break
        return total

    def _branch(self, name: str | None, cursor: _Cursor) -> None:
        """Go on to a state, or leave the parser."""
        line = self._c.writer.line
        if name is not None and self._tree:
            self._state(self._parser.states[name], _Cursor(cursor.base, cursor.delta))
            return
        if cursor.text() != "o":
            line(f"o = {cursor.text()}")
        if name is None:
            line("break")
        else:
            line(f"_st = {self._states.index(name)}")

    def _state(self, state: ParserState, cursor: _Cursor) -> None:
        self._c.trace("parser", state.name, cursor.text())
        for call in state.ops:
            self._op(call, cursor)
        cases = [t for t in state.transitions if t.kind != "default"]
        otherwise = next((t.next for t in state.transitions if t.kind == "default"), None)
        if not state.key or not cases:
            self._branch(otherwise, cursor)
            return
        self._select(state, cases, otherwise, cursor)

    def _select(
        self, state: ParserState, cases: list[Transition], otherwise: str | None, cursor: _Cursor
    ) -> None:
        parts = []
        for part, width in zip(state.key, state.key_widths, strict=True):
            parts.append((unsigned(self._value(part, cursor), width), width))
        writer = self._c.writer
        writer.line(f"_k = {_side_by_side(parts, padded=True)}")
        sets = any(t.kind == "parse_vset" for t in cases)
        if sets:
            writer.line(f"_kc = {_side_by_side(parts, padded=False)}")
        for number, case in enumerate(cases):
            with writer.block(f"{'el' if number else ''}if {self._test(case)}:"):
                self._branch(case.next, cursor)
        with writer.block("else:"):
            self._branch(otherwise, cursor)

    def _test(self, case: Transition) -> str:
        if case.kind == "parse_vset":
            assert isinstance(case.value, str)
            matches = self._c.writer.bind("V", self._c.switch.value_sets[case.value].matches)
            return f"{matches}(_kc{'' if case.mask is None else f', {case.mask:#x}'})"
        assert isinstance(case.value, int)
        if case.mask is None:
            return f"_k == {case.value:#x}"
        return f"_k & {case.mask:#x} == {case.value & case.mask:#x}"

    def _op(self, call: Call, cursor: _Cursor) -> None:
        if call.op == "parser.extract":
            self._extract(call.args[0], cursor)
        elif call.op == "parser.extract_VL":
            self._extract_variable(call.args[0], call.args[1], cursor)
        elif call.op == "parser.set":
            self._primitives.assign(call.args[0], self._value(call.args[1], cursor))
        elif call.op == "parser.verify":
            with self._c.writer.block(f"if not {self._c.exprs.condition(call.args[0])}:"):
                self._fail(self._c.exprs.number(call.args[1]).text, cursor)
        elif call.op == "parser.shift":
            self._advance(
                Value(str(8 * self._constant(call)), 8 * self._constant(call), 8 * self._constant(call)),
                cursor,
            )
        elif call.op == "parser.advance":
            self._advance(self._c.exprs.number(call.args[0]), cursor)
        else:
            self._primitives.call(call)

    def _constant(self, call: Call) -> int:
        number = known(self._c.exprs.number(call.args[0]))
        if number is None:
            raise ProgramError("shift takes a constant number of bytes")
        return number

    def _fail(self, error: str, cursor: _Cursor) -> None:
        """End the parser with an error."""
        line = self._c.writer.line
        line(f"PE = {error}")
        if cursor.text() != "o":
            line(f"o = {cursor.text()}")
        self._c.trace("parser", "error", "PE")
        line("break")

    def _error(self, name: str) -> str:
        return str(self._c.program.errors.get(name, _CORE_ERRORS.index(name)))

    def _need(self, size: int, cursor: _Cursor) -> None:
        if size:
            with self._c.writer.block(f"if n < {cursor.text(size)}:"):
                self._fail(self._error("PacketTooShort"), cursor)

    def _targets(self, target: Expr) -> tuple[str | None, tuple[str, ...]]:
        """The stack (None for a plain header) and the headers an extraction may fill."""
        program = self._c.program
        if isinstance(target, ex.HeaderRef):
            return None, (target.name,)
        if isinstance(target, ex.StackRef):
            return target.name, program.stacks[target.name].headers
        if isinstance(target, ex.UnionStackMember):
            unions = [program.unions[u] for u in program.union_stacks[target.stack].unions]
            return target.stack, tuple(u.headers[u.members.index(target.member)] for u in unions)
        raise ProgramError(f"cannot extract to {target}")

    def _extract(self, target: Expr, cursor: _Cursor) -> None:
        stack, headers = self._targets(target)
        kind = self._c.program.headers[headers[0]].type
        if kind.varbit is not None:
            raise ProgramError(f"header {headers[0]} has a variable length: extract it with a size")
        size = kind.width // 8
        if stack is None:
            self._need(size, cursor)
            self._headers.extract(headers[0], cursor.text())
        else:
            self._into_stack(stack, headers, cursor, size)
        cursor.delta += size

    def _into_stack(self, stack: str, headers: tuple[str, ...], cursor: _Cursor, size: int) -> None:
        following, writer = self._c.names.next(stack), self._c.writer
        with writer.block(f"if {following} >= {len(headers)}:"):
            self._fail(self._error("StackOutOfBounds"), cursor)
        self._need(size, cursor)
        for number, header in enumerate(headers):
            with writer.block(f"{'el' if number else ''}if {following} == {number}:"):
                self._headers.extract(header, cursor.text())
        writer.line(f"{following} += 1")

    def _extract_variable(self, target: Expr, length: Expr, cursor: _Cursor) -> None:
        stack, headers = self._targets(target)
        kind = self._c.program.headers[headers[0]].type
        assert kind.varbit is not None
        writer = self._c.writer
        following = ""
        if stack is not None:
            following = self._c.names.next(stack)
            with writer.block(f"if {following} >= {len(headers)}:"):
                self._fail(self._error("StackOutOfBounds"), cursor)
        writer.line(f"_l = {self._c.exprs.number(length).text}")
        with writer.block("if _l & 7:"):
            self._fail(self._error("ParserInvalidArgument"), cursor)
        with writer.block(f"if n < {cursor.text(kind.width // 8)} + _l // 8:"):
            self._fail(self._error("PacketTooShort"), cursor)
        if kind.varbit.max_width > 0:
            with writer.block(f"if _l > {kind.varbit.max_width}:"):
                self._fail(self._error("HeaderTooShort"), cursor)
        if stack is None:
            self._headers.extract_variable(headers[0], cursor.text(), "_l")
        else:
            for number, header in enumerate(headers):
                with writer.block(f"{'el' if number else ''}if {following} == {number}:"):
                    self._headers.extract_variable(header, cursor.text(), "_l")
            writer.line(f"{following} += 1")
        writer.line(f"o = {cursor.text(kind.width // 8)} + _l // 8")
        cursor.base, cursor.delta = "o", 0

    def _advance(self, bits: Value, cursor: _Cursor) -> None:
        number = known(bits)
        if number is not None and number % 8 == 0:
            self._need(number // 8, cursor)
            cursor.delta += number // 8
            return
        writer = self._c.writer
        writer.line(f"_l = {bits.text}")
        with writer.block("if _l & 7:"):
            self._fail(self._error("ParserInvalidArgument"), cursor)
        with writer.block(f"if n < {cursor.text()} + (_l >> 3):"):
            self._fail(self._error("PacketTooShort"), cursor)
        writer.line(f"o = {cursor.text()} + (_l >> 3)")
        cursor.base, cursor.delta = "o", 0

    def _value(self, value: Expr, cursor: _Cursor) -> Value:
        """A number, where looking ahead checks the packet's length first."""
        if not isinstance(value, ex.Lookahead):
            return self._c.exprs.number(value)
        start, end = value.offset // 8, (value.offset + value.width + 7) // 8
        self._need(end, cursor)
        below = 8 * end - value.offset - value.width
        if end - start == 1:
            text = f"frame[{cursor.text(start)}]"
        else:
            text = f"int_from_bytes(frame[{cursor.text(start)} : {cursor.text(end)}], 'big')"
        if below:
            text = f"({text} >> {below})"
        if value.offset % 8:
            text = f"({text} & {(1 << value.width) - 1:#x})"
        return of_width(text, value.width)


def _side_by_side(parts: list[tuple[str, int]], padded: bool) -> str:
    """Key parts in one integer, each filled to whole bytes when `padded`."""
    widths = [(w + 7) // 8 * 8 if padded else w for _, w in parts]
    below = sum(widths)
    out = []
    for (text, _), width in zip(parts, widths, strict=True):
        below -= width
        out.append(f"{text} << {below}" if below else text)
    return " | ".join(out)
