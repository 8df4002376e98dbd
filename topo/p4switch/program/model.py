"""What a bmv2 JSON declares, as frozen dataclasses: types, headers, tables, arrays, calculations."""

from __future__ import annotations

from dataclasses import dataclass, field

from topo.p4switch.program.expr import Expr, FieldRef


@dataclass(frozen=True)
class FieldDef:
    """One field of a header type: `width` in bits (0 for a varbit, see `max_width`)."""

    name: str
    width: int
    signed: bool = False
    varbit: bool = False
    max_width: int = 0


@dataclass(frozen=True)
class HeaderType:
    """A header or metadata type; fields in wire order."""

    name: str
    fields: tuple[FieldDef, ...]

    @property
    def width(self) -> int:
        """Bits on the wire without a varbit."""
        return sum(f.width for f in self.fields)

    @property
    def varbit(self) -> FieldDef | None:
        """The variable-length field, if there is one."""
        return next((f for f in self.fields if f.varbit), None)

    def field(self, name: str) -> FieldDef | None:
        """The field of that name, or None."""
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True)
class Header:
    """A header instance; `metadata` ones are always valid and never on the wire."""

    id: int
    name: str
    type: HeaderType
    metadata: bool


@dataclass(frozen=True)
class Stack:
    """A header stack: names of its header instances, lowest index first."""

    name: str
    headers: tuple[str, ...]


@dataclass(frozen=True)
class Union:
    """A header union: header instances by member name, in declared order."""

    name: str
    members: tuple[str, ...]
    headers: tuple[str, ...]


@dataclass(frozen=True)
class UnionStack:
    """A stack of header unions, lowest index first."""

    name: str
    unions: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A primitive or parser operation with its arguments."""

    op: str
    args: tuple[Expr, ...]
    source: str = ""


@dataclass(frozen=True)
class Transition:
    """One way out of a parser state; `kind` is default, hexstr or parse_vset; `next` None accepts."""

    kind: str
    value: int | str | None
    mask: int | None
    next: str | None


@dataclass(frozen=True)
class ParserState:
    """A parser state; `key_widths` are the bits of each part of `key`, which values pad to whole bytes."""

    name: str
    ops: tuple[Call, ...]
    key: tuple[Expr, ...]
    key_widths: tuple[int, ...]
    transitions: tuple[Transition, ...]


@dataclass(frozen=True)
class Parser:
    """A parser: its states by name and where it starts (None accepts at once)."""

    name: str
    init: str | None
    states: dict[str, ParserState]


@dataclass(frozen=True)
class Deparser:
    """A deparser: the headers in the order they are emitted, and externs called before."""

    name: str
    order: tuple[str, ...]
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Param:
    """An action's run-time parameter, `width` in bits."""

    name: str
    width: int


@dataclass(frozen=True)
class ActionDef:
    """An action; several may share a name (the compiler copies them per table), ids are unique."""

    id: int
    name: str
    params: tuple[Param, ...]
    body: tuple[Call, ...]


@dataclass(frozen=True)
class KeyField:
    """One part of a table's key; `kind`: exact, lpm, ternary, range or optional; `width` in bits.

    `mask` is a static mask that the data plane applies to the field before matching, or None.
    """

    name: str
    kind: str
    width: int
    target: FieldRef
    mask: int | None = None


@dataclass(frozen=True)
class ActionCall:
    """An action chosen for an entry: its id in the program and one integer for each parameter."""

    action: int
    params: tuple[int, ...] = ()


@dataclass(frozen=True)
class ConstEntry:
    """An entry the program declares; `key` as in `entries.MatchKey`, `priority` in P4Runtime's sense."""

    key: tuple[int | tuple[int, int] | None, ...]
    priority: int
    call: ActionCall


@dataclass(frozen=True)
class TableDef:
    """A table as declared.

    `match_kind` is the whole table's: exact, lpm, ternary or range (ternary and range use priorities).
    `profile` names the action profile of an indirect table. `next_by_action` maps action ids to the next
    node's name (None ends the pipeline); when `next_hit`/`next_miss` are used, `by_hit` is true.
    """

    id: int
    name: str
    match_kind: str
    keys: tuple[KeyField, ...]
    actions: tuple[int, ...]
    max_size: int
    with_counters: bool
    support_timeout: bool
    direct_meter: str | None
    profile: str | None
    default: ActionCall | None
    default_action_const: bool
    default_entry_const: bool
    immutable: bool
    entries: tuple[ConstEntry, ...]
    next_by_action: dict[int, str | None] = field(default_factory=dict)
    by_hit: bool = False
    next_hit: str | None = None
    next_miss: str | None = None


@dataclass(frozen=True)
class Conditional:
    """A branch of a pipeline; next nodes by name, None ends the pipeline; `source` as it was written."""

    name: str
    condition: Expr
    on_true: str | None
    on_false: str | None
    source: str = ""


@dataclass(frozen=True)
class DirectAction:
    """An action called from a pipeline without a table."""

    name: str
    action: int
    next: str | None


@dataclass(frozen=True)
class SelectorDef:
    """How a selector hashes: the algorithm's bmv2 name and the fields in order."""

    algo: str
    input: tuple[Expr, ...]


@dataclass(frozen=True)
class ProfileDef:
    """An action profile; with `selector` it may hold groups."""

    id: int
    name: str
    max_size: int
    selector: SelectorDef | None


@dataclass(frozen=True)
class Pipeline:
    """A control flow graph; `init` is the first node's name, None when empty."""

    name: str
    init: str | None
    tables: dict[str, TableDef]
    conditionals: dict[str, Conditional]
    direct_actions: dict[str, DirectAction]


@dataclass(frozen=True)
class CounterDef:
    """A counter array; a direct one belongs to table `binding`."""

    id: int
    name: str
    size: int
    direct: bool
    binding: str | None


@dataclass(frozen=True)
class MeterDef:
    """A meter array; `unit` is bytes or packets; a direct one writes its colour to `result`."""

    id: int
    name: str
    size: int
    unit: str
    rate_count: int
    direct: bool
    binding: str | None
    result: FieldRef | None


@dataclass(frozen=True)
class RegisterDef:
    """A register array of `size` cells of `width` bits."""

    id: int
    name: str
    size: int
    width: int


@dataclass(frozen=True)
class ValueSetDef:
    """A parser value set; `width` is the bits of one value without padding."""

    id: int
    name: str
    width: int


@dataclass(frozen=True)
class Calculation:
    """A named hash or checksum over `input`; `payload` adds what follows the last header included."""

    name: str
    algo: str
    input: tuple[Expr, ...]
    widths: tuple[int, ...]
    payload: bool


@dataclass(frozen=True)
class Checksum:
    """A checksum: `target` is compared (verify) or set (update) when `condition` holds."""

    name: str
    target: FieldRef
    calculation: str
    verify: bool
    update: bool
    condition: Expr | None


@dataclass(frozen=True)
class LearnList:
    """A digest: the values sent, in order, with their widths in bits."""

    id: int
    name: str
    elements: tuple[Expr, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A whole compiled program. Dictionaries are by name unless said otherwise."""

    header_types: dict[str, HeaderType]
    headers: dict[str, Header]
    stacks: dict[str, Stack]
    unions: dict[str, Union]
    union_stacks: dict[str, UnionStack]
    errors: dict[str, int]
    enums: dict[str, dict[str, int]]
    parsers: dict[str, Parser]
    deparsers: dict[str, Deparser]
    value_sets: dict[str, ValueSetDef]
    meters: dict[str, MeterDef]
    counters: dict[str, CounterDef]
    registers: dict[str, RegisterDef]
    actions: dict[int, ActionDef]
    pipelines: dict[str, Pipeline]
    profiles: dict[str, ProfileDef]
    calculations: dict[str, Calculation]
    checksums: tuple[Checksum, ...]
    learn_lists: dict[int, LearnList]
    field_lists: dict[int, tuple[Expr, ...]]
    aliases: dict[str, FieldRef]
    externs: dict[str, str]

    @property
    def tables(self) -> dict[str, TableDef]:
        """All tables of all pipelines by name."""
        return {name: table for p in self.pipelines.values() for name, table in p.tables.items()}

    def action_of(self, table: TableDef, name: str) -> ActionDef | None:
        """The action of that name among those of `table`, or None."""
        return next((self.actions[i] for i in table.actions if self.actions[i].name == name), None)
