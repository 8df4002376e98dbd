"""Deliberate damage to the compiled P4 program, each with what has to notice it: rows by name, or only the fuzzer.

Rows are written by hand and know no hash: what sends connections to a wrong server, but all of one to the same, only
the fuzzer can tell from the right one.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.conformance.embedded import Embedded, Plane
from topo.p4switch.state import Switch

Program = dict[str, Any]
"""As p4c wrote it."""
Operands = list[Any]
"""Of an assignment: its left side, its right side."""
Damage = Callable[[Program], int]
"""Changes a program; how many places."""


class P4Mutation(NamedTuple):
    """One kind of damage."""

    name: str
    damage: Damage
    rows: tuple[str, ...] = ()
    """Each of them notices it; none: no row does, but the fuzzer."""


def damaged(mutation: P4Mutation) -> Embedded:
    """An embedded switch that runs the damaged program."""
    return Embedded(_Plane(mutation.damage))


class _Plane(Plane):
    def __init__(self, damage: Damage) -> None:
        super().__init__()
        self._damage = damage

    def load(self, source: bytes) -> Switch:
        """See ``Plane``. Raises ValueError if there is nothing in the program to damage."""
        program = json.loads(source)
        if not self._damage(program):
            raise ValueError("the program has no place for this damage any more")
        return super().load(json.dumps(program).encode())


def _name(node: Any) -> str:
    """Of a field: in the source's words, without what p4c adds; "" for anything else."""
    if not isinstance(node, dict) or node.get("type") != "field":
        return ""
    header, name = node["value"]
    if header != "scalars":
        return f"{header}.{name}"
    return re.sub(r"_?\d+$", "", name.removeprefix("local_t._"))


def _assignments(program: Program, name: str, action: str = "") -> Iterator[Operands]:
    """All to a field; in actions whose name ends so."""
    for each in program["actions"]:
        for primitive in each["primitives"]:
            operands = primitive["parameters"]
            if primitive["op"] == "assign" and _name(operands[0]) == name and each["name"].endswith(action):
                yield operands


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Everything in a tree."""
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _nodes(child)


def _constant(value: int) -> dict[str, str]:
    return {"type": "hexstr", "value": hex(value)}


def _expression(left: Any, op: str, right: Any) -> dict[str, Any]:
    return {
        "type": "expression",
        "value": {"type": "expression", "value": {"op": op, "left": left, "right": right}},
    }


def _set(name: str, value: int, action: str = "", only: int | None = None) -> Damage:
    """Assignments to a field, ``only`` those of one constant, set it to another value."""

    def damage(program: Program) -> int:
        found = [
            operands
            for operands in _assignments(program, name, action)
            if only is None or (operands[1]["type"] == "hexstr" and int(operands[1]["value"], 16) == only)
        ]
        for operands in found:
            operands[1] = _constant(value)
        return len(found)

    return damage


def _keep(name: str, *, constants: bool = False) -> Damage:
    """Assignments to a field, or only those of constants, leave it as it is."""

    def damage(program: Program) -> int:
        found = [
            operands
            for operands in _assignments(program, name)
            if operands[1]["type"] == "hexstr" or not constants
        ]
        for operands in found:
            operands[1] = operands[0]
        return len(found)

    return damage


def _swap_tracked(program: Program) -> int:
    """A slot that has moved takes SYNs for others, and others for SYNs."""
    found = [*_assignments(program, "slot_now", ".tracked"), *_assignments(program, "slot_base", ".tracked")]
    for operands in found:
        operands[1]["value"] = 1 - operands[1]["value"]
    return len(found)


def _compared(name: str, other: str | int) -> Damage:
    """What a field is found different from, it is equal to."""

    def damage(program: Program) -> int:
        ingress = next(each for each in program["pipelines"] if each["name"] == "ingress")
        found = [
            node
            for each in ingress["conditionals"]
            for node in _nodes(each["expression"])
            if node.get("op") == "!=" and _name(node["left"]) == name
            if (_name(node["right"]) == other if isinstance(other, str) else _value(node["right"]) == other)
        ]
        for node in found:
            node["right"] = copy.deepcopy(node["left"])
        return len(found)

    return damage


def _value(node: dict[str, Any]) -> int | None:
    return int(node["value"], 16) if node.get("type") == "hexstr" else None


def _equals(program: Program, side: str, name: str) -> list[dict[str, Any]]:
    """Where the pipeline asks whether two things are equal, one of them of this name."""
    ingress = next(each for each in program["pipelines"] if each["name"] == "ingress")
    return [
        node
        for each in ingress["conditionals"]
        for node in _nodes(each["expression"])
        if node.get("op") == "==" and _name(node[side]) == name
    ]


def _unasked(program: Program) -> int:
    """The guard does not ask whether memory was asked."""
    found = _equals(program, "left", "recalled")
    for node in found:
        node["left"] = copy.deepcopy(node["right"])
    return len(found)


def _digest(left: Callable[[dict[str, Any]], Any]) -> Damage:
    """What a cell's digest is compared with the connection's as."""

    def damage(program: Program) -> int:
        found = _equals(program, "right", "digest")
        for node in found:
            node["left"] = left(node)
        return len(found)

    return damage


def _actions(program: Program, become: str, of: str) -> int:
    """Entries of one action of ``access`` do what those of another one do."""
    found = {
        each["name"].rpartition(".")[2]: each for each in program["actions"] if ".access." in each["name"]
    }
    found[become]["primitives"] = copy.deepcopy(found[of]["primitives"])
    return 1


def _errors_listed(program: Program) -> int:
    """ICMP errors are looked up as the packets that they quote."""
    ingress = next(each for each in program["pipelines"] if each["name"] == "ingress")
    found = [
        node
        for each in ingress["conditionals"]
        if each["true_next"] is not None and each["true_next"].endswith(".access.access")
        for node in _nodes(each["expression"])
        if node.get("op") == "==" and _name(node["left"]) == "is_error"
    ]
    for node in found:
        node["left"] = copy.deepcopy(node["right"])
    return len(found)


def _uncounted(flag: str) -> Damage:
    """Packets with this flag are not looked at as ends of connections."""

    def damage(program: Program) -> int:
        ingress = next(each for each in program["pipelines"] if each["name"] == "ingress")
        found = [
            node
            for each in ingress["conditionals"]
            if each["true_next"] is not None and each["true_next"].endswith(".backend.session")
            for node in _nodes(each["expression"])
            if node.get("op") == "==" and _name(node["left"]) == flag
        ]
        for node in found:
            node["op"], node["right"] = "!=", copy.deepcopy(node["left"])
        return len(found)

    return damage


def _no_sum(program: Program) -> int:
    """The header's checksum stays that of the packet that came in."""
    before = len(program["checksums"])
    program["checksums"] = [
        each for each in program["checksums"] if not each["update"] or each["target"] != ["ipv4", "checksum"]
    ]
    return before - len(program["checksums"])


def _no_adjusting(program: Program) -> int:
    """Transport checksums stay what they were."""
    egress = next(each for each in program["pipelines"] if each["name"] == "egress")
    egress["init_table"] = None
    return 1


def _narrow(program: Program) -> int:
    """Half of the slots serve all."""
    primitives = [primitive for each in program["actions"] for primitive in each["primitives"]]
    masks = [
        node
        for primitive in primitives
        for node in _nodes(primitive["parameters"][1:])
        if _name(node) == "slot_mask"
    ]
    for node in masks:
        node.clear()
        node.update(_constant(0x7F))
    return len(masks)


def _hashed(name: str, change: Callable[[dict[str, Any]], Any]) -> Damage:
    """Something else of a field goes into the slot's hash."""

    def damage(program: Program) -> int:
        count = 0
        for each in program["actions"]:
            if not any("spread_hashed" in json.dumps(p["parameters"][0]) for p in each["primitives"]):
                continue
            for primitive in each["primitives"]:
                operands = primitive["parameters"]
                if primitive["op"] == "assign" and _name(operands[1]) == name:
                    operands[1] = change(copy.deepcopy(operands[1]))
                    count += 1
        return count

    return damage


OPENED_IS_FOUND = P4Mutation("opened no better than found", _set("cell_opened", 0))
"""Rows take the one for as good as the other."""
MUTATIONS = (
    P4Mutation(
        "base and now swapped", _swap_tracked, ("slot-moves-dr-v4-tcp", "sibling-in-window-tun-v6-udp")
    ),
    P4Mutation("base unknown", _keep("slot_base"), ("moved-dr-v4-tcp", "slot-moves-nat-v4-udp")),
    P4Mutation("slots never tracked", _keep("slot_class"), ("moved-dr-v4-tcp", "ages-tun-v6-tcp")),
    P4Mutation("settled slots remembered", _set("remembers", 1), ("tracked-again",)),
    P4Mutation("class not asked for", _compared("cell_class", "slot_class"), ("class-forgotten-dr-v4-tcp",)),
    P4Mutation("class not written", _set("cell_class", 0), ("moved-nat-v4-tcp",)),
    P4Mutation("found as good as opened", _set("cell_opened", 1), ("moved-tun-v4-tcp",)),
    P4Mutation("what is found not told", _set("tell", 0, only=11), ("moved-dr-v6-tcp",)),
    P4Mutation("age not told", _keep("slot_ages"), ("ages-dr-v4-tcp",)),
    P4Mutation("old at once", _set("old_after", 0), ("ages-nat-v6-tcp",)),
    P4Mutation("never old", _set("old_after", 0xFFFF), ("ages-nat-v6-tcp",)),
    P4Mutation("birth not written", _keep("cell_born"), ("ages-dr-v6-tcp",)),
    P4Mutation(
        "pins of settled slots for good", _compared("pinned", 0), ("settled-port-used-again-dr-v4-tcp",)
    ),
    P4Mutation("what no SYN opened metered everywhere", _unasked, ("guard-midway-dr-v4-tcp",)),
    P4Mutation("draining is moving", _set("fate", 2, ".drain"), ("drain-nat-v4-tcp", "dies-dr-v6-tcp")),
    P4Mutation("resetting is moving", _set("fate", 2, ".reset"), ("dies-then-reset-dr-v4-tcp",)),
    P4Mutation("pins ignored", _keep("pinned"), ("pinned-dr-v4-udp", "pin-to-a-draining-server")),
    P4Mutation(
        "nothing remembered", _digest(lambda _: _constant(0)), ("pool-grows-dr-v4-udp", "ages-dr-v4-tcp")
    ),
    P4Mutation(
        "digest not checked",
        _digest(lambda node: copy.deepcopy(node["right"])),
        ("tracked-connections-of-their-own",),
    ),
    P4Mutation("exceptions not told", _set("tell", 0, only=1), ("ages-dr-v4-tcp", "slot-moves-dr-v4-udp")),
    P4Mutation(
        "blocked is allowed",
        lambda program: _actions(program, "block", "allow"),
        ("blocked-dr-v4-tcp", "longest-prefix-v6", "all-but-one-v4"),
    ),
    P4Mutation(
        "allowed is blocked",
        lambda program: _actions(program, "allow", "block"),
        ("longest-prefix-v4", "all-but-one-v6"),
    ),
    P4Mutation("errors looked up in access lists", _errors_listed, ("error-past-a-list-v4",)),
    P4Mutation("affinity forgotten", _keep("port_key", constants=True), ("affinity-dr-v4-tcp-sticky",)),
    P4Mutation("header's checksum not written", _no_sum, ("delivered-nat-v4-tcp",)),
    P4Mutation("transport's checksum not adjusted", _no_adjusting, ("delivered-nat-v6-udp",)),
    P4Mutation("hops not counted", _keep("ipv4.ttl"), ("delivered-nat-v4-udp",)),
    P4Mutation("quoted port not rewritten", _keep("quoted.dport"), ("error-by-server-nat-v4-tcp",)),
    P4Mutation("ends open", _set("balance_backend_ends", 0), ("opens-and-ends-dr-v4-tcp",)),
    P4Mutation("FINs end nothing", _uncounted("fin"), ("tracked-opens-and-ends-nat-v4-tcp",)),
    P4Mutation("RSTs end nothing", _uncounted("rst"), ("pinned-ends-dr-v4-tcp",)),
    P4Mutation("half of the slots", _narrow),
    P4Mutation("port cut short", _hashed("port_key", lambda node: _expression(node, "&", _constant(0xFF)))),
    P4Mutation(
        "address cut short", _hashed("client", lambda node: _expression(node, "&", _constant(0xFFFFFFFF)))
    ),
)
