"""Since when servers of a tier drain, and which of them have had their time. Pure.

Weight 0 keeps new clients away; clients whose cookie names the server still come back. After the pool's
``drain_timeout`` it takes nothing, so that they get another server. Sessions are never cut.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.exits.tier.parse import ServerHas
from controller.exits.tier.wanted import ServerRef
from controller.spec.tier import Tier


class Drains:
    """Of one HAProxy."""

    def __init__(self) -> None:
        self._since: dict[ServerRef, float] = {}
        self._retired: frozenset[ServerRef] = frozenset()

    def follow(self, tier: Tier, now: float) -> frozenset[ServerRef]:
        """Those that are retired now."""
        waits = {
            (pool.name, server.name): pool.drain_timeout
            for pool in tier.pools
            if pool.sticky is not None
            for server in pool.servers
            if server.drain
        }
        self._since = {ref: self._since.get(ref, now) for ref in waits}
        over = {ref for ref, timeout in waits.items() if now >= self._since[ref] + timeout}
        self._retired = frozenset(over | (self._retired & waits.keys()))
        return self._retired

    def found(self, tier: Tier, servers: Mapping[ServerRef, ServerHas]) -> None:
        """What the process had when it was seen first: a server in maintenance that drains had its time before."""
        self._retired |= {
            (pool.name, server.name)
            for pool in tier.pools
            if pool.sticky is not None
            for server in pool.servers
            if server.drain and (pool.name, server.name) in servers and servers[pool.name, server.name].maint
        }

    def deadline(self, tier: Tier) -> float | None:
        """When the next one has had its time."""
        timeouts = {pool.name: pool.drain_timeout for pool in tier.pools}
        ends = [
            since + timeouts[ref[0]]
            for ref, since in self._since.items()
            if ref not in self._retired and ref[0] in timeouts
        ]
        return min(ends, default=None)
