"""A match-action table's live state: entries, default entry, counters, meters, idle times, capacity."""

from __future__ import annotations

from collections.abc import Iterator

from topo.p4switch.arrays import Meter
from topo.p4switch.entries import Entry, MatchKey, check_key
from topo.p4switch.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted
from topo.p4switch.lookup import make_index
from topo.p4switch.profiles import Group, Member, Profile
from topo.p4switch.program.model import ActionCall, ActionDef, MeterDef, TableDef
from topo.p4switch.refs import NO_ACTION, ActionRef, OneShot


class Table:
    """One table. The caller holds `Switch.lock` around every method.

    `definition` is what the program declares; `index` is what the data plane searches; `default` is the
    default entry, always the same object (its `action` is -1 when there is none); `profile` is set for an
    indirect table and `meter` describes the direct meter, if any; `no_member` stands for the member
    of a group whose members are all dead. Tables whose `uses_priority` is true take
    priorities >= 1 (the larger wins), all others priority 0.
    """

    def __init__(
        self,
        definition: TableDef,
        actions: dict[int, ActionDef],
        profile: Profile | None = None,
        meter: MeterDef | None = None,
    ) -> None:
        """The table as the program starts it: const entries and the declared default in place."""
        self.definition = definition
        self.name = definition.name
        self.profile = profile
        self.meter = meter
        self.index = make_index(definition)
        self.uses_priority = definition.match_kind in ("ternary", "range") or any(
            k.kind in ("ternary", "range", "optional") for k in definition.keys
        )
        self._actions = actions
        self._allowed = frozenset(definition.actions)
        self._entries: dict[tuple[MatchKey, int], Entry] = {}
        self.no_member = Entry((), 0, NO_ACTION)
        self.default = self._initial_default()
        self._add_declared()

    def __len__(self) -> int:
        """Entries in the table, the default entry not counted."""
        return len(self._entries)

    def entries(self) -> Iterator[Entry]:
        """All entries but the default, in the order of insertion."""
        return iter(list(self._entries.values()))

    def get(self, key: MatchKey, priority: int = 0) -> Entry:
        """The entry of exactly that key and priority; NotFound when there is none."""
        entry = self._entries.get((key, priority))
        if entry is None:
            check_key(self.name, self.definition.keys, key)
            raise NotFound(f"table {self.name}: no entry with key {key} and priority {priority}")
        return entry

    def insert(
        self, key: MatchKey, ref: ActionRef, priority: int = 0, now: int = 0, idle_timeout_ns: int = 0
    ) -> Entry:
        """Add an entry and return it.

        Raises PermissionDenied (const table), InvalidArgument (key, priority, action), AlreadyExists,
        ResourceExhausted. `now` is the switch clock's time, from which the idle time counts.
        """
        self._check_mutable()
        check_key(self.name, self.definition.keys, key)
        self._check_priority(priority)
        if not key:
            raise InvalidArgument(f"table {self.name} has no key: only its default entry can be set")
        if (key, priority) in self._entries:
            raise AlreadyExists(f"table {self.name}: key {key} priority {priority} is there already")
        if len(self._entries) >= self.definition.max_size:
            raise ResourceExhausted(f"table {self.name} is full with {self.definition.max_size} entries")
        entry = Entry(key, priority, ref, now)
        self._set_timeout(entry, idle_timeout_ns)
        self._bind(entry, ref)
        self._entries[(key, priority)] = entry
        self.index.add(entry)
        return entry

    def modify(
        self,
        key: MatchKey,
        ref: ActionRef,
        priority: int = 0,
        now: int = 0,
        idle_timeout_ns: int | None = None,
    ) -> Entry:
        """Give an entry another action; counters and meter stay. `idle_timeout_ns` None keeps the timeout."""
        self._check_mutable()
        entry = self.get(key, priority)
        if idle_timeout_ns is not None:
            self._set_timeout(entry, idle_timeout_ns)
        self._rebind(entry, ref)
        entry.last_hit = now
        entry.idle_reported = -1
        return entry

    def insert_checked(self, key: MatchKey, call: ActionCall, now: int) -> None:
        """As `insert` for a mutable direct table without priorities, whose caller has checked key and call.

        What a controller writes by the ten thousand should not be checked twice.
        """
        place = (key, 0)
        if place in self._entries:
            raise AlreadyExists(f"table {self.name}: key {key} is there already")
        if len(self._entries) >= self.definition.max_size:
            raise ResourceExhausted(f"table {self.name} is full with {self.definition.max_size} entries")
        entry = Entry(key, 0, call, now)
        entry.action, entry.params = call.action, call.params
        self._entries[place] = entry
        self.index.add(entry)

    def modify_checked(self, key: MatchKey, call: ActionCall, now: int) -> Entry:
        """As `modify`, where `insert_checked` may be used."""
        entry = self._entries.get((key, 0))
        if entry is None:
            raise NotFound(f"table {self.name}: no entry with key {key}")
        entry.ref, entry.action, entry.params = call, call.action, call.params
        entry.last_hit, entry.idle_reported = now, -1
        return entry

    def delete(self, key: MatchKey, priority: int = 0) -> None:
        """Remove an entry; NotFound when there is none."""
        self._check_mutable()
        entry = self.get(key, priority)
        del self._entries[(key, priority)]
        self.index.remove(entry)
        self._release(entry.ref, entry.target)

    def clear(self) -> None:
        """Remove every entry; PermissionDenied for a const table."""
        self._check_mutable()
        for entry in self._entries.values():
            self._release(entry.ref, entry.target)
        self._entries.clear()
        self.index.clear()

    def set_default(self, ref: ActionRef) -> Entry:
        """Set the default entry's action; PermissionDenied where the program makes it const."""
        if self.definition.default_action_const or self.definition.default_entry_const:
            raise PermissionDenied(f"table {self.name}: its default action is const")
        self._rebind(self.default, ref)
        return self.default

    def reset_default(self) -> Entry:
        """Put the default entry back to what the program declares (no action where it declares none)."""
        if self.definition.default_action_const or self.definition.default_entry_const:
            raise PermissionDenied(f"table {self.name}: its default action is const")
        self._rebind(self.default, self.definition.default or NO_ACTION)
        return self.default

    def set_meter(self, entry: Entry, config: tuple[tuple[float, int], ...] | None, now: int) -> None:
        """Configure an entry's direct meter ((rate per second, burst) lowest rate first); None removes it."""
        if self.meter is None:
            raise InvalidArgument(f"table {self.name} has no direct meter")
        if config is None:
            entry.meter = None
            return
        entry.meter = Meter(self.meter.unit)
        entry.meter.configure(config, now)

    def idle_entries(self, now: int) -> list[Entry]:
        """Entries whose idle timeout has passed; each is told once until it is hit or modified again."""
        out = []
        for entry in self._entries.values():
            timeout = entry.idle_timeout_ns
            if timeout and now - entry.last_hit >= timeout and entry.idle_reported != entry.last_hit:
                entry.idle_reported = entry.last_hit
                out.append(entry)
        return out

    def check_call(self, call: ActionCall) -> None:
        """Raise InvalidArgument unless the table may run the action with those parameters."""
        if call.action not in self._allowed:
            known = ", ".join(self._actions[a].name for a in self.definition.actions)
            raise InvalidArgument(f"table {self.name}: action {call.action} is not one of its own: {known}")
        action = self._actions[call.action]
        if len(call.params) != len(action.params):
            raise InvalidArgument(
                f"action {action.name} takes {len(action.params)} parameters, got {len(call.params)}"
            )
        for param, value in zip(action.params, call.params, strict=True):
            if value < 0 or value >> param.width:
                raise InvalidArgument(
                    f"action {action.name}: parameter {param.name} = {value:#x} is wider than {param.width} bits"
                )

    def _check_mutable(self) -> None:
        if self.definition.immutable:
            raise PermissionDenied(f"table {self.name}: its entries are const")

    def _check_priority(self, priority: int) -> None:
        if self.uses_priority and priority <= 0:
            raise InvalidArgument(f"table {self.name}: entries need a priority of at least 1")
        if not self.uses_priority and priority != 0:
            raise InvalidArgument(f"table {self.name}: entries have no priority, got {priority}")

    def _set_timeout(self, entry: Entry, idle_timeout_ns: int) -> None:
        if idle_timeout_ns < 0:
            raise InvalidArgument(f"table {self.name}: idle timeout {idle_timeout_ns} ns is negative")
        if idle_timeout_ns and not self.definition.support_timeout:
            raise InvalidArgument(f"table {self.name} does not support idle timeouts")
        entry.idle_timeout_ns = idle_timeout_ns

    def _bind(self, entry: Entry, ref: ActionRef) -> None:
        """Point the entry at what `ref` names, and count the reference."""
        if isinstance(ref, ActionCall):
            if self.profile is not None and not entry.is_default:
                raise InvalidArgument(f"table {self.name} takes members or groups of {self.profile.name}")
            if ref != NO_ACTION:
                self.check_call(ref)
            entry.action, entry.params, entry.target = ref.action, ref.params, None
        else:
            if self.profile is None:
                raise InvalidArgument(f"table {self.name} has no action profile")
            if isinstance(ref, OneShot):
                for choice in ref.actions:
                    self.check_call(choice.call)
            entry.target = self.profile.acquire(ref)
            entry.action, entry.params = -1, ()
        entry.ref = ref

    def _rebind(self, entry: Entry, ref: ActionRef) -> None:
        old, target = entry.ref, entry.target
        self._bind(entry, ref)
        self._release(old, target)

    def _release(self, ref: ActionRef, target: Member | Group | None) -> None:
        if self.profile is not None:
            self.profile.release(ref, target)

    def _initial_default(self) -> Entry:
        entry = Entry((), 0, NO_ACTION)
        entry.is_default = True
        entry.const = self.definition.default_action_const
        self._bind(entry, self.definition.default or NO_ACTION)
        return entry

    def _add_declared(self) -> None:
        """Put the program's own entries in; they are the table's whether or not they fit its size."""
        for declared in self.definition.entries:
            check_key(self.name, self.definition.keys, declared.key)
            priority = declared.priority if self.uses_priority else 0
            entry = Entry(declared.key, priority, declared.call)
            entry.const = True
            self._bind(entry, declared.call)
            self._entries[(declared.key, priority)] = entry
            self.index.add(entry)
