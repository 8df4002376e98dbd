"""Calculations: field lists packed to bytes and hashed, one's complement sums without packing at all."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from topo.p4switch.compile.context import Context
from topo.p4switch.compile.headers import Headers
from topo.p4switch.compile.layout import code_of, pack_fields, pieces, split_pieces
from topo.p4switch.compile.values import unsigned
from topo.p4switch.errors import ProgramError
from topo.p4switch.hashes import ones_complement_sum, pack_parts
from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr

_SUMS = ("csum16", "cksum16")


@dataclass(frozen=True)
class _Part:
    """One input: its header's validity ('1' when it always is), value, bits (-1: whole bytes)."""

    valid: str
    text: str
    width: int


class Hashing:
    """Generates hash computations."""

    def __init__(self, context: Context, headers: Headers) -> None:
        """Write into the context's writer."""
        self._c = context
        self._headers = headers

    def calculate(self, name: str, target: str, payload: str) -> None:
        """Assign a named calculation's result to `target`; `payload` is the expression for what follows."""
        calculation = self._c.program.calculations.get(name)
        if calculation is None:
            raise ProgramError(f"no calculation {name}")
        self.apply(calculation.algo, name, calculation.input, target, payload if calculation.payload else "")

    def apply(self, algo: str, name: str, inputs: tuple[Expr, ...], target: str, payload: str) -> None:
        """Assign the hash of `inputs` (and of `payload`, unless empty) to `target`."""
        parts = [self._part(i) for i in inputs]
        if algo in _SUMS:
            fixed = [p for p in parts if p.width >= 0]
            # Headers of varying length, such as IPv4's options, are mostly not there.
            varying = [p.valid for p in parts if p.width < 0]
            if not varying and self._sum(fixed, target, payload):
                return
            if varying and "1" not in varying:
                with self._c.writer.block(f"if {' or '.join(varying)}:"):
                    self._packed(name, parts, target, payload)
                with self._c.writer.block("else:"):
                    if not self._sum(fixed, target, payload):
                        self._packed(name, fixed, target, payload)
                return
        self._packed(name, parts, target, payload)

    def _packed(self, name: str, parts: list[_Part], target: str, payload: str) -> None:
        function = self._c.writer.bind("H", self._c.hashes[name])
        self._pack(parts, "_b")
        self._c.writer.line(f"{target} = {function}(_b{' + ' + payload if payload else ''})")

    def _part(self, value: Expr) -> _Part:
        if isinstance(value, ex.HeaderRef):
            return _Part(self._c.names.valid(value.name), self._headers.emit(value.name), -1)
        if isinstance(value, ex.FieldRef):
            field = self._c.names.definition(value)
            text = self._c.names.field(value.header, value.field)
            if field.varbit:
                return _Part(self._c.names.valid(value.header), text, -1)
            return _Part(
                self._c.names.valid(value.header), self._c.exprs.key(value, field.width), field.width
            )
        if isinstance(value, ex.Const):
            return _Part("1", str(value.value & ((1 << value.width) - 1)), value.width)
        number = self._c.exprs.number(value)
        if number.high is None:
            raise ProgramError(f"the width of {value} in a hash is not known")
        width = number.high.bit_length()
        return _Part("1", unsigned(number, width), width)

    def _sum(self, parts: list[_Part], target: str, payload: str) -> bool:
        """The checksum as a sum of shifted fields; False when validity may change the alignment."""
        runs = _runs(parts)
        if any(sum(p.width for p in run) % 16 for run in runs[:-1]):
            return False
        last = sum(p.width for p in runs[-1]) if runs else 0
        if payload and last % 16:
            return False
        terms = []
        for run in runs:
            end = 0
            texts = []
            for part in run:
                end += part.width
                if part.text != "0":
                    texts.append(f"({part.text} << {-end % 16})" if end % 16 else part.text)
            total = " + ".join(texts) or "0"
            terms.append(f"({total})" if run[0].valid == "1" else f"({total} if {run[0].valid} else 0)")
        if payload:
            terms.append(f"{self._c.writer.bind('H', ones_complement_sum)}({payload})")
        self._c.writer.line(f"_s = {' + '.join(terms) or '0'}")
        self._c.writer.line(f"{target} = 65534 - (_s - 1) % 65535 if _s else 65535")
        return True

    def _pack(self, parts: list[_Part], target: str) -> None:
        """Assign the packed bytes of the valid parts."""
        writer = self._c.writer
        slow = writer.bind("H", pack_parts)
        entries = "".join(f"({p.valid}, {p.text}, {p.width}), " for p in parts)
        if any(p.width < 0 for p in parts):
            writer.line(f"{target} = {slow}(({entries}))")
            return
        tests = sorted({p.valid for p in parts} - {"1"})
        if not tests:
            writer.line(f"{target} = {self._fast(parts)}")
            return
        with writer.block(f"if {' and '.join(tests)}:"):
            writer.line(f"{target} = {self._fast(parts)}")
        with writer.block("else:"):
            writer.line(f"{target} = {slow}(({entries}))")

    def _fast(self, parts: list[_Part]) -> str:
        """The packed bytes by one struct call, all parts valid."""
        total = sum(p.width for p in parts)
        padded = [*parts, _Part("1", "0", -total % 8)] if total % 8 else parts
        codes, values = "!", []
        run: list[_Part] = []
        for part in padded:
            run.append(part)
            bits = sum(p.width for p in run)
            if bits % 8 or not bits:
                continue
            number = pack_fields([(p.text, p.width, False) for p in run])
            sizes = pieces(bits // 8)
            codes += "".join(code_of(s) for s in sizes)
            values += split_pieces(number if len(run) == 1 else f"({number})", sizes)
            run = []
        if not values:
            return 'b""'
        pack = self._c.writer.bind("P", struct.Struct(codes).pack)
        return f"{pack}({', '.join(values)})"


def _runs(parts: list[_Part]) -> list[list[_Part]]:
    """Neighbouring parts with the same validity."""
    out: list[list[_Part]] = []
    for part in parts:
        if out and out[-1][0].valid == part.valid:
            out[-1].append(part)
        else:
            out.append([part])
    return out
