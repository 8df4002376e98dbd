"""Pipelines to Python: table lookups, actions inlined by id, conditionals, in structured order."""

from __future__ import annotations

from topo.p4switch.compile.context import Context
from topo.p4switch.compile.flow import Flow, Region
from topo.p4switch.compile.hashing import Hashing
from topo.p4switch.compile.primitives import Primitives
from topo.p4switch.compile.values import constant, stored
from topo.p4switch.errors import ProgramError
from topo.p4switch.lookup import ExactIndex, shifts_of
from topo.p4switch.profiles import Group
from topo.p4switch.program import expr as ex
from topo.p4switch.program.model import ActionCall, Conditional, DirectAction, Pipeline, TableDef
from topo.p4switch.tables import Table


class PipelineWriter:
    """Generates one pipeline as a loop that runs once, so that `exit` can break out of it."""

    def __init__(
        self, context: Context, primitives: Primitives, hashing: Hashing, pipeline: Pipeline
    ) -> None:
        """Prepare to write `pipeline`."""
        self._c = context
        self._primitives = primitives
        self._hashing = hashing
        self._pipeline = pipeline
        self._flow: Flow

    def write(self) -> None:
        """Write the pipeline; nothing when it is empty."""
        if self._pipeline.init is None:
            return
        self._flow = Flow(self._pipeline.init, self._successors)
        with self._c.writer.block("while True:"):
            self._flow.write(self._node)
            self._c.writer.line("break")

    def _successors(self, node: object) -> list[str | None]:
        name = str(node)
        pipeline = self._pipeline
        if name in pipeline.conditionals:
            conditional = pipeline.conditionals[name]
            return _distinct([conditional.on_true, conditional.on_false])
        if name in pipeline.direct_actions:
            return [pipeline.direct_actions[name].next]
        if name not in pipeline.tables:
            raise ProgramError(f"pipeline {pipeline.name} goes to {name}, which is not declared")
        table = pipeline.tables[name]
        if table.by_hit:
            return _distinct([table.next_hit, table.next_miss])
        following = list(table.next_by_action.values())
        # Without a default action a miss runs none, and goes on where the JSON says.
        return _distinct(
            following if table.default is not None and following else [*following, table.next_miss]
        )

    def _node(self, node: object, region: Region) -> None:
        name = str(node)
        pipeline = self._pipeline
        if name in pipeline.conditionals:
            self._conditional(pipeline.conditionals[name], region)
        elif name in pipeline.direct_actions:
            self._direct(pipeline.direct_actions[name])
        else:
            self._table(pipeline.tables[name], region)

    def _conditional(self, conditional: Conditional, region: Region) -> None:
        writer = self._c.writer
        join = self._flow.join(conditional.name)
        head = "if"
        current: Conditional = conditional
        while True:
            text = self._c.exprs.condition(current.condition)
            if head == "if":
                self._c.trace("if", current.source or current.name, f"bool({text})")
            with writer.block(f"{head} {text}:"):
                region(current.on_true)
            following = self._pipeline.conditionals.get(current.on_false or "")
            # A chain of else-ifs stays flat: Python takes only 100 levels of indentation.
            if following is None or self._flow.join(following.name) != join or following.name == join:
                break
            current, head = following, "elif"
        if current.on_false != join:
            with writer.block("else:"):
                region(current.on_false)

    def _direct(self, action: DirectAction) -> None:
        self._inline(action.action, ())

    def _inline(self, action: int, values: tuple[int, ...] | None) -> None:
        """An action's body, its parameters constants when `values` are given."""
        definition = self._c.program.actions[action]
        names = self._c.exprs.enter(definition, values)
        if names:
            self._c.writer.line(f"{', '.join(names)}, = e.params")
        self._c.trace("action", definition.name, f"({', '.join(names)}{',' if names else ''})")
        self._primitives.body(definition.body)

    def _table(self, definition: TableDef, region: Region) -> None:
        table = self._c.switch.tables[definition.name]
        if self._is_fixed(definition):
            assert definition.default is not None
            self._fixed(definition, definition.default, region)
            return
        self._lookup(table)
        self._dispatch(table, region)

    def _is_fixed(self, definition: TableDef) -> bool:
        """Whether the table can only ever run its declared default: p4c wraps plain statements so."""
        return (
            not definition.keys
            and definition.default is not None
            and definition.default_action_const
            and definition.profile is None
        )

    def _fixed(self, definition: TableDef, call: ActionCall, region: Region) -> None:
        self._c.trace("table", definition.name, "None", "False")
        self._inline(call.action, call.params)
        following = definition.next_miss if definition.by_hit else definition.next_by_action[call.action]
        if following != self._flow.join(definition.name):
            region(following)

    def _lookup(self, table: Table) -> None:
        """Find the entry `e` and count the hit; `HIT` tells the two apart where that is asked for."""
        writer, definition = self._c.writer, table.definition
        default = writer.bind("D", table.default)
        asked = definition.by_hit or self._c.traced
        if not definition.keys:
            writer.line(f"e = {default}")
            if asked:
                writer.line("HIT = False")
            self._c.trace("table", table.name, "None", "False")
            return
        get = writer.bind("T", table.index.get)
        key = self._key(table)
        on_hit = self._on_hit(table)
        if not asked and not on_hit:
            writer.line(f"e = {get}({key}) or {default}")
            return
        if self._c.traced:
            writer.line(f"_key = {key}")
            key = "_key"
        writer.line(f"e = {get}({key})")
        with writer.block("if e is None:"):
            writer.line(f"e = {default}")
            if asked:
                writer.line("HIT = False")
        with writer.block("else:"):
            if asked:
                writer.line("HIT = True")
            for text in on_hit:
                writer.line(text)
        fields = ", ".join(
            f"({k.name!r}, {self._c.names.field(k.target.header, k.target.field)})" for k in definition.keys
        )
        self._c.trace("table", table.name, f"({fields},)", "HIT and e")

    def _on_hit(self, table: Table) -> list[str]:
        out = []
        if table.definition.with_counters:
            out += ["e.packets += 1", "e.bytes += n"]
        if table.definition.support_timeout:
            out.append("e.last_hit = now")
        if table.meter is not None and table.meter.result is not None:
            ref = table.meter.result
            field = self._c.names.definition(ref)
            color = self._c.names.field(ref.header, ref.field)
            out.append(
                f"{color} = {stored(constant(0), field.width)} if e.meter is None else e.meter.execute(n, now)"
            )
        return out

    def _key(self, table: Table) -> str:
        parts = []
        for key in table.definition.keys:
            text = self._c.exprs.key(key.target, key.width)
            valid = self._c.names.valid(key.target.header)
            # A header that was taken away may still hold its old values: the key sees zero.
            if (
                valid != "1"
                and key.target.field != "$valid$"
                and self._c.names.is_modified(key.target.header)
            ):
                text = f"({text} if {valid} else 0)"
            if key.mask is not None:
                text = f"({text} & {key.mask:#x})"
            parts.append(text)
        if isinstance(table.index, ExactIndex):
            return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
        shifts = shifts_of(table.definition.keys)
        return " | ".join(f"{p} << {s}" if s else p for p, s in zip(parts, shifts, strict=True))

    def _dispatch(self, table: Table, region: Region) -> None:
        """Run the entry's action and go on where it leads."""
        writer, definition = self._c.writer, table.definition
        join = self._flow.join(definition.name)
        if table.profile is not None:
            self._resolve(table)
        branches = [] if definition.by_hit else _branches(definition, join)
        written = False
        writer.line("a = e.action")
        for action in definition.actions:
            if not self._c.program.actions[action].body and action not in branches and not self._c.traced:
                continue
            with writer.block(f"{'el' if written else ''}if a == {action}:"):
                self._inline(action, None)
                if action in branches:
                    region(definition.next_by_action[action])
            written = True
        missing = definition.next_miss
        if not definition.by_hit and definition.default is None and missing != join:
            with writer.block("elif a < 0:" if written else "if a < 0:"):
                region(missing)
        if definition.by_hit:
            self._hit_or_miss(definition, join, region)

    def _hit_or_miss(self, definition: TableDef, join: object, region: Region) -> None:
        writer = self._c.writer
        if definition.next_hit == definition.next_miss:
            return
        with writer.block("if HIT:"):
            region(definition.next_hit)
        if definition.next_miss != join:
            with writer.block("else:"):
                region(definition.next_miss)

    def _resolve(self, table: Table) -> None:
        """Replace `e` by the member that the entry, or its group's hash, names."""
        writer, profile = self._c.writer, table.profile
        assert profile is not None
        default = writer.bind("D", table.no_member)
        with writer.block("if e.target is not None:"):
            writer.line("e = e.target")
            selector = profile.definition.selector
            if selector is None:
                return
            group = writer.bind("G", Group)
            with writer.block(f"if e.__class__ is {group}:"):
                inputs = tuple(i for i in selector.input if not isinstance(i, ex.Text))
                self._hashing.apply(selector.algo, f"selector {profile.name}", inputs, "_h", "")
                writer.line(f"e = e.pick(_h) or {default}")


def _branches(definition: TableDef, join: object) -> set[int]:
    """Actions that lead somewhere else than where all paths meet."""
    return {a for a, following in definition.next_by_action.items() if following != join}


def _distinct(nodes: list[str | None]) -> list[str | None]:
    return list(dict.fromkeys(nodes))
