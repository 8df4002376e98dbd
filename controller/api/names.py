"""Names of resources: ``pools/web``, ``pools/web/backends/s1``. Pure."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from controller.api.errors import invalid
from controller.api.v1 import service_pb2 as api

RIGHT = "write sites/NAME, switches/NAME, pools/NAME, pools/NAME/backends/NAME, vips/NAME or zones/NAME"
BACKEND = "write pools/NAME/backends/NAME"


class Kind(Enum):
    """What a resource is."""

    SITE = ("sites", "site", api.KIND_SITE)
    SWITCH = ("switches", "switch", api.KIND_SWITCH)
    POOL = ("pools", "pool", api.KIND_POOL)
    BACKEND = ("pools", "backend", api.KIND_BACKEND)
    VIP = ("vips", "vip", api.KIND_VIP)
    ZONE = ("zones", "zone", api.KIND_ZONE)

    __hash__ = object.__hash__
    """As fast as it can be: names are keys, ten thousand of them in a request. An enumeration's own is slow."""

    def __init__(self, key: str, field: str, number: int) -> None:
        self.key = key
        """Of the document; a backend is in a pool."""
        self.field = field
        """Of ``Resource.value``."""
        self.number = number
        """In messages."""


KINDS = {kind.field: kind for kind in Kind}
NUMBERS = {kind.number: kind for kind in Kind}
WHOLE = tuple(kind for kind in Kind if kind is not Kind.BACKEND)
"""All kinds that are no part of another one."""


class Name(NamedTuple):
    """The name of a resource."""

    kind: Kind
    name: str
    backend: str | None = None
    """In the pool ``name``."""

    def __str__(self) -> str:
        return f"{self.kind.key}/{self.name}" + ("" if self.backend is None else f"/backends/{self.backend}")


def parsed(text: str, field: str) -> Name:
    """A name. ``field``: where the request has it. Raises Refused."""
    steps = text.split("/")
    if all(steps):
        if len(steps) == 2:
            kind = next((each for each in WHOLE if each.key == steps[0]), None)
            if kind is not None:
                return Name(kind, steps[1])
        if len(steps) == 4 and (steps[0], steps[2]) == ("pools", "backends"):
            return Name(Kind.BACKEND, steps[1], steps[3])
    raise invalid(field, f'is "{text[:200]}", {RIGHT}')


def backend(text: str, field: Callable[[], str]) -> Name:
    """The name of a backend. ``field``: where the request has it. Raises Refused."""
    steps = text.split("/")
    if len(steps) == 4 and steps[0] == "pools" and steps[2] == "backends" and steps[1] and steps[3]:
        return Name(Kind.BACKEND, steps[1], steps[3])
    parsed(text, field())
    raise invalid(field(), f'is "{text[:200]}", {BACKEND}')
