"""Reads expressions and arguments: the JSON's type-value objects as the tree of `expr`."""

from __future__ import annotations

from collections.abc import Callable

from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr
from topo.p4switch.program.model import Call
from topo.p4switch.program.reader import Node
from topo.p4switch.program.types import Types

_NAMED = ("calculation", "meter_array", "counter_array", "register_array", "extern")

BINARY = {
    "+", "-", "*", "/", "%", "<<", ">>", "==", "!=", ">", ">=", "<", "<=", "and", "or", "&", "|", "^",
    "two_comp_mod", "sat_cast", "usat_cast", "dereference_header_stack", "dereference_stack",
    "dereference_union_stack",
}  # fmt: skip
UNARY = {"not", "~", "valid", "valid_union", "d2b", "b2d", "last_stack_index", "size_stack"}


class Expressions:
    """Reads expressions against the declared types, so that wrong names are found while loading."""

    def __init__(self, types: Types) -> None:
        """Names are resolved in `types`."""
        self._types = types
        self._readers: dict[str, Callable[[Node], Expr]] = {
            "field": self._field,
            "hexstr": lambda n: ex.Const(n.hexadecimal(), 0),
            "bool": lambda n: ex.Bool(bool(n.value)),
            "expression": self._operation,
            "runtime_data": lambda n: ex.Local(n.number()),
            "local": lambda n: ex.Local(n.number()),
            "header": lambda n: ex.HeaderRef(self._known(n, self._types.headers)),
            "header_stack": lambda n: ex.StackRef(self._known(n, self._types.stacks)),
            "header_union": lambda n: ex.UnionRef(self._known(n, self._types.unions)),
            "header_union_stack": lambda n: ex.UnionStackRef(self._known(n, self._types.union_stacks)),
            "stack_field": self._stack_field,
            "union_stack_field": self._union_stack_field,
            "lookahead": lambda n: ex.Lookahead(n.item(0).number(), n.item(1).number()),
            "register": lambda n: ex.RegisterCell(n.item(0).text(), self.read(n.item(1))),
            "string": lambda n: ex.Text(n.text()),
            "parameters_vector": lambda n: ex.Vector(tuple(self.read(i) for i in n.each())),
            "regular": lambda n: ex.HeaderRef(self._known(n, self._types.headers)),
            "stack": lambda n: ex.StackRef(self._known(n, self._types.stacks)),
            "union_stack": self._union_stack_member,
            **{kind: self._named(kind) for kind in _NAMED},
        }

    def read(self, node: Node) -> Expr:
        """An expression or argument; ProgramError names the kind this switch does not know."""
        kind = node.text("type")
        reader = self._readers.get(kind)
        if reader is None:
            raise node.fail(f"values of type {kind!r} are not supported")
        return reader(node.at("value"))

    def call(self, node: Node) -> Call:
        """A primitive call."""
        source = node.get("source_info") or {}
        place = ""
        if source:
            place = (
                f"{source.get('filename')}:{source.get('line')} {source.get('source_fragment', '')}".strip()
            )
        return Call(node.text("op"), tuple(self.read(p) for p in node.each("parameters")), place)

    def width(self, value: Expr) -> int:
        """Bits of a field-like value, as a calculation or a parser key needs it; 0 for headers and varbits."""
        if isinstance(value, ex.FieldRef):
            return self._types.field(value.header, value.field).width
        if isinstance(value, ex.StackField):
            found = self._types.stack_type(value.stack).field(value.field)
            return found.width if found else 0
        if isinstance(value, ex.UnionStackField):
            found = self._types.union_stack_type(value.stack, value.member).field(value.field)
            return found.width if found else 0
        if isinstance(value, ex.Lookahead | ex.Const):
            return value.width
        return 0

    def _field(self, node: Node) -> Expr:
        header, name = node.item(0).text(), node.item(1).text()
        self._types.field(header, name)
        return ex.FieldRef(header, name)

    def _stack_field(self, node: Node) -> Expr:
        self._known(node.item(0), self._types.stacks)
        return ex.StackField(node.item(0).text(), node.item(1).text())

    def _union_stack_field(self, node: Node) -> Expr:
        self._known(node.item(0), self._types.union_stacks)
        return ex.UnionStackField(node.item(0).text(), node.item(1).text(), node.item(2).text())

    def _union_stack_member(self, node: Node) -> Expr:
        self._known(node.item(0), self._types.union_stacks)
        return ex.UnionStackMember(node.item(0).text(), node.item(1).text())

    def _operation(self, node: Node) -> Expr:
        # Arguments wrap an expression in another type-value object, often more than once.
        if "op" not in node.value:
            return self.read(node)
        op = node.text("op")
        if op in ("access_field", "access_union_header"):
            return ex.Op(op, self.read(node.at("left")), ex.Const(node.number("right")))
        left = self.read(node.at("left")) if node.has("left") else None
        if op == "?":
            return ex.Op(op, left, self.read(node.at("right")), self.read(node.at("cond")))
        if op in UNARY or (op in ("+", "-") and left is None):
            return ex.Op(op, None, self.read(node.at("right")))
        if op in BINARY:
            return ex.Op(op, left, self.read(node.at("right")))
        raise node.fail(f"operation {op!r} is not supported")

    def _named(self, kind: str) -> Callable[[Node], Expr]:
        return lambda node: ex.Named(kind, node.text())

    def _known(self, node: Node, names: object) -> str:
        name = node.text()
        if isinstance(names, dict) and name not in names:
            raise node.fail(f"{name!r} is not declared")
        return name
