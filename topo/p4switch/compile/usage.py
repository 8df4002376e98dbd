"""Finds what a program touches: fields used at all, header types ever modified, primitives called."""

from __future__ import annotations

from collections.abc import Iterator

from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr, FieldRef
from topo.p4switch.program.model import Call, Program

ARCHITECTURE = (
    "standard_metadata.ingress_port",
    "standard_metadata.egress_spec",
    "standard_metadata.egress_port",
    "standard_metadata.instance_type",
    "standard_metadata.packet_length",
    "standard_metadata.parser_error",
    "standard_metadata.checksum_error",
    "intrinsic_metadata.mcast_grp",
    "intrinsic_metadata.egress_rid",
    "intrinsic_metadata.ingress_global_timestamp",
    "intrinsic_metadata.egress_global_timestamp",
    "queueing_metadata.enq_timestamp",
)
"""Fields the architecture itself reads or writes, by bmv2's names."""

_ALWAYS = ("standard_metadata.egress_spec", "intrinsic_metadata.mcast_grp")
_MODIFYING = ("push", "pop", "assign_header", "assign_header_stack", "assign_union", "assign_union_stack")
_VALIDITY = ("add_header", "add_header_fast", "remove_header", "copy_header")


class Usage:
    """What the code generator may leave out.

    `fields` holds (header type, field) for headers and (header, field) for metadata; `modified` the header
    types whose instances may differ from what was extracted; `ops` every primitive called.
    """

    def __init__(self, program: Program) -> None:
        """Walk the whole program."""
        self._program = program
        self.fields: set[tuple[str, str]] = set()
        self.modified: set[str] = set()
        self.ops: set[str] = set()
        for call in self._calls():
            self._call(call)
        for value in self._values():
            self._walk(value)
        for name in ARCHITECTURE:
            ref = architecture_field(program, name)
            if ref is not None and name in _ALWAYS:
                self._use(ref)

    def uses(self, ref: FieldRef) -> bool:
        """Whether the program reads or writes the field anywhere."""
        header = self._program.headers[ref.header]
        owner = ref.header if header.metadata else header.type.name
        return (owner, ref.field) in self.fields

    def _calls(self) -> Iterator[Call]:
        for action in self._program.actions.values():
            yield from action.body
        for parser in self._program.parsers.values():
            for state in parser.states.values():
                yield from state.ops
        for deparser in self._program.deparsers.values():
            yield from deparser.calls

    def _values(self) -> Iterator[Expr]:
        program = self._program
        for parser in program.parsers.values():
            for state in parser.states.values():
                yield from state.key
        for pipeline in program.pipelines.values():
            for conditional in pipeline.conditionals.values():
                yield conditional.condition
            for table in pipeline.tables.values():
                yield from (key.target for key in table.keys)
        yield from self._calculated()

    def _calculated(self) -> Iterator[Expr]:
        """What hashes, checksums, meters and digests name."""
        program = self._program
        for profile in program.profiles.values():
            if profile.selector is not None:
                yield from profile.selector.input
        yield from (m.result for m in program.meters.values() if m.result is not None)
        for calculation in program.calculations.values():
            yield from calculation.input
        for checksum in program.checksums:
            yield checksum.target
            if checksum.condition is not None:
                yield checksum.condition
            if checksum.update:
                self._modify(checksum.target)
        for learn in program.learn_lists.values():
            yield from learn.elements

    def _call(self, call: Call) -> None:
        self.ops.add(call.op)
        for arg in call.args:
            self._walk(arg)
        if call.op.startswith("parser.extract"):
            return
        # Any argument may be a destination: marking them all costs a check at most.
        for arg in call.args:
            self._modify(arg)

    def _walk(self, value: Expr | None) -> None:
        if isinstance(value, FieldRef):
            self._use(value)
        elif isinstance(value, ex.StackField):
            self.fields.add((self._stack_type(value.stack), value.field))
        elif isinstance(value, ex.UnionStackField):
            union = self._program.unions[self._program.union_stacks[value.stack].unions[0]]
            header = union.headers[union.members.index(value.member)]
            self.fields.add((self._program.headers[header].type.name, value.field))
        elif isinstance(value, ex.RegisterCell):
            self._walk(value.index)
        elif isinstance(value, ex.Vector):
            for item in value.items:
                self._walk(item)
        elif isinstance(value, ex.Op):
            self._operation(value)

    def _operation(self, value: ex.Op) -> None:
        if value.op == "access_field":
            self._access(value)
        if value.op in ("==", "!="):
            # Comparing whole headers looks at every byte, and only modified types keep them all at hand.
            self._modify_compared(value)
        for part in (value.left, value.right, value.cond):
            self._walk(part)

    def _modify_compared(self, value: ex.Op) -> None:
        for side in (value.left, value.right):
            if not isinstance(side, FieldRef | ex.StackField):
                self._modify(side)

    def _access(self, value: ex.Op) -> None:
        """Mark the field that `access_field` reaches in every header it may reach."""
        assert isinstance(value.right, ex.Const)
        for header in reachable_headers(self._program, value.left):
            kind = self._program.headers[header].type
            self.fields.add((kind.name, kind.fields[value.right.value].name))

    def _use(self, ref: FieldRef) -> None:
        header = self._program.headers[ref.header]
        self.fields.add((ref.header if header.metadata else header.type.name, ref.field))

    def _stack_type(self, stack: str) -> str:
        return self._program.headers[self._program.stacks[stack].headers[0]].type.name

    def _modify(self, arg: Expr | None) -> None:
        for header in reachable_headers(self._program, arg):
            self.modified.add(self._program.headers[header].type.name)


def reachable_headers(program: Program, value: Expr | None) -> tuple[str, ...]:
    """Every header instance that a header-, stack-, union- or field-valued expression may name."""
    if isinstance(value, FieldRef):
        return (value.header,)
    if isinstance(value, ex.HeaderRef):
        return (value.name,)
    if isinstance(value, ex.StackRef | ex.StackField):
        return program.stacks[value.name if isinstance(value, ex.StackRef) else value.stack].headers
    if isinstance(value, ex.UnionRef):
        return program.unions[value.name].headers
    if isinstance(value, ex.UnionStackRef):
        unions = program.union_stacks[value.name].unions
        return tuple(h for u in unions for h in program.unions[u].headers)
    if isinstance(value, ex.Op) and value.op == "access_union_header":
        assert isinstance(value.right, ex.Const)
        reached = set(reachable_headers(program, value.left))
        member = value.right.value
        return tuple(u.headers[member] for u in program.unions.values() if reached.issuperset(u.headers))
    if isinstance(value, ex.Op) and value.op.startswith(("access_", "dereference_")):
        return reachable_headers(program, value.left)
    return ()


def architecture_field(program: Program, name: str) -> FieldRef | None:
    """The program's field for one of bmv2's names, through its aliases; None when it has none."""
    alias = program.aliases.get(name)
    if alias is None:
        header, field = name.split(".")
        alias = FieldRef(header, field)
    found = program.headers.get(alias.header)
    if found is None or found.type.field(alias.field) is None:
        return None
    return alias
