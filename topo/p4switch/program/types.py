"""Reads header types, headers, stacks and unions, and answers what a name in the JSON stands for."""

from __future__ import annotations

from topo.p4switch.errors import ProgramError
from topo.p4switch.program.model import FieldDef, Header, HeaderType, Stack, Union, UnionStack
from topo.p4switch.program.reader import Node


class Types:
    """Everything of a program that has fields."""

    def __init__(self, root: Node) -> None:
        """Read the declarations; ProgramError names the first that this switch cannot run."""
        self.header_types = {node.text("name"): _header_type(node) for node in root.each("header_types")}
        self.headers: dict[str, Header] = {}
        by_id: dict[int, str] = {}
        for node in root.each("headers"):
            kind = node.text("header_type")
            if kind not in self.header_types:
                raise node.fail(f"no header type {kind}")
            header = Header(
                node.number("id"), node.text("name"), self.header_types[kind], bool(node.get("metadata"))
            )
            if not header.metadata and header.type.width % 8:
                raise node.fail(f"header type {kind} is {header.type.width} bits, not whole bytes")
            self.headers[header.name] = header
            by_id[header.id] = header.name
        self.stacks = {
            n.text("name"): Stack(n.text("name"), _names(n, "header_ids", by_id))
            for n in root.each("header_stacks")
        }
        members = {
            n.text("name"): tuple(m.item(0).text() for m in n.each("headers"))
            for n in root.each("header_union_types")
        }
        self.unions: dict[str, Union] = {}
        union_ids: dict[int, str] = {}
        for node in root.each("header_unions"):
            name = node.text("name")
            self.unions[name] = Union(
                name, members[node.text("union_type")], _names(node, "header_ids", by_id)
            )
            union_ids[node.number("id")] = name
        self.union_stacks = {
            n.text("name"): UnionStack(n.text("name"), _names(n, "header_union_ids", union_ids))
            for n in root.each("header_union_stacks")
        }

    def field(self, header: str, name: str) -> FieldDef:
        """The definition of a field; `$valid$` is one bit. ProgramError when there is none."""
        found = self.headers.get(header)
        if found is None:
            raise ProgramError(f"no header {header}")
        if name == "$valid$":
            return FieldDef("$valid$", 1)
        definition = found.type.field(name)
        if definition is None:
            raise ProgramError(f"header {header} has no field {name}")
        return definition

    def stack_type(self, stack: str) -> HeaderType:
        """The header type of a stack's elements."""
        return self.headers[self.stacks[stack].headers[0]].type

    def union_stack_type(self, stack: str, member: str) -> HeaderType:
        """The header type of a member of a union stack's elements."""
        union = self.unions[self.union_stacks[stack].unions[0]]
        return self.headers[union.headers[union.members.index(member)]].type


def _names(node: Node, key: str, by_id: dict[int, str]) -> tuple[str, ...]:
    out = []
    for item in node.each(key):
        if item.number() not in by_id:
            raise item.fail(f"no object with id {item.value}")
        out.append(by_id[item.number()])
    if not out:
        raise node.fail("has no elements")
    return tuple(out)


def _header_type(node: Node) -> HeaderType:
    fields = []
    longest = int(node.get("max_length") or 0)
    known = sum(f.item(1).value for f in node.each("fields") if f.item(1).value != "*")
    for item in node.each("fields"):
        name, width = item.item(0).text(), item.item(1)
        signed = len(item.value) > 2 and bool(item.value[2])
        if len(item.value) > 3 and item.value[3]:
            raise item.fail("saturating fields are not supported: use |+| and |-| instead")
        if width.value == "*":
            if node.has("length_exp"):
                raise item.fail(
                    "length expressions in header types (P4_14) are not supported: use extract with a size"
                )
            fields.append(FieldDef(name, 0, False, True, longest * 8 - known))
        else:
            fields.append(FieldDef(name, width.number(), signed))
    return HeaderType(node.text("name"), tuple(fields))
