"""Action primitives to Python statements."""

from __future__ import annotations

from collections.abc import Callable

from topo.p4switch.compile.context import Context
from topo.p4switch.compile.externs import Externs
from topo.p4switch.compile.flow import Flow, Region
from topo.p4switch.compile.headers import Headers
from topo.p4switch.compile.values import Value, combine, known, stored
from topo.p4switch.errors import ProgramError
from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr
from topo.p4switch.program.model import Call

_ARITHMETIC = {
    "add": "+",
    "subtract": "-",
    "bit_xor": "^",
    "bit_or": "|",
    "bit_and": "&",
    "shift_left": "<<",
    "shift_right": ">>",
}

_LONGEST_LOOP = 1_000_000


class Primitives:
    """Generates the body of actions."""

    def __init__(self, context: Context, headers: Headers, externs: Externs) -> None:
        """Write into the context's writer."""
        self._c = context
        self._headers = headers
        self._externs = externs
        self._looping = False
        self._handlers: dict[str, Callable[[Call], None]] = {
            "assign": lambda c: self.assign(c.args[0], self._c.exprs.number(c.args[1])),
            "modify_field": lambda c: self.assign(c.args[0], self._c.exprs.number(c.args[1])),
            "assign_VL": self._assign_variable,
            "assign_header": self._assign_header,
            "copy_header": self._assign_header,
            "assign_union": self._assign_union,
            "assign_header_stack": self._assign_stack,
            "assign_union_stack": self._assign_stack,
            "add_to_field": lambda c: self._in_place("+", c),
            "subtract_from_field": lambda c: self._in_place("-", c),
            "add_header": lambda c: self._on_headers(c, self._headers.add),
            "add_header_fast": lambda c: self._on_headers(c, self._headers.set_valid),
            "remove_header": lambda c: self._on_headers(c, self._headers.remove),
            "push": lambda c: self._shift(c, 1),
            "pop": lambda c: self._shift(c, -1),
            "exit": self._exit,
            **{name: self._arithmetic(op) for name, op in _ARITHMETIC.items()},
        }

    def body(self, calls: tuple[Call, ...]) -> None:
        """The primitives of an action, jumps turned into ifs."""
        if not any(c.op in ("_jump", "_jump_if_zero") for c in calls):
            for call in calls:
                self.call(call)
            return
        if any(
            following is not None and following <= i
            for i in range(len(calls))
            for following in self._after(calls, i)
        ):
            self._loop(calls)
            return
        flow = Flow(0, lambda n: self._after(calls, n))

        def emit(node: object, region: Region) -> None:
            assert isinstance(node, int)
            call = calls[node]
            if call.op == "_jump":
                return
            if call.op != "_jump_if_zero":
                self.call(call)
                return
            target = self._target(calls, call.args[1])
            with self._c.writer.block(f"if {self._c.exprs.condition(call.args[0])}:"):
                region(node + 1 if node + 1 < len(calls) else None)
            if target != flow.join(node):
                with self._c.writer.block("else:"):
                    region(target)

        flow.write(emit)

    def _loop(self, calls: tuple[Call, ...]) -> None:
        """An action that jumps backwards: a bounded loop over its numbered straight runs."""
        writer = self._c.writer
        starts = {0} | {
            n
            for i, call in enumerate(calls)
            if call.op in ("_jump", "_jump_if_zero")
            for n in (*self._after(calls, i), i + 1)
            if n is not None and n < len(calls)
        }
        order = sorted(starts)
        writer.line("_pc = EX = 0")
        self._looping = True
        with writer.block(f"for _ in range({_LONGEST_LOOP}):"):
            for place, start in enumerate(order):
                end = order[place + 1] if place + 1 < len(order) else len(calls)
                with writer.block(f"{'el' if place else ''}if _pc == {start}:"):
                    self._run(calls, start, end)
        with writer.block("else:"):
            writer.line(f"raise AssertionFailed('an action loops for more than {_LONGEST_LOOP} steps')")
        self._looping = False
        with writer.block("if EX:"):
            writer.line("break")

    def _run(self, calls: tuple[Call, ...], start: int, end: int) -> None:
        """One straight run of a looping action and where it goes next."""
        writer = self._c.writer
        last = calls[end - 1]
        for call in calls[start:end]:
            if call.op not in ("_jump", "_jump_if_zero"):
                self.call(call)
        following = self._after(calls, end - 1)
        if last.op == "_jump_if_zero":
            with writer.block(f"if {self._c.exprs.condition(last.args[0])}:"):
                self._go(following[0])
            with writer.block("else:"):
                self._go(following[1])
        else:
            self._go(following[0])

    def _go(self, place: int | None) -> None:
        self._c.writer.line("break" if place is None else f"_pc = {place}")

    def call(self, call: Call) -> None:
        """One primitive; ProgramError names one this switch does not have."""
        handler = self._handlers.get(call.op)
        if handler is not None:
            handler(call)
        elif not self._externs.call(call, self.assign):
            raise ProgramError(
                f"primitive {call.op!r} is not supported ({call.source or 'no source position'})"
            )

    def assign(self, target: Expr, value: Value) -> None:
        """Store a number in a field, cut to its width."""
        if isinstance(target, ex.FieldRef):
            self._assign_field(target, value)
            return
        if isinstance(target, ex.StackField):
            headers = self._c.program.stacks[target.stack].headers
            index = combine("-", Value(self._c.names.next(target.stack), 0, None), Value("1", 1, 1))
            self._assign_chosen(index, headers, target.field, value)
            return
        if isinstance(target, ex.Op) and target.op == "access_field" and isinstance(target.right, ex.Const):
            choice = self._c.exprs.choice(target.left)
            field = self._c.program.headers[choice.headers[0]].type.fields[target.right.value].name
            if choice.index is None:
                self._assign_field(ex.FieldRef(choice.headers[0], field), value)
            else:
                self._assign_chosen(choice.index, choice.headers, field, value)
            return
        raise ProgramError(f"{target} cannot be assigned to")

    def _assign_field(self, ref: ex.FieldRef, value: Value) -> None:
        names, line = self._c.names, self._c.writer.line
        if ref.field == "$valid$":
            with self._c.writer.block(f"if {value.text}:"):
                self._headers.add(ref.header)
            with self._c.writer.block("else:"):
                self._headers.remove(ref.header)
            return
        field = names.definition(ref)
        if field.varbit:
            line(f"{names.field(ref.header, ref.field)} = {value.text}")
        else:
            line(f"{names.field(ref.header, ref.field)} = {stored(value, field.width, field.signed)}")
        if not self._c.program.headers[ref.header].metadata:
            line(f"{names.offset(ref.header)} = -1")
        self._c.trace_field(ref)

    def _assign_chosen(self, index: Value, headers: tuple[str, ...], field: str, value: Value) -> None:
        """Store in the element at a run-time index; outside the stack nothing happens."""
        writer = self._c.writer
        writer.line(f"_v = {value.text}")
        writer.line(f"_i = {index.text}")
        for number, header in enumerate(headers):
            with writer.block(f"{'el' if number else ''}if _i == {number}:"):
                self._assign_field(ex.FieldRef(header, field), Value("_v", value.low, value.high))

    def _assign_variable(self, call: Call) -> None:
        target, source = call.args
        if not isinstance(target, ex.FieldRef) or not isinstance(source, ex.FieldRef):
            raise ProgramError("assign_VL takes two fields")
        names = self._c.names
        self._assign_field(target, Value(names.field(source.header, source.field), None, None))

    def _assign_header(self, call: Call) -> None:
        source = self._c.exprs.choice(call.args[1])
        if source.index is None:
            self._on_headers(call, lambda h: self._headers.copy(h, source.headers[0]))
            return
        writer = self._c.writer
        writer.line(f"_j = {source.index.text}")
        for number, origin in enumerate(source.headers):
            with writer.block(f"{'el' if number else ''}if _j == {number}:"):
                self._on_headers(call, lambda h, o=origin: self._headers.copy(h, o))  # type: ignore[misc]

    def _assign_union(self, call: Call) -> None:
        unions = self._c.program.unions
        index, targets = self._c.exprs.unions(call.args[0])
        origin, sources = self._c.exprs.unions(call.args[1])
        writer = self._c.writer
        writer.line(f"_i = {index.text if index else 0}")
        writer.line(f"_j = {origin.text if origin else 0}")
        for i, target in enumerate(targets):
            for j, source in enumerate(sources):
                with writer.block(f"if _i == {i} and _j == {j}:"):
                    self._copy_union(unions[target].headers, unions[source].headers)

    def _copy_union(self, targets: tuple[str, ...], sources: tuple[str, ...]) -> None:
        # The valid member goes last, since making a member valid ends the others.
        names, writer = self._c.names, self._c.writer
        for target in targets:
            writer.line(f"{names.valid(target)} = 0")
        for target, source in zip(targets, sources, strict=True):
            with writer.block(f"if {names.valid(source)}:"):
                self._headers.copy(target, source)

    def _assign_stack(self, call: Call) -> None:
        program, names = self._c.program, self._c.names
        target, source = call.args
        if isinstance(target, ex.StackRef) and isinstance(source, ex.StackRef):
            pairs = zip(program.stacks[target.name].headers, program.stacks[source.name].headers, strict=True)
            for to, of in pairs:
                self._headers.copy(to, of)
        elif isinstance(target, ex.UnionStackRef) and isinstance(source, ex.UnionStackRef):
            unions = zip(
                program.union_stacks[target.name].unions,
                program.union_stacks[source.name].unions,
                strict=True,
            )
            for first, second in unions:
                self._copy_union(program.unions[first].headers, program.unions[second].headers)
        else:
            raise ProgramError(f"{call.op} takes two stacks")
        self._c.writer.line(f"{names.next(target.name)} = {names.next(source.name)}")

    def _on_headers(self, call: Call, act: Callable[[str], None]) -> None:
        """Apply to the header named, or to the one picked at run time."""
        choice = self._c.exprs.choice(call.args[0])
        if choice.index is None:
            act(choice.headers[0])
            return
        self._c.writer.line(f"_i = {choice.index.text}")
        for number, header in enumerate(choice.headers):
            with self._c.writer.block(f"{'el' if number else ''}if _i == {number}:"):
                act(header)

    def _shift(self, call: Call, direction: int) -> None:
        stack, count = call.args
        number = known(self._c.exprs.number(count))
        if not isinstance(stack, ex.StackRef | ex.UnionStackRef) or number is None:
            raise ProgramError(f"{call.op} takes a stack and a constant")
        if number:
            self._headers.shift(stack.name, direction * number)

    def _in_place(self, op: str, call: Call) -> None:
        exprs = self._c.exprs
        self.assign(call.args[0], combine(op, exprs.number(call.args[0]), exprs.number(call.args[1])))

    def _arithmetic(self, op: str) -> Callable[[Call], None]:
        def act(call: Call) -> None:
            exprs = self._c.exprs
            self.assign(call.args[0], combine(op, exprs.number(call.args[1]), exprs.number(call.args[2])))

        return act

    def _exit(self, _call: Call) -> None:
        self._c.trace("exit", "exit")
        if self._looping:
            self._c.writer.line("EX = 1")
        self._c.writer.line("break")

    def _target(self, calls: tuple[Call, ...], value: Expr) -> int | None:
        number = known(self._c.exprs.number(value))
        if number is None:
            raise ProgramError("jumps to a computed place are not supported")
        return number if number < len(calls) else None

    def _after(self, calls: tuple[Call, ...], node: object) -> list[int | None]:
        assert isinstance(node, int)
        following = node + 1 if node + 1 < len(calls) else None
        if calls[node].op == "_jump":
            return [self._target(calls, calls[node].args[0])]
        if calls[node].op == "_jump_if_zero":
            return [following, self._target(calls, calls[node].args[1])]
        return [following]
