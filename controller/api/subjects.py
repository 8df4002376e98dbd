"""What a request is about: resources as roles know them, and digests of what it changes. Pure.

To roles a backend has the labels of its pool, and its own before them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from controller.api import names
from controller.api.edits import find, name_of
from controller.api.errors import Refused
from controller.api.names import Kind, Name
from controller.api.resources import LABELLED, PLAIN, labels_of
from controller.api.v1 import service_pb2 as api
from controller.model.document import document
from controller.security.auditrecord import digest
from controller.security.roles import Resource
from controller.sites.groups import find as find_group
from controller.sites.groups import mac_groups
from controller.spec.types import Intent

NO_LABELS: Mapping[str, str] = MappingProxyType({})
_OF_BACKENDS = frozenset({"Drain", "Undrain", "SetWeights"})


def subjects(method: str, request: Any, intent: Intent, restricted: bool) -> list[Resource]:
    """The resources that a request names, as they are. Raises Refused.

    ``restricted``: with their labels, also where all of them are backends. What they become is judged once it is known
    (``permit``).
    """
    call = method.rpartition("/")[2]
    if call in _OF_BACKENDS:
        return (
            [found for name in backends(call, request) for found in as_in(name, intent)] if restricted else []
        )
    if call == "Apply":
        if request.WhichOneof("what") != "resource":
            return []
        name = name_of(request.resource)
        if restricted and find(intent, name) is None:  # it is new, and comes with its labels
            return [of(name, _new_labels(request.resource, name, intent))]
        return as_in(str(name), intent) if restricted else [of(name)]
    if call == "Delete":
        name = names.parsed(request.name, "name")
        return as_in(request.name, intent) if restricted else [of(name)]
    if call in ("MoveVip", "Drill"):
        return [found for vip in moved(request.vip, intent) for found in as_in(f"vips/{vip}", intent)]
    if call in ("Failback", "Rehash"):
        return as_in(f"pools/{request.pool}", intent)
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
        return find_group(mac_groups(intent), vip).vips
    except ValueError:
        return (vip,)


def of(name: Name, labels: Mapping[str, str] = NO_LABELS) -> Resource:
    """A resource as roles know it."""
    own = name.name if name.backend is None else f"{name.name}/{name.backend}"
    return Resource(name.kind.field, own, labels)


def as_in(text: str, *intents: Intent) -> list[Resource]:
    """A resource by its name as intents have it, one after the other; what is none is an admin's.

    What none of them has is there without labels.
    """
    try:
        name = names.parsed(text, "name")
    except Refused:
        return [Resource("document", text)]
    found = [
        of(name, labels) for labels in (_labels(intent, name) for intent in intents) if labels is not None
    ]
    return found or [of(name)]


def _new_labels(resource: api.Resource, name: Name, intent: Intent) -> dict[str, str]:
    """Of a resource that a request adds."""
    own = dict(getattr(resource, name.kind.field).labels) if name.kind in LABELLED else {}
    pool = None if name.backend is None else find(intent, Name(Kind.POOL, name.name))
    return {**dict(labels_of(pool)), **own}


def _labels(intent: Intent, name: Name) -> dict[str, str] | None:
    """None: it is not there."""
    part = find(intent, name)
    if part is None or name.backend is None:
        return None if part is None else dict(labels_of(part))
    pool = find(intent, Name(Kind.POOL, name.name))
    return dict((*labels_of(pool), *labels_of(part)))


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
