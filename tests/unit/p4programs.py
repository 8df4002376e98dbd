"""Small programs for the embedded P4 switch's tests, written as the compiler's JSON would say them."""

from __future__ import annotations

import copy
from typing import Any

from topo.p4switch.engine import Engine
from topo.p4switch.program import load_program
from topo.p4switch.state import Switch

Json = dict[str, Any]

STANDARD: list[list[Any]] = [
    ["ingress_port", 9], ["egress_spec", 9], ["egress_port", 9], ["instance_type", 32], ["packet_length", 32],
    ["ingress_global_timestamp", 48], ["mcast_grp", 16], ["egress_rid", 16], ["checksum_error", 1],
    ["parser_error", 32], ["_pad", 3],
]  # fmt: skip

ERRORS = ["NoError", "PacketTooShort", "NoMatch", "StackOutOfBounds", "HeaderTooShort", "ParserTimeout", "ParserInvalidArgument"]  # fmt: skip  # noqa: E501


def field(header: str, name: str) -> Json:
    """A field as a value."""
    return {"type": "field", "value": [header, name]}


def const(value: int) -> Json:
    """A constant."""
    return {"type": "hexstr", "value": hex(value)}


def data(index: int) -> Json:
    """An action's parameter."""
    return {"type": "runtime_data", "value": index}


def expr(op: str, left: Json | None, right: Json | int | None, cond: Json | None = None) -> Json:
    """An expression."""
    value: Json = {"op": op, "left": left, "right": right}
    if cond is not None:
        value["cond"] = cond
    return {"type": "expression", "value": value}


def call(op: str, *parameters: Json) -> Json:
    """A primitive."""
    return {"op": op, "parameters": list(parameters)}


def named(kind: str, name: str) -> Json:
    """A named object as an argument."""
    return {"type": kind, "value": name}


def assign(header: str, name: str, value: Json) -> Json:
    """An assignment."""
    return call("assign", field(header, name), value)


def extract(header: str) -> Json:
    """Extract a header, or the next of a stack (`name[]`)."""
    kind = "stack" if header.endswith("[]") else "regular"
    return {"op": "extract", "parameters": [{"type": kind, "value": header.removesuffix("[]")}]}


def state(name: str, ops: list[Json], key: list[Json] | None = None, cases: list[Json] | None = None, then: str | None = None) -> Json:  # fmt: skip  # noqa: E501
    """A parser state; `cases` are hexstr transitions, `then` the default one."""
    default = {"type": "default", "value": None, "mask": None, "next_state": then}
    return {
        "name": name,
        "id": 0,
        "parser_ops": ops,
        "transition_key": key or [],
        "transitions": [*(cases or []), default],
    }


def case(value: str, then: str | None, mask: str | None = None) -> Json:
    """A transition on a value."""
    return {"type": "hexstr", "value": value, "mask": mask, "next_state": then}


class Builder:
    """Collects the parts of a program; `table` and `do` chain nodes of ingress in the order of the calls."""

    def __init__(self, headers: Json, order: list[str], states: list[Json]) -> None:
        """`headers`: name to [(field, width)], a name with `[n]` is a stack of n; `meta` is metadata."""
        self.json: Json = {
            "__meta__": {"version": [2, 24]},
            "header_types": [{"name": "std_t", "id": 0, "fields": STANDARD}],
            "headers": [{"name": "standard_metadata", "id": 0, "header_type": "std_t", "metadata": True}],
            "header_stacks": [],
            "errors": [[name, number] for number, name in enumerate(ERRORS)],
            "parsers": [{"name": "parser", "id": 0, "init_state": states[0]["name"] if states else None, "parse_states": states}],  # noqa: E501
            "deparsers": [{"name": "deparser", "id": 0, "order": []}],
            "field_aliases": [
                [f"intrinsic_metadata.{n}", ["standard_metadata", n]]
                for n in ("mcast_grp", "egress_rid", "ingress_global_timestamp")
            ],
            "actions": [],
            "pipelines": [
                {"name": n, "id": i, "init_table": None, "tables": [], "conditionals": [], "action_profiles": []}
                for i, n in enumerate(("ingress", "egress"))
            ],
            "calculations": [], "checksums": [], "learn_lists": [], "field_lists": [], "parse_vsets": [],
            "meter_arrays": [], "counter_arrays": [], "register_arrays": [],
        }  # fmt: skip
        for name, fields in headers.items():
            self._header(name, fields)
        self.json["deparsers"][0]["order"] = order
        self._last: dict[int, Json] = {}

    def action(self, name: str, body: list[Json], *params: tuple[str, int]) -> int:
        """Add an action; returns its id."""
        number = len(self.json["actions"])
        data = [{"name": n, "bitwidth": w} for n, w in params]
        self.json["actions"].append({"name": name, "id": number, "runtime_data": data, "primitives": body})
        return number

    def table(
        self, name: str, key: list[tuple[str, str, str]], actions: list[int], pipeline: int = 0, **more: Any
    ) -> Json:
        """Add a table after the node before it; `key` is (match kind, header, field)."""
        names = [self.json["actions"][a]["name"] for a in actions]
        kinds = {kind for kind, _, _ in key}
        table: Json = {
            "name": name,
            "id": 0,
            "key": [{"match_type": k, "name": f"{h}.{f}", "target": [h, f], "mask": None} for k, h, f in key],
            "match_type": next((k for k in ("range", "ternary", "lpm") if k in kinds), "exact"),
            "type": "simple",
            "max_size": 1024,
            "action_ids": actions,
            "actions": names,
            "next_tables": dict.fromkeys(names),
            "base_default_next": None,
            **more,
        }
        self._chain(table, pipeline)
        self.json["pipelines"][pipeline]["tables"].append(table)
        return table

    def do(self, body: list[Json], pipeline: int = 0) -> None:
        """Run statements, as the compiler wraps them: a table without a key and a const default action."""
        number = self.action(f"do_{len(self.json['actions'])}", body)
        default = {"action_id": number, "action_const": True, "action_data": [], "action_entry_const": True}
        self.table(f"tbl_{number}", [], [number], pipeline, default_entry=default)

    def engine(self) -> Engine:
        """Load and compile what was built; the clock stands at 0 ns."""
        return Engine(Switch(load_program(self.json), clock=lambda: 0))

    def _chain(self, table: Json, pipeline: int) -> None:
        before = self._last.get(pipeline)
        if before is None:
            self.json["pipelines"][pipeline]["init_table"] = table["name"]
        else:
            before["next_tables"] = dict.fromkeys(before["next_tables"], table["name"])
            before["base_default_next"] = table["name"]
        self._last[pipeline] = table

    def _header(self, name: str, fields: list[list[Any]]) -> None:
        base, _, count = name.partition("[")
        types, headers = self.json["header_types"], self.json["headers"]
        kind: Json = {"name": f"{base}_t", "id": len(types), "fields": copy.deepcopy(fields)}
        if any(f[1] == "*" for f in fields):
            kind["max_length"] = 64
        types.append(kind)
        names = [f"{base}[{i}]" for i in range(int(count[:-1]))] if count else [base]
        first = len(headers)
        for each in names:
            headers.append(
                {"name": each, "id": len(headers), "header_type": f"{base}_t", "metadata": base == "meta"}
            )
        if count:
            ids = list(range(first, len(headers)))
            self.json["header_stacks"].append(
                {"name": base, "id": 0, "header_type": f"{base}_t", "header_ids": ids}
            )


ETH: list[list[Any]] = [["dst", 48], ["src", 48], ["type", 16]]


def ethernet(*more_meta: list[Any]) -> Builder:
    """A program that parses Ethernet, with metadata `a` (16 bits), `b` (8) and `more_meta`."""
    return Builder(
        {"eth": ETH, "meta": [["a", 16], ["b", 8], *more_meta]}, ["eth"], [state("start", [extract("eth")])]
    )


def forward(port: int = 2) -> Json:
    """Send the packet to a port."""
    return assign("standard_metadata", "egress_spec", const(port))


FRAME = bytes.fromhex("0200000000010000000000021234") + b"payload"


def if_equal(builder: Builder, left: Json, right: Json, body: list[Json], pipeline: int = 0) -> None:
    """Run `body` when two values are equal: jump over it when they are not."""
    test = expr("b2d", None, expr("==", left, right))
    builder.do([call("_jump_if_zero", test, const(len(body) + 1)), *body], pipeline)


VLAN = [["pcp", 3], ["dei", 1], ["vid", 12], ["next", 16]]


def vlans() -> Builder:
    """Ethernet with a stack of up to two tags."""
    last = {"type": "stack_field", "value": ["tag", "next"]}
    states = [
        state("start", [extract("eth")], [field("eth", "type")], [case("0x8100", "tags")]),
        state("tags", [extract("tag[]")], [last], [case("0x8100", "tags", "0xff00")]),
    ]
    return Builder({"eth": ETH, "tag[2]": VLAN, "meta": [["a", 16]]}, ["eth", "tag[0]", "tag[1]"], states)


def tagged(*vids: int) -> bytes:
    """A frame with tags of those VLANs."""
    nexts = ["8100"] * (len(vids) - 1) + ["0800"]
    tags = "".join(f"{vid:04x}{following}" for vid, following in zip(vids, nexts, strict=True))
    return FRAME[:12] + bytes.fromhex("8100" + tags) + b"payload"
