"""Loads a bmv2 JSON into a Program, or says which construct this switch cannot run."""

from __future__ import annotations

import json
from typing import Any

from topo.p4switch.errors import ProgramError
from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr, FieldRef
from topo.p4switch.program.exprs import Expressions
from topo.p4switch.program.model import (
    ActionDef,
    Calculation,
    Checksum,
    CounterDef,
    Deparser,
    LearnList,
    MeterDef,
    Param,
    Program,
    RegisterDef,
    ValueSetDef,
)
from topo.p4switch.program.parsers import read_parser
from topo.p4switch.program.reader import Node
from topo.p4switch.program.tables import PipelineReader
from topo.p4switch.program.types import Types

FORMAT_MAJOR = 2
MOST_CELLS = 1 << 24
"""Of all counters, meters and registers: each is a number in memory from the beginning."""


def load_program(source: str | bytes | dict[str, Any]) -> Program:
    """The program in a bmv2 JSON, given as text or decoded; ProgramError names what is wrong with it."""
    if not isinstance(source, dict):
        try:
            source = json.loads(source)
        except (ValueError, RecursionError) as error:
            raise ProgramError(f"not a JSON document: {error}") from error
    if not isinstance(source, dict) or "pipelines" not in source:
        raise ProgramError("not a bmv2 JSON: it has no 'pipelines'; compile with p4c-bm2-ss --arch v1model")
    root = Node(source, "JSON")
    version = (source.get("__meta__") or {}).get("version")
    if version is not None and version[0] != FORMAT_MAJOR:
        raise ProgramError(f"bmv2 JSON format {version[0]}.{version[1]}: this switch reads format 2")
    try:
        program = _Loader(root).program()
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ProgramError(f"not as a compiler makes it: {error!r}") from error
    cells = sum(
        item.size for kind in (program.counters, program.meters, program.registers) for item in kind.values()
    )
    if cells > MOST_CELLS:
        raise ProgramError(f"its arrays have {cells:,} cells; this switch has room for {MOST_CELLS:,}")
    return program


class _Loader:
    """Reads the sections in the order in which they refer to each other."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._types = Types(root)
        self._exprs = Expressions(self._types)

    def program(self) -> Program:
        root, types = self._root, self._types
        actions = {n.number("id"): self._action(n) for n in root.each("actions")}
        pipelines = PipelineReader(types, self._exprs, actions)
        profiles = {}
        for node in root.each("pipelines"):
            profiles.update(pipelines.profiles(node))
        return Program(
            header_types=types.header_types,
            headers=types.headers,
            stacks=types.stacks,
            unions=types.unions,
            union_stacks=types.union_stacks,
            errors={n.item(0).text(): n.item(1).number() for n in root.each("errors")},
            enums={
                n.text("name"): {e.item(0).text(): e.item(1).number() for e in n.each("entries")}
                for n in root.each("enums")
            },
            parsers={n.text("name"): read_parser(n, self._exprs) for n in root.each("parsers")},
            deparsers={n.text("name"): self._deparser(n) for n in root.each("deparsers")},
            value_sets={
                n.text("name"): ValueSetDef(n.number("id"), n.text("name"), n.number("compressed_bitwidth"))
                for n in root.each("parse_vsets")
            },
            meters={n.text("name"): self._meter(n) for n in root.each("meter_arrays")},
            counters={n.text("name"): _counter(n) for n in root.each("counter_arrays")},
            registers={n.text("name"): _register(n) for n in root.each("register_arrays")},
            actions=actions,
            pipelines={n.text("name"): pipelines.pipeline(n) for n in root.each("pipelines")},
            profiles=profiles,
            calculations={n.text("name"): self._calculation(n) for n in root.each("calculations")},
            checksums=tuple(self._checksum(n) for n in root.each("checksums")),
            learn_lists={n.number("id"): self._learn_list(n) for n in root.each("learn_lists")},
            field_lists={
                n.number("id"): tuple(self._exprs.read(e) for e in n.each("elements"))
                for n in root.each("field_lists")
            },
            aliases={n.item(0).text(): self._field(n.item(1)) for n in root.each("field_aliases")},
            externs={n.text("name"): n.text("type") for n in root.each("extern_instances")},
        )

    def _field(self, node: Node) -> FieldRef:
        ref = FieldRef(node.item(0).text(), node.item(1).text())
        if ref.header in self._types.headers:
            self._types.field(ref.header, ref.field)
        return ref

    def _action(self, node: Node) -> ActionDef:
        params = tuple(Param(p.text("name"), p.number("bitwidth")) for p in node.each("runtime_data"))
        body = tuple(self._exprs.call(p) for p in node.each("primitives"))
        return ActionDef(node.number("id"), node.text("name"), params, body)

    def _deparser(self, node: Node) -> Deparser:
        order = []
        for item in node.each("order"):
            if item.text() not in self._types.headers:
                raise item.fail(f"no header {item.value}")
            order.append(item.text())
        calls = tuple(self._exprs.call(p) for p in node.each("primitives"))
        return Deparser(node.text("name"), tuple(order), calls)

    def _meter(self, node: Node) -> MeterDef:
        unit = node.text("type")
        if unit not in ("bytes", "packets"):
            raise node.fail(f"meter type {unit!r}: expected bytes or packets")
        target = node.get("result_target")
        result = self._field(node.at("result_target")) if target else None
        return MeterDef(
            id=node.number("id"),
            name=node.text("name"),
            size=int(node.get("size") or 0),
            unit=unit,
            rate_count=int(node.get("rate_count") or 2),
            direct=bool(node.get("is_direct")),
            binding=node.get("binding"),
            result=result,
        )

    def _calculation(self, node: Node) -> Calculation:
        inputs: list[Expr] = []
        payload = False
        for item in node.each("input"):
            if item.text("type") == "payload":
                payload = True
            elif item.text("type") == "hexstr":
                inputs.append(ex.Const(item.hexadecimal("value"), item.number("bitwidth")))
            else:
                inputs.append(self._exprs.read(item))
        widths = tuple(self._exprs.width(i) for i in inputs)
        return Calculation(node.text("name"), node.text("algo"), tuple(inputs), widths, payload)

    def _checksum(self, node: Node) -> Checksum:
        if node.text("type") != "generic":
            raise node.fail(f"checksum type {node.get('type')!r} is not supported: expected generic")
        condition = self._exprs.read(node.at("if_cond")) if node.has("if_cond") else None
        return Checksum(
            name=node.text("name"),
            target=self._field(node.at("target")),
            calculation=node.text("calculation"),
            verify=node.get("verify", True) is not False,
            update=node.get("update", True) is not False,
            condition=condition,
        )

    def _learn_list(self, node: Node) -> LearnList:
        elements = tuple(self._exprs.read(e) for e in node.each("elements"))
        widths = tuple(self._exprs.width(e) for e in elements)
        return LearnList(node.number("id"), node.text("name"), elements, widths)


def _counter(node: Node) -> CounterDef:
    return CounterDef(
        node.number("id"),
        node.text("name"),
        int(node.get("size") or 0),
        bool(node.get("is_direct")),
        node.get("binding"),
    )


def _register(node: Node) -> RegisterDef:
    return RegisterDef(node.number("id"), node.text("name"), node.number("size"), node.number("bitwidth"))
