"""Table entries over P4Runtime: one table's writes and reads, its default entry and direct resources."""

from __future__ import annotations

from collections.abc import Iterator

from finsy.proto import p4i, p4r

from topo.p4switch.errors import NotFound
from topo.p4switch.runtime import meters
from topo.p4switch.runtime.actions import ActionCodec, find
from topo.p4switch.runtime.encoded import Encoder
from topo.p4switch.runtime.errors import P4Error, denied, invalid, unimplemented
from topo.p4switch.runtime.match import MatchCodec
from topo.p4switch.runtime.profiles import ProfileServer
from topo.p4switch.state import NO_ACTION, ActionCall, ActionRef, Entry, MatchKey, OneShot, Switch, Table

INSERT, MODIFY, DELETE = p4r.Update.Type.INSERT, p4r.Update.Type.MODIFY, p4r.Update.Type.DELETE

_PLAIN_KINDS = (INSERT, MODIFY)

_PLAIN_FIELDS = 3
"""Fields set in an entry that has a table, a match and an action, and nothing else."""


class TableServer:
    """One table as the controller sees it. The caller holds ``Switch.lock`` around every method.

    Writes raise P4Error, or errors.StateError where the data plane refuses; nothing is changed then.
    """

    def __init__(
        self,
        switch: Switch,
        table: Table,
        declared: p4i.Table,
        match: MatchCodec,
        actions: dict[int, ActionCodec],
        profile: ProfileServer | None,
        direct: tuple[p4i.DirectCounter | None, p4i.DirectMeter | None],
        same_widths: bool,
    ) -> None:
        """``actions`` by P4Info id; ``profile`` for an indirect table; ``direct``: its counter and meter.

        ``same_widths``: what P4Info's widths allow, the program's allow too, so that nothing is checked twice.
        """
        self.id = declared.preamble.id
        self.what = f"table {declared.preamble.name}"
        self.table = table
        self.match = match
        self.actions = actions
        self.counter, self.meter = direct
        self._switch = switch
        self._profile = profile
        self._const = declared.is_const_table
        self._const_default = declared.const_default_action_id != 0
        self.supports_idle = declared.idle_timeout_behavior == p4i.Table.IdleTimeoutBehavior.NOTIFY_CONTROL
        self._by_program = {codec.program_id: codec for codec in actions.values()}
        self._scopes = {one.id: one.scope for one in declared.action_refs}
        self._plain = not (
            self._const
            or declared.has_initial_entries
            or profile is not None
            or self.meter is not None
            or match.needs_priority
            or not same_widths
        )
        self._encoder = Encoder(
            self.id, match, self._by_program, lambda entry: self.message(entry, p4r.TableEntry())
        )
        self._cookies: dict[tuple[MatchKey, int], int] = {}
        """controller_metadata, deprecated and rare, of the entries that have one."""

    def write(self, kind: int, entry: p4r.TableEntry) -> None:
        """Carry out one update."""
        if entry.is_const:
            raise invalid(f"{self.what}: is_const is for reads only")
        if entry.is_default_action:
            self._write_default(kind, entry)
        elif kind == INSERT:
            self._insert(entry)
        elif kind == MODIFY:
            self._modify(entry)
        else:
            self._delete(entry)

    def write_plain(self, kind: int, entry: p4r.TableEntry) -> bool:
        """Insert or modify an entry that has a match and a direct action and nothing else, in an ordinary table.

        The way of tables that are written by the thousand. Returns False, with nothing done, if the update is of
        any other kind: then ``write`` it.
        """
        if not self._plain or kind not in _PLAIN_KINDS or len(entry.ListFields()) != _PLAIN_FIELDS:
            return False
        action = entry.action.action
        codec = self.actions.get(action.action_id)
        if codec is None or self._scopes[codec.id] or not entry.match:
            return False
        key, call = self.match.key(entry.match), codec.call(action)
        if kind == INSERT:
            self.table.insert_checked(key, call, self._switch.clock())
            return True
        if self._cookies:
            return False
        found = self.table.modify_checked(key, call, self._switch.clock())
        found.metadata, found.idle_timeout_ns = b"", 0
        return True

    def find(self, entry: p4r.TableEntry) -> Entry:
        """The live entry that a message names; raises P4Error, or NotFound."""
        if entry.is_default_action:
            self._check_default(entry)
            return self.table.default
        key = self.match.key(entry.match)
        self._check_priority(entry.priority)
        return self.table.get(key, entry.priority)

    def read(self, wanted: p4r.TableEntry) -> Iterator[p4r.TableEntry]:
        """All entries that a read request for this table selects."""
        self._check_read(wanted)
        for entry in self.selected(wanted):
            yield self.message(entry, wanted)

    def encoded(self, wanted: p4r.TableEntry) -> Iterator[bytes] | None:
        """As ``read``, as bytes of ``ReadResponse.entities``; None unless all entries of an ordinary table are wanted.

        The way of tables that are read by the thousand.
        """
        if not self._plain or not self.match.all_exact or self._cookies or len(wanted.ListFields()) != 1:
            return None
        return self._encoder.entities(self.table.entries())

    def read_all(self, wanted: p4r.TableEntry) -> Iterator[p4r.TableEntry]:
        """This table's part of a read of all tables: what it does not have is not asked for."""
        mine = p4r.TableEntry(is_default_action=wanted.is_default_action)
        if self.counter is not None and wanted.HasField("counter_data"):
            mine.counter_data.SetInParent()
        if self.meter is not None and wanted.HasField("meter_config"):
            mine.meter_config.SetInParent()
        if self.supports_idle and wanted.HasField("time_since_last_hit"):
            mine.time_since_last_hit.SetInParent()
        return self.read(mine)

    def selected(self, wanted: p4r.TableEntry) -> Iterator[Entry]:
        """The live entries that a read request's key, priority, action and metadata select."""
        if wanted.is_default_action:
            self._check_default(wanted)
            yield self.table.default
            return
        key = self.match.key(wanted.match) if wanted.match else None
        action_id = wanted.action.action.action_id
        if action_id:
            find(self.actions, wanted.action.action, self.what)
        for entry in self._candidates(key, wanted.priority):
            if wanted.metadata and entry.metadata != wanted.metadata:
                continue
            if wanted.controller_metadata and self._cookie(entry) != wanted.controller_metadata:
                continue
            if action_id and self._action_id(entry) != action_id:
                continue
            yield entry

    def written(self) -> Iterator[p4r.TableEntry]:
        """All entries that a controller could have written, the default one if it may change, as ``current``."""
        if not self._const_default and self._profile is None:
            yield from self.current(p4r.TableEntry(is_default_action=True))
        for entry in self.table.entries():
            if not entry.const and not self._const:
                yield from self.current(self.identity(entry))

    def current(self, entry: p4r.TableEntry) -> list[p4r.TableEntry]:
        """The entry that an update names as it is now, direct resources included; empty if it is not there."""
        everything = p4r.TableEntry()
        if self.counter is not None:
            everything.counter_data.SetInParent()
        if self.meter is not None:
            everything.meter_config.SetInParent()
        if entry.is_default_action:
            found = self.table.default
        else:
            held = self._held(self.match.key(entry.match), entry.priority)
            if held is None:
                return []
            found = held
        message = self.message(found, everything)
        message.is_const = False
        return [message]

    def message(self, entry: Entry, wanted: p4r.TableEntry) -> p4r.TableEntry:
        """An entry as a read gives it; ``wanted`` says which direct resources and times are included."""
        message = self.identity(entry)
        self._write_action(entry, message)
        message.is_const = entry.const or (not entry.is_default and self._const)
        if entry.is_default:
            message.is_const = self._const_default
        if wanted.HasField("counter_data"):
            message.counter_data.packet_count, message.counter_data.byte_count = entry.packets, entry.bytes
        if wanted.HasField("meter_config") and entry.meter is not None and entry.meter.config is not None:
            message.meter_config.CopyFrom(meters.message(entry.meter.config))
        if wanted.HasField("time_since_last_hit"):
            message.time_since_last_hit.elapsed_ns = max(0, self._switch.clock() - entry.last_hit)
        return message

    def identity(self, entry: Entry) -> p4r.TableEntry:
        """What names an entry, with its timeout and the controller's own data."""
        message = p4r.TableEntry(
            table_id=self.id,
            priority=entry.priority,
            idle_timeout_ns=entry.idle_timeout_ns,
            metadata=entry.metadata,
            is_default_action=entry.is_default,
            controller_metadata=self._cookie(entry) if self._cookies else 0,
        )
        if not entry.is_default:
            self.match.write(entry.key, message.match)
        return message

    def _insert(self, entry: p4r.TableEntry) -> None:
        if self._const:
            raise denied(f"{self.what} is const: its entries come with the program")
        if not self.match.fields:
            raise invalid(f"{self.what} has no key: only its default entry can be written")
        key = self.match.key(entry.match)
        self._check_priority(entry.priority)
        self._check_direct(entry)
        self._check_times(entry)
        ref = self._ref(entry.action, default=False)
        config = self._meter_config(entry)
        now = self._switch.clock()
        made = self.table.insert(key, ref, entry.priority, now, entry.idle_timeout_ns)
        self._count_one_shots(None, ref)
        made.metadata = entry.metadata
        self._remember(made, entry.controller_metadata)
        self._apply_direct(made, entry, config)

    def _modify(self, entry: p4r.TableEntry) -> None:
        key = self.match.key(entry.match)
        self._check_priority(entry.priority)
        self._check_direct(entry)
        self._check_times(entry)
        found = self.table.get(key, entry.priority)
        config = self._meter_config(entry)
        if found.const or self._const:
            if entry.action.WhichOneof("type") is not None:
                raise denied(f"{self.what}: the entry is const; only its direct resources can be modified")
        else:
            ref = self._ref(entry.action, default=False) if entry.HasField("action") else found.ref
            old = found.ref
            self.table.modify(key, ref, entry.priority, self._switch.clock(), entry.idle_timeout_ns)
            self._count_one_shots(old, ref)
            found.metadata = entry.metadata
            self._remember(found, entry.controller_metadata)
        self._apply_direct(found, entry, config)

    def _delete(self, entry: p4r.TableEntry) -> None:
        if self._const:
            raise denied(f"{self.what} is const: its entries come with the program")
        key = self.match.key(entry.match)
        self._check_priority(entry.priority)
        found = self.table.get(key, entry.priority)
        if found.const:
            raise denied(f"{self.what}: the entry is const and cannot be deleted")
        self.table.delete(key, entry.priority)
        self._count_one_shots(found.ref, None)
        self._cookies.pop((key, entry.priority), None)

    def _write_default(self, kind: int, entry: p4r.TableEntry) -> None:
        self._check_default(entry)
        if kind != MODIFY:
            raise invalid(f"{self.what}: the default entry is always there; MODIFY it")
        self._check_direct(entry)
        config = self._meter_config(entry)
        if not entry.HasField("action"):
            if self._const_default:
                raise denied(f"{self.what}: its default action is const")
            reset = self.table.reset_default()
            reset.metadata, reset.meter = b"", None
            self._remember(reset, 0)
            return
        if self._const_default:
            raise denied(f"{self.what}: its default action is const")
        if self._profile is not None:
            raise invalid(
                f"{self.what}: the default entry of an indirect table cannot be changed, only reset"
            )
        found = self.table.set_default(self._ref(entry.action, default=True))
        found.metadata = entry.metadata
        self._remember(found, entry.controller_metadata)
        self._apply_direct(found, entry, config)

    def _count_one_shots(self, old: ActionRef | None, new: ActionRef | None) -> None:
        if self._profile is not None:
            self._profile.one_shots += isinstance(new, OneShot) - isinstance(old, OneShot)

    def _ref(self, action: p4r.TableAction, default: bool) -> ActionRef:
        """What an entry does, as the data plane has it."""
        kind = action.WhichOneof("type")
        if kind is None:
            raise invalid(f"{self.what}: the entry needs an action")
        if self._profile is not None and not default:
            return self._profile.reference(action, self.actions, self.what)
        if kind != "action":
            raise invalid(f"{self.what} is a direct table: it takes an action, not {kind}")
        codec = find(self.actions, action.action, self.what)
        scope = self._scopes[codec.id]
        if default and scope == p4i.ActionRef.Scope.TABLE_ONLY:
            raise denied(f"{self.what}: {codec.name} cannot be the default action")
        if not default and scope == p4i.ActionRef.Scope.DEFAULT_ONLY:
            raise denied(f"{self.what}: {codec.name} can only be the default action")
        return codec.call(action.action)

    def _write_action(self, entry: Entry, message: p4r.TableEntry) -> None:
        ref = entry.ref
        if not isinstance(ref, ActionCall):
            assert self._profile is not None
            message.action.CopyFrom(self._profile.action(ref, self._by_program))
        elif ref != NO_ACTION:
            message.action.action.CopyFrom(self._by_program[ref.action].message(ref.params))

    def _action_id(self, entry: Entry) -> int:
        """P4Info id of a direct entry's action; 0 if it has none."""
        ref = entry.ref
        return self._by_program[ref.action].id if isinstance(ref, ActionCall) and ref != NO_ACTION else 0

    def _candidates(self, key: MatchKey | None, priority: int) -> Iterator[Entry]:
        """Entries that fit the key and priority of a read, before anything else is looked at."""
        if key is not None and (priority or not self.match.needs_priority):
            held = self._held(key, priority)
            return iter(() if held is None else (held,))
        return (
            entry
            for entry in self.table.entries()
            if (key is None or entry.key == key) and (not priority or entry.priority == priority)
        )

    def _held(self, key: MatchKey, priority: int) -> Entry | None:
        try:
            return self.table.get(key, priority)
        except NotFound:
            return None

    def _cookie(self, entry: Entry) -> int:
        return self._cookies.get((entry.key, -1 if entry.is_default else entry.priority), 0)

    def _remember(self, entry: Entry, cookie: int) -> None:
        place = (entry.key, -1 if entry.is_default else entry.priority)
        if cookie:
            self._cookies[place] = cookie
        elif self._cookies:
            self._cookies.pop(place, None)

    def _check_default(self, entry: p4r.TableEntry) -> None:
        if entry.match or entry.priority:
            raise invalid(f"{self.what}: the default entry has neither match nor priority")
        if entry.idle_timeout_ns or entry.HasField("time_since_last_hit"):
            raise invalid(f"{self.what}: the default entry has no idle timeout")

    def _check_priority(self, priority: int) -> None:
        if self.match.needs_priority and priority <= 0:
            raise invalid(f"{self.what}: entries need a priority above 0, not {priority}")
        if not self.match.needs_priority and priority:
            raise invalid(f"{self.what}: entries have no priority; leave it 0 instead of {priority}")

    def _check_times(self, entry: p4r.TableEntry) -> None:
        if entry.HasField("time_since_last_hit"):
            raise invalid(f"{self.what}: time_since_last_hit is for reads only")
        if entry.idle_timeout_ns and not self.supports_idle:
            raise invalid(f"{self.what} does not support idle timeouts")

    def _check_direct(self, entry: p4r.TableEntry) -> None:
        if entry.HasField("counter_data") and self.counter is None:
            raise invalid(f"{self.what} has no direct counter: counter_data must be unset")
        if entry.HasField("meter_config") and self.meter is None:
            raise invalid(f"{self.what} has no direct meter: meter_config must be unset")
        if entry.HasField("meter_counter_data"):
            raise self._no_colors()

    def _check_read(self, wanted: p4r.TableEntry) -> None:
        self._check_direct(wanted)
        if wanted.HasField("time_since_last_hit") and not self.supports_idle:
            raise invalid(f"{self.what} does not support idle timeouts")

    def _meter_config(self, entry: p4r.TableEntry) -> meters.Config | None:
        if not entry.HasField("meter_config"):
            return None
        assert self.meter is not None
        return meters.config(entry.meter_config, self.meter.spec, self.what)

    def _apply_direct(self, made: Entry, entry: p4r.TableEntry, config: meters.Config | None) -> None:
        if self.meter is not None:
            self.table.set_meter(made, config, self._switch.clock())
        if entry.HasField("counter_data"):
            made.packets, made.bytes = entry.counter_data.packet_count, entry.counter_data.byte_count

    def _no_colors(self) -> P4Error:
        if self.meter is None:
            return invalid(f"{self.what} has no direct meter: meter_counter_data must be unset")
        return unimplemented(f"{self.what}: meters do not count colors here")
