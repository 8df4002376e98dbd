"""Gives every field, validity bit, offset and stack index of a program its local variable."""

from __future__ import annotations

import re

from topo.p4switch.compile.layout import Group, Item, Opaque, VarBits, cut
from topo.p4switch.compile.usage import Usage, architecture_field
from topo.p4switch.program.expr import FieldRef
from topo.p4switch.program.model import FieldDef, Header, Program


class Names:
    """The variables of the generated functions.

    A header has a validity `v`, the offset `o` of its original bytes in the frame (-1 once it differs from
    them) and one variable for each item of its layout. `all` lists the variables that make up a packet's
    state, `initial` their values before parsing; `metadata` those that the architecture resets.
    """

    def __init__(self, program: Program, usage: Usage) -> None:
        """Name everything the program uses."""
        self.program = program
        self.usage = usage
        self.layouts: dict[str, tuple[Item, ...]] = {}
        self._fields: dict[tuple[str, str], str] = {}
        self._number: dict[str, str] = {}
        self.all: list[str] = []
        self.initial: dict[str, str] = {}
        self.metadata: list[str] = []
        for index, header in enumerate(program.headers.values()):
            self._number[header.name] = f"{index}_{_plain(header.name)}"
            if header.metadata:
                self._add_metadata(header)
            else:
                self._add_header(header)
        for index, stack in enumerate((*program.stacks, *program.union_stacks)):
            self._number[f"stack {stack}"] = f"n{index}_{_plain(stack)}"
            self._add(self.next(stack), "0")

    def field(self, header: str, field: str) -> str:
        """The variable of a field; `$valid$` is the validity."""
        if field == "$valid$":
            return self.valid(header)
        return self._fields[(header, field)]

    def valid(self, header: str) -> str:
        """The variable that is 1 while a header is valid; metadata always is."""
        return "1" if self.program.headers[header].metadata else f"v{self._number[header]}"

    def offset(self, header: str) -> str:
        """The variable with the offset of a header's original bytes, -1 once it was changed."""
        return f"o{self._number[header]}"

    def next(self, stack: str) -> str:
        """The variable with a stack's number of elements in use."""
        return self._number[f"stack {stack}"]

    def is_modified(self, header: str) -> bool:
        """Whether the header may come to differ from its original bytes."""
        kind = self.program.headers[header].type
        return kind.name in self.usage.modified or kind.varbit is not None

    def variables(self, header: str) -> list[str]:
        """The variables of a header's items, in wire order."""
        out = []
        for item in self.layouts[self.program.headers[header].type.name]:
            names = [f[0] for f in item.fields] if isinstance(item, Group) else [item.name]
            out += [self._fields[(header, name)] for name in names]
        return out

    def architecture(self, name: str) -> str | None:
        """The variable of one of bmv2's intrinsic fields, None where the program does not use it."""
        ref = architecture_field(self.program, name)
        if ref is None:
            return None
        return self._fields.get((ref.header, ref.field))

    def definition(self, ref: FieldRef) -> FieldDef:
        """The declared field."""
        if ref.field == "$valid$":
            return FieldDef("$valid$", 1)
        found = self.program.headers[ref.header].type.field(ref.field)
        assert found is not None
        return found

    def _add_metadata(self, header: Header) -> None:
        for field in header.type.fields:
            if self.usage.uses(FieldRef(header.name, field.name)):
                name = self._name(header, field.name)
                self._add(name, 'b""' if field.varbit else "0")
                self.metadata.append(name)

    def _add_header(self, header: Header) -> None:
        kind = header.type
        if kind.name not in self.layouts:
            self.layouts[kind.name] = cut(kind, lambda f: self.usage.uses(FieldRef(header.name, f)))
        self._add(self.valid(header.name), "0")
        self._add(self.offset(header.name), "-1")
        for item in self.layouts[kind.name]:
            if isinstance(item, Group):
                for field, _, _ in item.fields:
                    self._add(self._name(header, field), "0")
            elif isinstance(item, Opaque):
                self._add(self._name(header, item.name), repr(bytes(item.size)))
            elif isinstance(item, VarBits):
                self._add(self._name(header, item.name), 'b""')

    def _name(self, header: Header, field: str) -> str:
        name = f"f{self._number[header.name]}_{_plain(field)}"
        taken = set(self._fields.values())
        while name in taken:
            name += "_"
        self._fields[(header.name, field)] = name
        return name

    def _add(self, name: str, initial: str) -> None:
        self.all.append(name)
        self.initial[name] = initial


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)
