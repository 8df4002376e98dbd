"""Backends of a pool through time: what is believed of them, and since when they drain."""

from __future__ import annotations

from dataclasses import dataclass

from controller.spec.types import Backend

NEVER = float("-inf")
UNCONFIRMED = float("inf")
"""When a controller that has just started will know whether a backend is down, of which the store says so."""


@dataclass(frozen=True)
class Health:
    """The verdict on one backend of a pool."""

    up: bool
    since: float
    reason: str = ""
    confirmed: float = NEVER
    """When a probe of this controller failed too, if the store said that it is down; ``UNCONFIRMED``: none did yet."""


@dataclass(frozen=True)
class PoolMember:
    """A backend that is, or was, in the pool."""

    backend: Backend
    id: int
    draining_since: float | None = None
    removed: bool = False
    origin: str = ""
    """The pool whose rules and verdicts hold for it; empty: the state's own."""
