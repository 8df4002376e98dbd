"""How eagerly VIPs move between sites by themselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Moves:
    """For all VIPs that several sites may own, where controllers share a store."""

    preempt: bool = True
    """A site that comes before the owner in the list takes a VIP back when it is fit."""
    hold: float = 60.0
    """How long it must have been fit without a break."""
    unsynced_wait: float = 300.0
    """How long a move of a VIP that is served well waits for `unsynced` of the new site to be 0. It goes on after that,
    and says how many connections are not safe."""


USUAL = Moves()
"""Unless the intent says otherwise."""
