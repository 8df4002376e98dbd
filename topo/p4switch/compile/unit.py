"""Puts the generated functions together, compiles them, and hands them out with what they need known."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any, TypeVar

from topo.p4switch.compile.context import Context
from topo.p4switch.compile.expressions import Expressions
from topo.p4switch.compile.externs import Externs
from topo.p4switch.compile.hashing import Hashing
from topo.p4switch.compile.headers import Headers
from topo.p4switch.compile.names import Names
from topo.p4switch.compile.parser import ParserWriter
from topo.p4switch.compile.pipeline import PipelineWriter
from topo.p4switch.compile.primitives import Primitives
from topo.p4switch.compile.stages import Stages
from topo.p4switch.compile.usage import Usage
from topo.p4switch.compile.work import Work
from topo.p4switch.compile.writer import Writer
from topo.p4switch.errors import P4SwitchError, ProgramError
from topo.p4switch.hashes import HashFunction, make_hash
from topo.p4switch.program import expr as ex
from topo.p4switch.program.model import Program
from topo.p4switch.state import Switch

_T = TypeVar("_T")

State = tuple[Any, ...]
"""A packet between two stages: the generated functions' variables, in the order of `Unit.variables`."""


class AssertionFailed(P4SwitchError):
    """A P4 assert or assume was false; the packet ends here."""


@dataclass(frozen=True)
class Unit:
    """The compiled program.

    `ingress(frame, port, now, kept, out, work)` parses and runs a packet, `egress(state, port, rid, now, out,
    work)` runs a copy, `reparse(frame, port)` parses again for a clone. They append `(port, frame)` to `out`
    and what remains to be done to `work`. `kept` is the metadata to start with, or None. `variables` names
    the state's items, `metadata` the indices of those that resubmission resets, `field_lists` those that
    each list keeps, `instance_type` the index of that field, `source` is the text.
    """

    ingress: Callable[..., None]
    egress: Callable[..., None]
    reparse: Callable[..., State]
    variables: tuple[str, ...]
    metadata: tuple[int, ...]
    field_lists: dict[int, tuple[int, ...]]
    indices: dict[str, int]
    instance_type: int | None
    source: str


def compile_program(
    switch: Switch,
    hashes: dict[str, HashFunction],
    log: Callable[[str, tuple[int, ...]], None],
    start_ns: int = 0,
    trace: Callable[..., None] | None = None,
) -> Unit:
    """Generate and compile the code of `switch.program` against the objects of `switch`.

    `hashes` are the functions of `make_hashes`; `log` gets log_msg calls; timestamps count from `start_ns`.
    With `trace` the code reports every step to it. ProgramError names what cannot be run.
    """
    program = switch.program
    writer = Writer()
    names = Names(program, Usage(program))
    registers = {n: writer.bind("R", r.cells) for n, r in switch.registers.items()}
    exprs = Expressions(names, writer, registers)
    context = Context(program, switch, names, writer, exprs, hashes, trace is not None)
    headers = Headers(context)
    hashing = Hashing(context, headers)
    primitives = Primitives(context, headers, Externs(context, hashing))
    parser = ParserWriter(context, headers, primitives, _only(program.parsers, "parser"))
    pipelines = {
        name: PipelineWriter(context, primitives, hashing, pipeline)
        for name, pipeline in program.pipelines.items()
    }
    for needed in ("ingress", "egress"):
        if needed not in pipelines:
            raise ProgramError(f"the program has no {needed} pipeline: only v1model programs run here")
    deparser = _only(program.deparsers, "deparser")
    stages = Stages(context, headers, hashing, primitives, parser, pipelines, deparser, start_ns)
    stages.write()
    bindings: dict[str, Any] = {
        "int_from_bytes": int.from_bytes,
        "randint": random.Random().randint,
        "log_msg": log,
        "AssertionFailed": AssertionFailed,
        "Work": Work,
        "trace": trace,
        **writer.bindings,
    }
    source = writer.text()
    exec(_code(source), bindings)
    indices = {name: i for i, name in enumerate(stages.variables)}
    return Unit(
        ingress=bindings["ingress"],
        egress=bindings["egress"],
        reparse=bindings["reparse"],
        variables=tuple(stages.variables),
        metadata=tuple(indices[name] for name in names.metadata),
        field_lists={
            number: tuple(
                indices[names.field(e.header, e.field)]
                for e in elements
                if isinstance(e, ex.FieldRef) and _kept(names, e)
            )
            for number, elements in program.field_lists.items()
        },
        indices=indices,
        instance_type=indices.get(names.architecture("standard_metadata.instance_type") or ""),
        source=source,
    )


def make_hashes(program: Program) -> dict[str, HashFunction]:
    """One hash function for each calculation (by its name) and each selector (`selector NAME`)."""
    out = {name: make_hash(c.algo) for name, c in program.calculations.items()}
    for name, profile in program.profiles.items():
        if profile.selector is not None:
            out[f"selector {name}"] = make_hash(profile.selector.algo)
    return out


def _kept(names: Names, ref: ex.FieldRef) -> bool:
    """Whether a field list's field has a variable; what the program never uses need not be kept."""
    return names.usage.uses(ref)


def _code(source: str) -> CodeType:
    try:
        return compile(source, "<p4 program>", "exec")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ProgramError(
            f"the program is too deeply nested or too large to be compiled: {error}"
        ) from error


def _only(found: dict[str, _T], kind: str) -> _T:
    if len(found) != 1:
        raise ProgramError(f"the program has {len(found)} {kind}s: v1model has one")
    return next(iter(found.values()))
