"""Statements about whole headers: extract, emit, make valid or invalid, copy, push and pop on stacks."""

from __future__ import annotations

import struct

from topo.p4switch.compile.context import Context
from topo.p4switch.compile.layout import (
    Group,
    Opaque,
    VarBits,
    code_of,
    join_pieces,
    pack_fields,
    pieces,
    split_pieces,
)
from topo.p4switch.program.model import HeaderType


class Headers:
    """Generates what headers need."""

    def __init__(self, context: Context) -> None:
        """Write into the context's writer."""
        self._c = context
        self._peers: dict[str, list[str]] = {}
        for union in context.program.unions.values():
            for header in union.headers:
                self._peers[header] = [h for h in union.headers if h != header]

    def set_valid(self, header: str, offset: str = "-1") -> None:
        """The header is valid; its union's other members are not."""
        names, line = self._c.names, self._c.writer.line
        line(f"{names.valid(header)} = 1")
        line(f"{names.offset(header)} = {offset}")
        for peer in self._peers.get(header, ()):
            line(f"{names.valid(peer)} = 0")

    def add(self, header: str) -> None:
        """The setValid primitive: fields of a header that was invalid start at zero."""
        names, writer = self._c.names, self._c.writer
        if self._c.program.headers[header].metadata:
            return
        with writer.block(f"if not {names.valid(header)}:"):
            for name in names.variables(header):
                writer.line(f"{name} = {names.initial[name]}")
            writer.line(f"PL += {self._c.program.headers[header].type.width // 8}")
            self.set_valid(header)
        self._c.trace("valid", header, "1")

    def remove(self, header: str) -> None:
        """The setInvalid primitive."""
        names, writer = self._c.names, self._c.writer
        if self._c.program.headers[header].metadata:
            return
        with writer.block(f"if {names.valid(header)}:"):
            writer.line(f"{names.valid(header)} = 0")
            writer.line(f"PL -= {self._length(header)}")
        self._c.trace("valid", header, "0")

    def copy(self, target: str, source: str) -> None:
        """Header assignment: an invalid source only takes the target's validity."""
        names, writer = self._c.names, self._c.writer
        if target == source:
            return
        pairs = list(zip(names.variables(target), names.variables(source), strict=True))
        if self._c.program.headers[target].metadata:
            return
        with writer.block(f"if {names.valid(source)}:"):
            for to, of in pairs:
                writer.line(f"{to} = {of}")
            self.set_valid(target, names.offset(source))
        with writer.block("else:"):
            writer.line(f"{names.valid(target)} = 0")
        self._c.trace("valid", target, names.valid(target))

    def shift(self, stack: str, count: int) -> None:
        """push_front (count > 0) or pop_front (count < 0): whole elements change places."""
        program, names, line = self._c.program, self._c.names, self._c.writer.line
        if stack in program.stacks:
            rows = [[h] for h in program.stacks[stack].headers]
        else:
            rows = [list(program.unions[u].headers) for u in program.union_stacks[stack].unions]
        size, distance = len(rows), min(abs(count), len(rows))
        following = names.next(stack)
        line(
            f"{following} = min({following} + {count}, {size})"
            if count > 0
            else f"{following} = max({following} - {distance}, 0)"
        )
        places = range(size - 1, -1, -1) if count > 0 else range(size)
        for place in places:
            source = place - distance if count > 0 else place + distance
            for column, header in enumerate(rows[place]):
                if 0 <= source < size:
                    self._move(header, rows[source][column])
                else:
                    line(f"{names.valid(header)} = 0")

    def extract(self, header: str, offset: str) -> None:
        """Decode a header of fixed length at `offset` of the frame; the caller checked its length."""
        line = self._c.writer.line
        kind = self._c.program.headers[header].type
        codes, targets, after = self._decode(header, kind)
        if targets:
            unpack = self._c.writer.bind("U", struct.Struct(codes).unpack_from)
            line(f"{', '.join(targets)}, = {unpack}(frame, {offset})")
        for text in after:
            line(text)
        self.set_valid(header, offset)
        self._trace_extract(header)

    def extract_variable(self, header: str, offset: str, bits: str) -> None:
        """Decode a header with a variable-length field of `bits` bits at `offset` of the frame."""
        line = self._c.writer.line
        names = self._c.names
        kind = self._c.program.headers[header].type
        line(f"_o = {offset}")
        for item, owned in zip(names.layouts[kind.name], self._items(header), strict=True):
            if isinstance(item, VarBits):
                line(f"{owned[0]} = frame[_o : _o + ({bits}) // 8]")
                line(f"_o += ({bits}) // 8")
                continue
            size = item.size if isinstance(item, Opaque) else item.bits // 8
            if isinstance(item, Opaque):
                line(f"{owned[0]} = frame[_o : _o + {size}]")
            else:
                line(f"_t = int_from_bytes(frame[_o : _o + {size}], 'big')")
                for text in _cut_fields(item, owned, "_t"):
                    line(text)
            line(f"_o += {size}")
        self.set_valid(header)
        self._trace_extract(header)

    def _trace_extract(self, header: str) -> None:
        """Report the decoded fields; runs of bytes that are not looked into are left out."""
        pairs = []
        layout = self._c.names.layouts[self._c.program.headers[header].type.name]
        for item, owned in zip(layout, self._items(header), strict=True):
            fields = [f[0] for f in item.fields] if isinstance(item, Group) else [item.name]
            if not isinstance(item, Opaque):
                pairs += [f"({field!r}, {name}), " for field, name in zip(fields, owned, strict=True)]
        self._c.trace("extract", header, f"({''.join(pairs)})")

    def emit(self, header: str) -> str:
        """The expression with the bytes of a valid header."""
        names = self._c.names
        size = self._c.program.headers[header].type.width // 8
        offset = names.offset(header)
        raw = f"frame[{offset} : {offset} + {size}]"
        if not names.is_modified(header):
            return raw
        packed = self.pack(header)
        if self._c.program.headers[header].type.varbit is not None:
            return packed
        return f"{raw} if {offset} >= 0 else {packed}"

    def pack(self, header: str) -> str:
        """The expression that encodes a header from its variables."""
        kind = self._c.program.headers[header].type
        codes: list[str] = []
        values: list[str] = []
        parts: list[str] = []
        for item, owned in zip(self._c.names.layouts[kind.name], self._items(header), strict=True):
            if isinstance(item, VarBits):
                parts += self._packed(codes, values)
                parts.append(owned[0])
                codes, values = [], []
            elif isinstance(item, Opaque):
                codes.append(f"{item.size}s")
                values.append(owned[0])
            else:
                number = pack_fields([(n, w, s) for n, (_, w, s) in zip(owned, item.fields, strict=True)])
                sizes = pieces(item.bits // 8)
                codes += [code_of(size) for size in sizes]
                values += split_pieces(number if len(item.fields) == 1 else f"({number})", sizes)
        return " + ".join(parts + self._packed(codes, values)) or 'b""'

    def _packed(self, codes: list[str], values: list[str]) -> list[str]:
        if not codes:
            return []
        pack = self._c.writer.bind("P", struct.Struct("!" + "".join(codes)).pack)
        return [f"{pack}({', '.join(values)})"]

    def _items(self, header: str) -> list[list[str]]:
        """Variables of each layout item."""
        names = self._c.names
        out = []
        for item in names.layouts[self._c.program.headers[header].type.name]:
            fields = [f[0] for f in item.fields] if isinstance(item, Group) else [item.name]
            out.append([names.field(header, f) for f in fields])
        return out

    def _decode(self, header: str, kind: HeaderType) -> tuple[str, list[str], list[str]]:
        """Struct codes, the variables they fill, and the statements that finish the fields."""
        codes, targets, after = "!", [], []
        spare = 0
        for item, owned in zip(self._c.names.layouts[kind.name], self._items(header), strict=True):
            if isinstance(item, Opaque):
                used = self._c.names.is_modified(header)
                codes += f"{item.size}{'s' if used else 'x'}"
                targets += owned if used else []
                continue
            assert isinstance(item, Group)
            sizes = pieces(item.bits // 8)
            codes += "".join(code_of(s) for s in sizes)
            name, width, signed = owned[0], item.fields[0][1], item.fields[0][2]
            if len(sizes) == 1 and sizes[0] > 0 and len(item.fields) == 1:
                targets.append(name)
                if signed:
                    after.append(f"{name} = ({name} ^ {1 << width - 1:#x}) - {1 << width - 1:#x}")
                continue
            temporaries = [f"_t{spare + i}" for i in range(len(sizes))]
            spare += len(sizes)
            targets += temporaries
            whole = join_pieces(temporaries, sizes)
            if len(item.fields) > 1 and len(sizes) > 1:
                after.append(f"_t = {whole}")
                whole = "_t"
            after += _cut_fields(item, owned, whole)
        return codes, targets, after

    def _length(self, header: str) -> str:
        kind = self._c.program.headers[header].type
        size = str(kind.width // 8)
        return f"{size} + len({self._c.names.field(header, kind.varbit.name)})" if kind.varbit else size

    def _move(self, target: str, source: str) -> None:
        names, line = self._c.names, self._c.writer.line
        for to, of in zip(names.variables(target), names.variables(source), strict=True):
            line(f"{to} = {of}")
        line(f"{names.valid(target)} = {names.valid(source)}")
        line(f"{names.offset(target)} = {names.offset(source)}")


def _cut_fields(group: Group, owned: list[str], whole: str) -> list[str]:
    """The statements that take a group's fields out of one integer."""
    out = []
    below = group.bits
    for index, (name, (_, width, signed)) in enumerate(zip(owned, group.fields, strict=True)):
        below -= width
        text = f"{whole} >> {below}" if below else whole
        if index:
            text = f"{text} & {(1 << width) - 1:#x}"
        if signed:
            half = 1 << (width - 1)
            text = f"(({text}) ^ {half:#x}) - {half:#x}"
        out.append(f"{name} = {text}")
    return out
