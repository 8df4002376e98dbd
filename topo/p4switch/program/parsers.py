"""Reads parsers: states, operations, transition keys and transitions."""

from __future__ import annotations

from topo.p4switch.program import expr as ex
from topo.p4switch.program.expr import Expr
from topo.p4switch.program.exprs import Expressions
from topo.p4switch.program.model import Call, Parser, ParserState, Transition
from topo.p4switch.program.reader import Node

_OPS = ("extract", "extract_VL", "set", "verify", "shift", "advance", "primitive")


def read_parser(node: Node, exprs: Expressions) -> Parser:
    """One parser; ProgramError for a transition to a state that is not there."""
    states = {item.text("name"): _state(item, exprs) for item in node.each("parse_states")}
    init = node.get("init_state")
    for state in states.values():
        for transition in state.transitions:
            if transition.next is not None and transition.next not in states:
                raise node.fail(f"state {state.name} goes to {transition.next}, which is not there")
    if init is not None and init not in states:
        raise node.fail(f"starts in {init}, which is not there")
    return Parser(node.text("name"), init, states)


def _state(node: Node, exprs: Expressions) -> ParserState:
    key = tuple(exprs.read(item) for item in node.each("transition_key"))
    widths = tuple(exprs.width(part) for part in key)
    ops = tuple(_op(item, exprs) for item in node.each("parser_ops"))
    return ParserState(
        node.text("name"), ops, key, widths, tuple(_transition(t) for t in node.each("transitions"))
    )


def _transition(node: Node) -> Transition:
    kind = str(node.get("type") or "hexstr")
    following = node.get("next_state")
    if kind == "default" or (kind == "hexstr" and node.get("value") == "default"):
        return Transition("default", None, None, following)
    mask = node.hexadecimal("mask") if node.has("mask") else None
    if kind == "parse_vset":
        return Transition(kind, node.text("value"), mask, following)
    if kind != "hexstr":
        raise node.fail(f"transitions of type {kind!r} are not supported")
    return Transition(kind, node.hexadecimal("value"), mask, following)


def _op(node: Node, exprs: Expressions) -> Call:
    op = node.text("op")
    if op not in _OPS:
        raise node.fail(f"parser operation {op!r} is not supported")
    if op == "primitive":
        return exprs.call(next(node.each("parameters")))
    args: list[Expr] = []
    for item in node.each("parameters"):
        if isinstance(item.value, int):
            args.append(ex.Const(item.number()))
        else:
            args.append(exprs.read(item))
    return Call(f"parser.{op}", tuple(args), "")
