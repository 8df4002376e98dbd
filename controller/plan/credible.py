"""Which connections a switch may speak of: what it says of others is a defect, or a lie, and becomes no pin. Pure.

A pin is written to every lb switch: one that no switch can hold would be refused by all of them, again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from controller.plan.duty import PlanInput, kept_backends, listener_number
from controller.plan.pins import PinKey

_PORTS = 1 << 16


class Credible(NamedTuple):
    """What can be said of a listener."""

    version: int
    """Of IP: its clients have addresses of that."""
    backends: frozenset[int]
    """Those that keep its connections."""


def credible(world: PlanInput) -> dict[int, Credible]:
    """By the number of each listener."""
    kept = kept_backends(world)
    found = {}
    for vip in world.intent.vips:
        for item in vip.listeners:
            number = listener_number(world, item)
            found[number] = Credible(vip.address.version, kept[number])
    return found


def may_be(known: Mapping[int, Credible], key: PinKey, backend: int) -> bool:
    """Whether such a connection may be there."""
    listener = known.get(key.listener)
    if listener is None or key.source.version != listener.version:
        return False
    return 0 <= key.port < _PORTS and backend in listener.backends
