"""From one intent to the next, as calls ask for it. Pure: what cannot be is ``Refused``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import grpc

from controller.api import names
from controller.api.errors import Reason, Refused, invalid, missing, precondition
from controller.api.messages import plain
from controller.api.names import KINDS, Name
from controller.api.v1 import service_pb2 as api
from controller.core.resources import Part, same
from controller.model.document import Plain, document
from controller.model.plain import DocumentErrors, load_plain
from controller.model.sharing import sharing
from controller.spec.types import Intent, Pool

Edit = Callable[[Intent], Intent]
MAX_WEIGHT = 65535
MOST_CHANGES = 100
"""Changes that an answer lists."""


def whole(message: Any) -> Edit:
    """The whole document."""
    return lambda intent: _loaded(plain(message), intent)


def put(resource: api.Resource) -> tuple[Name, Edit]:
    """One resource, and its name. Raises Refused."""
    name = name_of(resource)

    def edit(intent: Intent) -> Intent:
        whole = document(intent)
        _place(whole, name, plain(getattr(resource, name.kind.field)))
        return _loaded(whole, intent)

    return name, edit


def name_of(resource: api.Resource) -> Name:
    """What a resource is called. Raises Refused."""
    kind, given = resource.WhichOneof("value"), resource.name
    if kind is None:
        raise invalid("resource", "has none of site, switch, pool, backend, vip and zone; set one of them")
    own: str = getattr(resource, kind).name
    if not own:
        raise invalid(f"resource.{kind}.name", "is empty; write a name")
    if not given:
        if kind == "backend":
            raise invalid(
                "resource.name", "is empty; write pools/POOL/backends/BACKEND: a backend is in a pool"
            )
        return Name(KINDS[kind], own)
    name = names.parsed(given, "resource.name")
    if name.kind is not KINDS[kind] or (name.backend or name.name) != own:
        raise invalid(
            "resource.name", f'is "{given}", but the resource is the {kind} "{own}"; write one name in both'
        )
    return name


def _place(whole: Plain, name: Name, said: Plain) -> None:
    """Put a resource in the place of the one of its name, or after all others."""
    rows: list[Plain] = whole.setdefault(name.kind.key, [])
    if name.backend is not None:
        pool = next((each for each in rows if each["name"] == name.name), None)
        if pool is None:
            raise missing(f"pools/{name.name}")
        rows = pool["backends"]
    at = next((i for i, each in enumerate(rows) if each["name"] == said["name"]), None)
    if at is None:
        rows.append(said)
    else:
        rows[at] = said


def removed(name: Name) -> Edit:
    """Without one resource."""

    def edit(intent: Intent) -> Intent:
        if find(intent, name) is None:
            raise missing(str(name))
        whole = document(intent)
        rows: list[Plain] = whole[name.kind.key]
        if name.backend is None:
            rows[:] = [each for each in rows if each["name"] != name.name]
        else:
            pool = next(each for each in rows if each["name"] == name.name)
            pool["backends"] = [each for each in pool["backends"] if each["name"] != name.backend]
        try:
            return _loaded(whole, intent)
        except Refused as error:  # the request is right: it is others that need what would go
            raise precondition(Reason.INTENT_REFUSED, str(name), (why for _, why in error.fields)) from None

    return edit


@dataclass(frozen=True)
class Values:
    """An edit that gives backends other values. Nothing else of an intent depends on these, so nothing is checked."""

    by_backend: Mapping[Name, Mapping[str, Any]]


def drained(backends: Iterable[Name], drain: bool) -> Values:
    """With backends that drain, or do not."""
    return Values({name: {"drain": drain} for name in backends})


def weighted(weights: Mapping[Name, int]) -> Values:
    """With other weights. Raises Refused for one that cannot be."""
    for index, weight in enumerate(weights.values()):
        if not 0 <= weight <= MAX_WEIGHT:
            raise invalid(
                f"weights[{index}].weight", f"is {weight}, write a whole number from 0 to {MAX_WEIGHT}"
            )
    return Values({name: {"weight": weight} for name, weight in weights.items()})


def _loaded(said: Plain, before: Intent) -> Intent:
    try:
        return sharing(load_plain(said), before)
    except DocumentErrors as errors:
        rows = tuple((each.path, f"{each.message}, {each.hint}") for each in errors.violations)
        code = grpc.StatusCode.INVALID_ARGUMENT
        raise Refused(code, Reason.INVALID_DOCUMENT, str(errors), fields=rows) from None


def find(intent: Intent, name: Name) -> Any | None:
    """The part of an intent of that name."""
    part = next((each for each in getattr(intent, name.kind.key) if each.name == name.name), None)
    if part is None or name.backend is None:
        return part
    return next((real for real in part.own if real.name == name.backend), None)


class Changes(NamedTuple):
    """What differs between two intents."""

    listed: tuple[tuple[str, int], ...]
    """(name, action), the first hundred."""
    total: int


NONE = Changes((), 0)


def changes(before: Intent, after: Intent) -> Changes:
    """By name; of pools that are in both also their backends."""
    found = changed(before, after)
    return Changes(tuple(found[:MOST_CHANGES]), len(found)) if found else NONE


def changed(before: Intent, after: Intent) -> list[tuple[str, int]]:
    """(name, action) of all that differs; ``document``: what is no resource."""
    if before is after:
        return []
    found: list[tuple[str, int]] = []
    for key in ("sites", "switches", "pools", "vips", "zones"):
        was, now = getattr(before, key), getattr(after, key)
        if was is not now:
            found += _of_parts(key, {each.name: each for each in was}, {each.name: each for each in now})
    if _rest(before) != _rest(after):
        found.append(("document", api.Change.ACTION_MODIFIED))
    return found


def _rest(of: Intent) -> Intent:
    return replace(of, sites=(), switches=(), pools=(), vips=(), zones=())


def _of_parts(key: str, was: Mapping[str, Part], now: Mapping[str, Part]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for name, part in now.items():
        old = was.get(name)
        if old is part:
            continue
        if old is None:
            found.append((f"{key}/{name}", api.Change.ACTION_ADDED))
        elif not same(old, part):
            found.append((f"{key}/{name}", api.Change.ACTION_MODIFIED))
            if isinstance(part, Pool) and isinstance(old, Pool):
                found += _of_backends(old, part)
    return found + [(f"{key}/{name}", api.Change.ACTION_DELETED) for name in was if name not in now]


def _of_backends(old: Pool, new: Pool) -> list[tuple[str, int]]:
    was, now = {each.name: each for each in old.own}, {each.name: each for each in new.own}
    found = []
    for name, real in now.items():
        if name not in was:
            found.append((name, api.Change.ACTION_ADDED))
        elif was[name] != real:
            found.append((name, api.Change.ACTION_MODIFIED))
    found += [(name, api.Change.ACTION_DELETED) for name in was if name not in now]
    return [(f"pools/{new.name}/backends/{name}", action) for name, action in found]
