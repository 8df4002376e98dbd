"""What every part of the code generator shares: names, expressions, the writer, the switch's live objects."""

from __future__ import annotations

from dataclasses import dataclass

from topo.p4switch.compile.expressions import Expressions
from topo.p4switch.compile.names import Names
from topo.p4switch.compile.writer import Writer
from topo.p4switch.hashes import HashFunction
from topo.p4switch.program.expr import FieldRef
from topo.p4switch.program.model import Program
from topo.p4switch.state import Switch


@dataclass(frozen=True)
class Context:
    """One run of the generator. `traced` adds a call to the trace sink for everything that happens."""

    program: Program
    switch: Switch
    names: Names
    writer: Writer
    exprs: Expressions
    hashes: dict[str, HashFunction]
    traced: bool

    def trace(self, stage: str, name: str, *texts: str) -> None:
        """In traced code, report `name` at `stage` with the values of the given expressions."""
        if self.traced:
            self.writer.line(f"trace({', '.join([repr(stage), repr(name), *texts])})")

    def trace_field(self, ref: FieldRef) -> None:
        """In traced code, report a field that was just written."""
        self.trace("set", f"{ref.header}.{ref.field}", self.names.field(ref.header, ref.field))
