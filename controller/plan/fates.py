"""What a pool's policies make of connections whose backend drains or is down. Pure."""

from __future__ import annotations

from controller.spec.policy import OnDown, Then
from controller.spec.switch import Fate
from controller.spec.types import Pool, Protocol

GRAVITY = [Fate.NORMAL, Fate.DRAIN, Fate.MOVE, Fate.RESET]
"""The gravest last."""


def on_down(pool: Pool, protocol: Protocol) -> OnDown:
    """The pool's policy for a protocol."""
    return pool.on_down_tcp if protocol is Protocol.TCP else pool.on_down_udp


def after(then: Then) -> Fate:
    """What becomes of connections when a grace time is over."""
    return {Then.KEEP: Fate.DRAIN, Then.MOVE: Fate.MOVE, Then.RESET: Fate.RESET}[then]
