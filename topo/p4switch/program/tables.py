"""Reads pipelines: tables with their keys, defaults and entries, conditionals, action profiles."""

from __future__ import annotations

from topo.p4switch.program import expr as ex
from topo.p4switch.program.exprs import Expressions
from topo.p4switch.program.model import (
    ActionCall,
    ActionDef,
    Conditional,
    ConstEntry,
    DirectAction,
    KeyField,
    Pipeline,
    ProfileDef,
    SelectorDef,
    TableDef,
)
from topo.p4switch.program.reader import Node
from topo.p4switch.program.types import Types

MAX_PRIORITY = 0x7FFFFFFF
"""bmv2's smallest priority number wins, P4Runtime's largest: the one is this constant minus the other."""

_KINDS = ("exact", "lpm", "ternary", "range", "optional", "valid")


class PipelineReader:
    """Reads the pipelines of one program."""

    def __init__(self, types: Types, exprs: Expressions, actions: dict[int, ActionDef]) -> None:
        """Fields resolve in `types`, action ids in `actions`."""
        self._types = types
        self._exprs = exprs
        self._actions = actions

    def pipeline(self, node: Node) -> Pipeline:
        """One control flow graph."""
        conditionals = {}
        for item in node.each("conditionals"):
            name = item.text("name")
            conditionals[name] = Conditional(
                name=name,
                condition=self._exprs.read(item.at("expression")),
                on_true=item.get("true_next"),
                on_false=item.get("false_next"),
                source=str((item.get("source_info") or {}).get("source_fragment", "")),
            )
        calls = {}
        for item in node.each("action_calls"):
            name = item.text("name")
            calls[name] = DirectAction(name, item.number("action_id"), item.get("next_node"))
        profiles = self.profiles(node)
        tables = {item.text("name"): self._table(item, profiles) for item in node.each("tables")}
        return Pipeline(node.text("name"), node.get("init_table"), tables, conditionals, calls)

    def profiles(self, node: Node) -> dict[str, ProfileDef]:
        """The action profiles of a pipeline."""
        out = {}
        for item in node.each("action_profiles"):
            selector = self._selector(item) if item.has("selector") else None
            name = item.text("name")
            out[name] = ProfileDef(item.number("id"), name, int(item.get("max_size") or 0), selector)
        for item in node.each("tables"):
            name = item.get("act_prof_name")
            if name is not None and name not in out:
                out[name] = self._own_profile(item, name)
        return out

    def _own_profile(self, table: Node, name: str) -> ProfileDef:
        """In older programs an indirect table brings its action profile, and its selector, along."""
        selector = self._selector(table) if table.has("selector") else None
        return ProfileDef(table.number("id"), name, 0, selector)

    def _selector(self, node: Node) -> SelectorDef:
        chosen = node.at("selector")
        return SelectorDef(chosen.text("algo"), tuple(self._exprs.read(i) for i in chosen.each("input")))

    def _table(self, node: Node, profiles: dict[str, ProfileDef]) -> TableDef:
        keys = tuple(self._key(item) for item in node.each("key"))
        actions = tuple(item.number() for item in node.each("action_ids"))
        for action in actions:
            if action not in self._actions:
                raise node.fail(f"no action with id {action}")
        entries = tuple(self._entry(item, keys) for item in node.each("entries"))
        default, action_const, entry_const = self._default(node)
        profile = node.get("action_profile") or node.get("act_prof_name")
        if profile is not None and profile not in profiles:
            raise node.fail(f"no action profile {profile}")
        following = node.get("next_tables") or {}
        base = node.get("base_default_next")
        by_hit = "__HIT__" in following
        names = {a: self._actions[a].name for a in actions}
        return TableDef(
            id=node.number("id"),
            name=node.text("name"),
            match_kind=node.text("match_type"),
            keys=keys,
            actions=actions,
            max_size=max(int(node.get("max_size") or 0), len(entries)),
            with_counters=bool(node.get("with_counters")),
            support_timeout=bool(node.get("support_timeout")),
            direct_meter=node.get("direct_meters"),
            profile=profile,
            default=default,
            default_action_const=action_const,
            default_entry_const=entry_const,
            immutable=node.has("entries"),
            entries=entries,
            next_by_action={a: following.get(name, base) for a, name in names.items()},
            by_hit=by_hit,
            next_hit=following.get("__HIT__"),
            next_miss=following.get("__MISS__", base),
        )

    def _default(self, node: Node) -> tuple[ActionCall | None, bool, bool]:
        if not node.has("default_entry"):
            return None, False, False
        entry = node.at("default_entry")
        call = ActionCall(
            entry.number("action_id"), tuple(d.hexadecimal() for d in entry.each("action_data"))
        )
        if call.action not in self._actions:
            raise entry.fail(f"no action with id {call.action}")
        return call, bool(entry.get("action_const")), bool(entry.get("action_entry_const"))

    def _key(self, node: Node) -> KeyField:
        kind = node.text("match_type")
        if kind not in _KINDS:
            raise node.fail(f"match kind {kind!r} is not supported: use one of {', '.join(_KINDS[:-1])}")
        target = node.at("target")
        if kind == "valid":
            field = ex.FieldRef(target.text(), "$valid$")
            return KeyField(str(node.get("name") or target.text()), "exact", 1, field)
        field = ex.FieldRef(target.item(0).text(), target.item(1).text())
        width = self._types.field(field.header, field.field).width
        mask = node.hexadecimal("mask") if node.has("mask") else None
        name = node.get("name") or f"{field.header}.{field.field}"
        return KeyField(str(name), kind, width, field, mask)

    def _entry(self, node: Node, keys: tuple[KeyField, ...]) -> ConstEntry:
        parts = tuple(_match(part, key) for part, key in zip(node.each("match_key"), keys, strict=True))
        action = node.at("action_entry")
        call = ActionCall(
            action.number("action_id"), tuple(d.hexadecimal() for d in action.each("action_data"))
        )
        priority = MAX_PRIORITY - int(node.get("priority") or 0)
        return ConstEntry(parts, priority, call)


def _match(node: Node, key: KeyField) -> int | tuple[int, int] | None:
    """A declared entry's key part in canonical form."""
    if key.kind == "exact":
        raw = node.get("key")
        value = int(raw) if isinstance(raw, bool) else node.hexadecimal("key")
        return value & ((1 << key.width) - 1)
    if key.kind == "lpm":
        length = node.number("prefix_length")
        return node.hexadecimal("key") >> (key.width - length) << (key.width - length), length
    if key.kind == "range":
        return node.hexadecimal("start"), node.hexadecimal("end")
    mask = node.hexadecimal("mask") & ((1 << key.width) - 1)
    if key.kind == "optional":
        return node.hexadecimal("key") if mask else None
    return node.hexadecimal("key") & mask, mask
