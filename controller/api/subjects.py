"""What a request is about: resources as roles know them, and digests of what it changes. Pure.

Nothing in an intent has labels yet, so a scope of the roles file that asks for labels covers nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from controller.api import names
from controller.api.edits import name_of
from controller.api.errors import Refused
from controller.api.names import Kind, Name
from controller.api.resources import PLAIN
from controller.model.document import document
from controller.security.auditrecord import digest
from controller.security.roles import Resource
from controller.sites.groups import find, mac_groups
from controller.spec.types import Intent

_OF_BACKENDS = frozenset({"Drain", "Undrain", "SetWeights"})


def subjects(method: str, request: Any, intent: Intent, restricted: bool) -> list[Resource]:
    """The resources that a request names. ``restricted``: also where all of them are backends. Raises Refused."""
    call = method.rpartition("/")[2]
    if call in _OF_BACKENDS:
        return [resource(name) for name in backends(call, request)] if restricted else []
    if call == "Apply":
        return [] if request.WhichOneof("what") != "resource" else [of(name_of(request.resource))]
    if call == "Delete":
        return [of(names.parsed(request.name, "name"))]
    if call in ("MoveVip", "Drill"):
        return [Resource("vip", vip) for vip in moved(request.vip, intent)]
    if call in ("Failback", "Rehash"):
        return [Resource("pool", request.pool)]
    return []


def named(method: str, request: Any) -> tuple[str, ...]:
    """Names of the resources that a request is about, as it writes them; of a whole document, none."""
    call = method.rpartition("/")[2]
    if call in _OF_BACKENDS:
        return tuple(backends(call, request))
    if call == "Apply":
        kind = request.resource.WhichOneof("value") if request.WhichOneof("what") == "resource" else None
        if kind is None:
            return ()
        own: str = getattr(request.resource, kind).name
        return (request.resource.name or f"{names.KINDS[kind].key}/{own}",)
    if call == "Delete":
        return (request.name,)
    fields = (("vip", "vips"), ("pool", "pools"), ("site", "sites"))
    found = ((key, getattr(request, field, "")) for field, key in fields)
    return tuple(f"{key}/{name}" for key, name in found if name)


def backends(call: str, request: Any) -> list[str]:
    """Names of backends as a request writes them."""
    return [row.backend for row in request.weights] if call == "SetWeights" else list(request.backends)


def moved(vip: str, intent: Intent) -> tuple[str, ...]:
    """All VIPs that move with one; that one alone if it is not known."""
    try:
        return find(mac_groups(intent), vip).vips
    except ValueError:
        return (vip,)


def of(name: Name) -> Resource:
    """A resource as roles know it."""
    return Resource(name.kind.field, name.name if name.backend is None else f"{name.name}/{name.backend}")


def resource(text: str) -> Resource:
    """The same by the name of a resource; what is none is an admin's."""
    try:
        return of(names.parsed(text, "name"))
    except Refused:
        return Resource("document", text)


def digests(intent: Intent, about: Iterable[Name]) -> str:
    """Of some resources as an intent has them, or of the whole intent (no names); empty: none of them is there."""
    wanted = list(about)
    if not wanted:
        return _digest_of_all(intent) if intent.switches or intent.pools else ""
    parts: dict[Name, Any] = {}
    for kind in {name.kind for name in wanted} - {Kind.BACKEND}:
        parts |= {Name(kind, part.name): part for part in getattr(intent, kind.key)}
    pools = {name.name for name in wanted if name.backend is not None}
    for pool in intent.pools:
        if pool.name in pools:
            parts |= {Name(Kind.BACKEND, pool.name, real.name): real for real in pool.own}
    return digests_of({name: parts[name] for name in wanted if name in parts})


def digests_of(parts: Mapping[Name, Any]) -> str:
    """Of resources; empty: there are none."""
    return (
        digest(_octets({str(name): PLAIN[name.kind](part) for name, part in parts.items()})) if parts else ""
    )


def _digest_of_all(intent: Intent) -> str:
    """Part by part: all of it in one text would be made in one call, in which no other thread runs."""
    rows = (
        _octets([key, each])
        for key, value in sorted(document(intent).items())
        for each in (value if isinstance(value, list) else [value])
    )
    return digest(b"\n".join(rows))


def _octets(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
