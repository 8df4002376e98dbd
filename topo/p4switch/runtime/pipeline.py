"""A program with its P4Info: what every P4Info id stands for in the data plane."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TypeVar

from finsy.proto import p4i, p4r

from topo.p4switch.program.model import ActionDef, TableDef
from topo.p4switch.runtime.actions import ActionCodec
from topo.p4switch.runtime.arrays import CounterServer, MeterServer, RegisterServer
from topo.p4switch.runtime.digests import DigestServer
from topo.p4switch.runtime.errors import invalid
from topo.p4switch.runtime.match import FieldSpec, MatchCodec, field_specs
from topo.p4switch.runtime.packetio import ControllerHeader
from topo.p4switch.runtime.profiles import ProfileServer
from topo.p4switch.runtime.replication import ReplicationServer
from topo.p4switch.runtime.tables import TableServer
from topo.p4switch.runtime.values import DataType
from topo.p4switch.runtime.valuesets import ValueSetServer
from topo.p4switch.state import Switch, Table

_MADE_BY_COMPILER = "tbl_"
"""How names of tables begin that the compiler makes of statements; P4Info has none of them."""
Held = TypeVar("Held")
Direct = TypeVar("Direct", p4i.DirectCounter, p4i.DirectMeter)


class Pipeline:
    """One forwarding pipeline config, bound to the state of its program. The caller holds ``switch.lock``."""

    def __init__(self, config: p4r.ForwardingPipelineConfig, switch: Switch) -> None:
        """Raises P4Error INVALID_ARGUMENT or UNIMPLEMENTED if P4Info and program do not belong together."""
        info = config.p4info
        self.config = config
        self.digest_lock = threading.Lock()
        """Around every use of ``digests``, which the notifier works on without ``switch.lock``."""
        self.switch = switch
        self._actions = {action.preamble.id: action for action in info.actions}
        self._info = info
        self.removed = self._removed()
        """Names, by id, of tables in P4Info that the compiler left out of the program since no packet meets them."""
        self.profiles: dict[int, ProfileServer] = {}
        for profile in info.action_profiles:
            if profile.preamble.name in switch.profiles or not self._is_removed(profile):
                self.profiles[profile.preamble.id] = self._profile(profile)
        self.tables = {
            table.preamble.id: self._table(table)
            for table in info.tables
            if table.preamble.id not in self.removed
        }
        self.counters = {
            one.preamble.id: CounterServer(_named(switch.counters, one.preamble, "counter"), one)
            for one in info.counters
        }
        self.meters = {
            one.preamble.id: MeterServer(switch, _named(switch.meters, one.preamble, "meter"), one)
            for one in info.meters
        }
        self.registers = {one.preamble.id: self._register(one) for one in info.registers}
        self.value_sets = {one.preamble.id: self._value_set(one) for one in info.value_sets}
        self.replication = ReplicationServer(switch.replication)
        self.digests = {one.preamble.id: self._digest(one) for one in info.digests}
        headers = {one.preamble.name: ControllerHeader(info, one) for one in info.controller_packet_metadata}
        self.packet_in = headers.get("packet_in")
        self.packet_out = headers.get("packet_out")

    def digest_named(self, name: str) -> DigestServer | None:
        """The digest of that name in the program; None if P4Info does not know it."""
        return next((one for one in self.digests.values() if one.name == name), None)

    def _removed(self) -> dict[int, str]:
        """P4Info is written before the compiler's last steps, so it may name tables that these removed.

        If the program has tables that P4Info lacks, too, the two do not belong together.
        """
        held = self.switch.tables
        named = {table.preamble.name: table.preamble.id for table in self._info.tables}
        absent = {number: name for name, number in named.items() if name not in held}
        unnamed = [name for name in held if name not in named and not name.startswith(_MADE_BY_COMPILER)]
        if absent and unnamed:
            lacks = f"P4Info has a table {min(absent.values())}, the program has none of that name"
            raise invalid(f"{lacks}, but a table {min(unnamed)} that is not in P4Info")
        return absent

    def _is_removed(self, profile: p4i.ActionProfile) -> bool:
        return bool(profile.table_ids) and all(number in self.removed for number in profile.table_ids)

    def _table(self, declared: p4i.Table) -> TableServer:
        table = _named(self.switch.tables, declared.preamble, "table")
        what = f"table {declared.preamble.name}"
        fields = field_specs(self._info, declared.match_fields, what)
        kinds = _plane_kinds(table.definition, fields, what)
        profile = None
        if declared.implementation_id:
            profile = _by_id(self.profiles, declared.implementation_id, f"{what}: implementation")
        actions = self._table_actions(declared, table)
        program = self.switch.program.actions
        same_widths = [field.width for field in fields] == [
            key.width for key in table.definition.keys
        ] and all(
            codec.widths == tuple(param.width for param in program[codec.program_id].params)
            for codec in actions.values()
        )
        return TableServer(
            self.switch,
            table,
            declared,
            MatchCodec(what, fields, kinds),
            actions,
            profile,
            (
                _direct(self._info.direct_counters, declared.preamble.id),
                _direct(self._info.direct_meters, declared.preamble.id),
            ),
            same_widths,
        )

    def _table_actions(self, declared: p4i.Table, table: Table) -> dict[int, ActionCodec]:
        """Codecs of the actions that a table may run, each with the program's copy for this very table."""
        codecs = {}
        for ref in declared.action_refs:
            action = _by_id(self._actions, ref.id, f"table {table.name}: action")
            found = self.switch.program.action_of(table.definition, action.preamble.name)
            if found is None:
                raise invalid(f"table {table.name} has no action {action.preamble.name} in the program")
            codecs[ref.id] = _action_codec(self._info, action, found)
        return codecs

    def _profile(self, declared: p4i.ActionProfile) -> ProfileServer:
        profile = _named(self.switch.profiles, declared.preamble, "action profile")
        wanted = set(declared.table_ids) - self.removed.keys()
        tables = [table for table in self._info.tables if table.preamble.id in wanted]
        actions: dict[int, ActionCodec] = {}
        if tables:
            first = tables[0]
            actions = self._table_actions(first, _named(self.switch.tables, first.preamble, "table"))
            scopes = {ref.id: ref.scope for ref in first.action_refs}
            default_only = p4i.ActionRef.Scope.DEFAULT_ONLY
            actions = {one: codec for one, codec in actions.items() if scopes[one] != default_only}
        return ProfileServer(self.switch, profile, declared, actions)

    def _register(self, declared: p4i.Register) -> RegisterServer:
        array = _named(self.switch.registers, declared.preamble, "register")
        what = f"register {declared.preamble.name}"
        return RegisterServer(array, declared, DataType(declared.type_spec, self._info.type_info, what))

    def _value_set(self, declared: p4i.ValueSet) -> ValueSetServer:
        held = _named(self.switch.value_sets, declared.preamble, "value set")
        what = f"value set {declared.preamble.name}"
        fields = field_specs(self._info, declared.match, what)
        return ValueSetServer(held, declared, MatchCodec(what, fields))

    def _digest(self, declared: p4i.Digest) -> DigestServer:
        name = declared.preamble.name
        if name not in {one.name for one in self.switch.program.learn_lists.values()}:
            raise invalid(f"P4Info has a digest {name}, the program has none of that name")
        return DigestServer(declared, DataType(declared.type_spec, self._info.type_info, f"digest {name}"))


def _action_codec(info: p4i.P4Info, action: p4i.Action, found: ActionDef) -> ActionCodec:
    codec = ActionCodec(info, action, found.id)
    if len(codec.widths) != len(found.params):
        raise invalid(
            f"action {found.name} has {len(codec.widths)} parameters in P4Info, {len(found.params)} in the program"
        )
    return codec


def _plane_kinds(table: TableDef, fields: tuple[FieldSpec, ...], what: str) -> tuple[str, ...]:
    """The data plane's kind of each match field."""
    if len(table.keys) != len(fields):
        raise invalid(f"{what} has {len(fields)} match fields in P4Info, {len(table.keys)} in the program")
    allowed = {"optional": ("optional", "ternary", "range"), "lpm": ("lpm", "ternary", "range")}
    for field, key in zip(fields, table.keys, strict=True):
        kinds = allowed.get(field.kind, (field.kind, "ternary", "range", "lpm"))
        if key.kind not in kinds:
            raise invalid(
                f"{what}: match field {field.name} is {field.kind} in P4Info, {key.kind} in the program"
            )
    return tuple(key.kind for key in table.keys)


def _direct(declared: Iterable[Direct], table_id: int) -> Direct | None:
    """A table's direct counter or meter."""
    return next((one for one in declared if one.direct_table_id == table_id), None)


def _named(held: dict[str, Held], preamble: p4i.Preamble, kind: str) -> Held:
    """What P4Info names in the program."""
    found = held.get(preamble.name)
    if found is None:
        raise invalid(f"P4Info has a {kind} {preamble.name}, the program has none of that name")
    return found


def _by_id(held: dict[int, Held], number: int, what: str) -> Held:
    found = held.get(number)
    if found is None:
        raise invalid(f"{what} {number} is not in the P4Info")
    return found
