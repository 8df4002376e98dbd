"""The intent as resources, each with an id that stays and a revision. Owns ``resources``.

    sites/NAME  switches/NAME  pools/NAME  vips/NAME  zones/NAME

What is stored of a resource is written by the commit that changes it, so its revision is that of the value. A VIP keeps
its id under another name as long as it has its address, a switch as long as it has its datapath or device id.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from controller.core.cells import Cell, Readable
from controller.plan.accept import renames, switch_renames
from controller.spec.names import Zone
from controller.spec.types import Intent, Pool, Site, Switch, Vip

Part = Site | Switch | Pool | Vip | Zone


def parts(intent: Intent) -> Iterator[tuple[str, Part]]:
    """All resources of an intent by name, but for backends, which are parts of their pools."""
    for site in intent.sites:
        yield f"sites/{site.name}", site
    for switch in intent.switches:
        yield f"switches/{switch.name}", switch
    for pool in intent.pools:
        yield f"pools/{pool.name}", pool
    for vip in intent.vips:
        yield f"vips/{vip.name}", vip
    for zone in intent.zones:
        yield f"zones/{zone.name}", zone


def same(one: Part, other: Part) -> bool:
    """Whether two parts say the same. What a pool has of its backup is not said by the pool."""
    if one is other:
        return True
    if isinstance(one, Pool) and isinstance(other, Pool):
        return replace(one, backends=one.own) == replace(other, backends=other.own)
    return one == other


def new_id() -> str:
    """An id that no other resource has."""
    return uuid.uuid4().hex


class Resources:
    """Keeps them with the intent."""

    def __init__(
        self,
        cell: Cell[Mapping[str, bytes]],
        intent: Readable[Intent],
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._cell, self._intent, self._make_id = cell, intent, make_id
        self._then = intent.value
        self._ids = {name: _id_of(data) for name, data in cell.value.items()}
        self._take(self._then)
        intent.subscribe(self._changed)

    def id(self, name: str) -> str:
        """Of a resource of the present intent; that of a backend is its pool's, and its name."""
        pool, slash, backend = name.partition("/backends/")
        return f"{self._ids.get(pool, '')}{slash and '/'}{backend}"

    def _changed(self) -> None:
        self._take(self._intent.value)

    def _take(self, new: Intent) -> None:
        """Values for what is new or other than before."""
        old, self._then = self._then, new
        former = self._former(old, new)
        was, now, stored = dict(parts(old)), dict(parts(new)), self._cell.value
        ids = {name: self._ids.get(former.get(name, name)) or self._make_id() for name in now}
        made: dict[str, bytes] = {}
        for name, part in now.items():
            kept = name in stored and self._ids.get(name) == ids[name]
            unchanged = kept and name in was and same(was[name], part)
            made[name] = stored[name] if unchanged else _value(ids[name], stored.get(name))
        self._ids = ids
        self._cell.put(made)

    @staticmethod
    def _former(old: Intent, new: Intent) -> dict[str, str]:
        """New name -> old name, of what has another name now, or whose name is another's."""
        found = {f"vips/{now}": f"vips/{was}" for was, now in renames(old, new).items()}
        return found | {f"switches/{now}": f"switches/{was}" for was, now in switch_renames(old, new).items()}


def _value(identity: str, before: bytes | None) -> bytes:
    """Other octets than before, so that they are written."""
    count = 0 if before is None else int(json.loads(before)["changes"]) + 1
    return json.dumps({"id": identity, "changes": count}).encode()


def _id_of(data: bytes) -> str:
    return str(json.loads(data)["id"])
