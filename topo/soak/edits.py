"""What an operator does to the intent: each edit as a pure function on the document. Objects are named by what no edit
changes: a listener by ``ADDRESS/PORT``, a VIP by its address, a backend by ``POOL/NAME``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


class NotApplicableError(Exception):
    """The document does not hold what the edit is about, or holds it already as the edit wants it."""


@dataclass(frozen=True)
class Edit:
    """One change."""

    action: str
    """A key of ``ACTIONS``."""
    target: str
    value: str = ""


@dataclass(frozen=True)
class Intent:
    """The document, and what was taken out of it to be put back later."""

    document: Document
    parked: Mapping[str, Any] = field(default_factory=dict)
    """What was taken out, by the target of the edit that took it."""


def apply(intent: Intent, edit: Edit) -> Intent:
    """The intent after ``edit``; the argument stays as it is. Raises ``NotApplicableError``."""
    document, parked = copy.deepcopy(intent.document), dict(intent.parked)
    ACTIONS[edit.action](_Draft(document, parked), edit.target, edit.value)
    if document == intent.document:
        raise NotApplicableError(f"{edit.action} {edit.target} {edit.value} changes nothing")
    return Intent(document, parked)


def set_times(document: Document, times: Mapping[str, Any], probe: float) -> Document:
    """The document with these keys in every pool, and ``probe`` seconds between health probes and for one."""
    fresh = copy.deepcopy(document)
    for pool in fresh["pools"]:
        pool.update(copy.deepcopy(dict(times)))
        if "health" in pool:
            pool["health"]["interval"] = pool["health"]["timeout"] = probe
    return fresh


class _Draft:
    """A document that is being edited."""

    def __init__(self, document: Document, parked: dict[str, Any]) -> None:
        self.document = document
        self.parked = parked

    def pool(self, name: str) -> Document:
        return _named(self.document["pools"], "name", name)

    def backend(self, target: str) -> Document:
        pool, _, name = target.partition("/")
        return _named(self.pool(pool)["backends"], "name", name)

    def vip(self, address: str) -> Document:
        return _named(self.document["vips"], "address", address)

    def listener(self, target: str) -> Document:
        address, _, port = target.rpartition("/")
        return _named(self.vip(address)["listeners"], "port", int(port))

    def take_out(self, rows: list[Any], row: Any, target: str) -> None:
        self.parked[target] = row
        rows.remove(row)

    def put_back(self, rows: list[Any], target: str) -> None:
        if target not in self.parked:
            raise NotApplicableError(f"{target} was not taken out")
        rows.append(self.parked.pop(target))


def _named(rows: list[Any], key: str, value: Any) -> Document:
    for row in rows:
        if row[key] == value:
            found: Document = row
            return found
    raise NotApplicableError(f"nothing has {key}: {value}")


def _weight(draft: _Draft, target: str, value: str) -> None:
    draft.backend(target)["weight"] = int(value)


def _drain(draft: _Draft, target: str, value: str) -> None:
    backend = draft.backend(target)
    backend.pop("drain", None)
    if value == "on":
        backend["drain"] = True


def _remove(draft: _Draft, target: str, _value: str) -> None:
    rows = draft.pool(target.partition("/")[0])["backends"]
    draft.take_out(rows, draft.backend(target), target)


def _restore(draft: _Draft, target: str, _value: str) -> None:
    draft.put_back(draft.pool(target.partition("/")[0])["backends"], target)


def _repool(draft: _Draft, target: str, value: str) -> None:
    draft.pool(value)
    draft.listener(target)["pool"] = value


def _vip_off(draft: _Draft, target: str, _value: str) -> None:
    draft.take_out(draft.document["vips"], draft.vip(target), target)


def _vip_on(draft: _Draft, target: str, _value: str) -> None:
    draft.put_back(draft.document["vips"], target)


def _listener_off(draft: _Draft, target: str, _value: str) -> None:
    rows = draft.vip(target.rpartition("/")[0])["listeners"]
    draft.take_out(rows, draft.listener(target), target)


def _listener_on(draft: _Draft, target: str, _value: str) -> None:
    draft.put_back(draft.vip(target.rpartition("/")[0])["listeners"], target)


def _rename_vip(draft: _Draft, target: str, value: str) -> None:
    draft.vip(target)["name"] = value


def _rename_switch(draft: _Draft, target: str, value: str) -> None:
    _named(draft.document["switches"], "name", target)
    for part in ("switches", "pools"):
        draft.document[part] = _renamed(draft.document[part], target, value)


def _renamed(node: Any, old: str, new: str) -> Any:
    """With every value ``old`` replaced: names, what is behind ports, where backends hang, ways of routes."""
    if isinstance(node, dict):
        return {key: _renamed(value, old, new) for key, value in node.items()}
    if isinstance(node, list):
        return [_renamed(value, old, new) for value in node]
    return new if isinstance(node, str) and node == old else node


def _affinity(draft: _Draft, target: str, value: str) -> None:
    listener = draft.listener(target)
    listener.pop("affinity", None)
    if value != "connection":
        listener["affinity"] = value


def _pool_time(key: str) -> Callable[[_Draft, str, str], None]:
    def change(draft: _Draft, target: str, value: str) -> None:
        draft.pool(target)[key] = value

    return change


ACTIONS: Mapping[str, Callable[[_Draft, str, str], None]] = {
    "weight": _weight,
    "drain": _drain,
    "remove": _remove,
    "restore": _restore,
    "repool": _repool,
    "vip_off": _vip_off,
    "vip_on": _vip_on,
    "listener_off": _listener_off,
    "listener_on": _listener_on,
    "rename_vip": _rename_vip,
    "rename_switch": _rename_switch,
    "affinity": _affinity,
    "memory_timeout": _pool_time("memory_timeout"),
    "transition": _pool_time("transition"),
}
"""What an edit can do."""
