"""Primitives of the v1model architecture: hashes, arrays, clones, digests, drops, logs, assertions."""

from __future__ import annotations

from collections.abc import Callable

from topo.p4switch.compile.context import Context
from topo.p4switch.compile.hashing import Hashing
from topo.p4switch.compile.values import Value, combine, of_width, stored
from topo.p4switch.errors import ProgramError
from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr
from topo.p4switch.program.model import Call
from topo.p4switch.replication import DROP_PORT

Assign = Callable[[Expr, Value], None]


class Externs:
    """Generates calls to what the architecture offers. Flags: CI/CE clone, RS resubmit, RC recirculate,
    LI digest, TR truncate; each 0 when not asked for (TR: -1)."""

    def __init__(self, context: Context, hashing: Hashing) -> None:
        """Write into the context's writer."""
        self._c = context
        self._hashing = hashing
        self._handlers: dict[str, Callable[[Call, Assign], None]] = {
            "no_op": lambda _c, _a: None,
            "drop": lambda _c, _a: self._drop(),
            "mark_to_drop": lambda _c, _a: self._drop(),
            "generate_digest": lambda c, _a: self._flag("LI", c.args[1]),
            "clone_ingress_pkt_to_egress": lambda c, _a: self._clone("CI", c),
            "clone_egress_pkt_to_egress": lambda c, _a: self._clone("CE", c),
            "resubmit": lambda c, _a: self._flag("RS", c.args[0]),
            "recirculate": lambda c, _a: self._flag("RC", c.args[0]),
            "truncate": self._truncate,
            "modify_field_with_hash_based_offset": self._hash,
            "modify_field_rng_uniform": self._random,
            "execute_meter": self._meter,
            "count": self._count,
            "register_read": self._register_read,
            "register_write": self._register_write,
            "log_msg": self._log,
            "assert": lambda c, _a: self._assert("assertion", c),
            "assume": lambda c, _a: self._assert("assumption", c),
        }

    def call(self, call: Call, assign: Assign) -> bool:
        """Write the call; False when the architecture has no such primitive."""
        handler = self._handlers.get(call.op)
        if handler is None:
            return False
        handler(call, assign)
        return True

    def _drop(self) -> None:
        names = self._c.names
        self._c.writer.line(f"{names.architecture('standard_metadata.egress_spec')} = {DROP_PORT}")
        group = names.architecture("intrinsic_metadata.mcast_grp")
        if group is not None:
            self._c.writer.line(f"{group} = 0")
        self._c.trace("drop", "mark_to_drop")

    def _flag(self, flag: str, value: Expr) -> None:
        self._c.writer.line(f"{flag} = {self._c.exprs.number(value).text}")
        self._c.trace("flag", flag, flag)

    def _clone(self, flag: str, call: Call) -> None:
        session, fields = (self._c.exprs.number(a) for a in call.args)
        self._c.writer.line(f"{flag} = ({stored(session, 15)}, {fields.text})")
        self._c.trace("clone", flag, flag)

    def _truncate(self, call: Call, _assign: Assign) -> None:
        length = self._c.exprs.number(call.args[0]).text
        self._c.writer.line(f"TR = {length} if TR < 0 else min(TR, {length})")

    def _hash(self, call: Call, assign: Assign) -> None:
        target, base, calculation, size = call.args
        if not isinstance(calculation, ex.Named):
            raise ProgramError("a hash needs a calculation")
        self._hashing.calculate(calculation.name, "_h", "frame[o:]")
        exprs = self._c.exprs
        # bmv2 takes a size of 0 for 1.
        limit = exprs.number(size)
        if limit.low is None or limit.low < 1:
            limit = Value(f"({limit.text} or 1)", 1, limit.high)
        value = combine("+", combine("%", Value("_h", 0, None), limit), exprs.number(base))
        assign(target, value)

    def _random(self, call: Call, assign: Assign) -> None:
        low, high = (self._c.exprs.number(a) for a in call.args[1:])
        with self._c.writer.block(f"if {low.text} <= {high.text}:"):
            self._c.writer.line(f"_r = randint({low.text}, {high.text})")
            assign(call.args[0], Value("_r", low.low, high.high))

    def _array(self, kind: str, value: Expr, names: object) -> str:
        if not isinstance(value, ex.Named) or not isinstance(names, dict) or value.name not in names:
            raise ProgramError(f"{kind} {value} is not declared")
        return value.name

    def _guard(self, index: Value, size: int) -> str:
        """A condition that keeps a run-time index inside an array, or an empty string when it must be."""
        if index.high is not None and index.high < size and index.low is not None and index.low >= 0:
            return ""
        return (
            f"if 0 <= {index.text} < {size}:"
            if index.low is None or index.low < 0
            else f"if {index.text} < {size}:"
        )

    def _guarded(self, index: Value, size: int, act: Callable[[str], None]) -> None:
        """Do nothing for an index outside the array, as bmv2 does."""
        guard = self._guard(index, size)
        if not guard:
            act(index.text)
            return
        writer = self._c.writer
        if not index.text.isidentifier():
            writer.line(f"_x = {index.text}")
            guard = self._guard(Value("_x", index.low, index.high), size)
            index = Value("_x", index.low, index.high)
        with writer.block(guard):
            act(index.text)

    def _meter(self, call: Call, assign: Assign) -> None:
        meters = self._c.switch.meters
        name = self._array("meter", call.args[0], meters)
        cells = self._c.writer.bind("M", meters[name].cells)
        self._guarded(
            self._c.exprs.number(call.args[1]),
            len(meters[name]),
            lambda i: assign(call.args[2], Value(f"{cells}[{i}].execute(n, now)", 0, 2)),
        )

    def _count(self, call: Call, _assign: Assign) -> None:
        counters = self._c.switch.counters
        name = self._array("counter", call.args[0], counters)
        packets = self._c.writer.bind("C", counters[name].packets)
        octets = self._c.writer.bind("C", counters[name].bytes)

        def act(index: str) -> None:
            self._c.writer.line(f"{packets}[{index}] += 1")
            self._c.writer.line(f"{octets}[{index}] += n")
            self._c.trace("count", name, index)

        self._guarded(self._c.exprs.number(call.args[1]), len(counters[name]), act)

    def _register_read(self, call: Call, assign: Assign) -> None:
        registers = self._c.switch.registers
        name = self._array("register", call.args[1], registers)
        cells = self._c.writer.bind("R", registers[name].cells)
        width = registers[name].definition.width
        self._guarded(
            self._c.exprs.number(call.args[2]),
            len(registers[name]),
            lambda i: assign(call.args[0], of_width(f"{cells}[{i}]", width)),
        )

    def _register_write(self, call: Call, _assign: Assign) -> None:
        registers = self._c.switch.registers
        name = self._array("register", call.args[0], registers)
        cells = self._c.writer.bind("R", registers[name].cells)
        value = stored(self._c.exprs.number(call.args[2]), registers[name].definition.width)

        def act(index: str) -> None:
            self._c.writer.line(f"{cells}[{index}] = {value}")
            self._c.trace("register", name, index, f"{cells}[{index}]")

        self._guarded(self._c.exprs.number(call.args[1]), len(registers[name]), act)

    def _log(self, call: Call, _assign: Assign) -> None:
        text, values = call.args
        if not isinstance(text, ex.Text) or not isinstance(values, ex.Vector):
            raise ProgramError("log_msg takes a text and a list of values")
        numbers = "".join(f"{self._c.exprs.number(v).text}, " for v in values.items)
        self._c.writer.line(f"log_msg({text.value!r}, ({numbers}))")

    def _assert(self, what: str, call: Call) -> None:
        with self._c.writer.block(f"if not {self._c.exprs.condition(call.args[0])}:"):
            self._c.writer.line(f"raise AssertionFailed({f'{what} failed: {call.source or call.args[0]}'!r})")
