"""Moves one living connection by hand: which one, where to, and the flow that does it. Pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from topo.demo.intentfile import Server
from topo.demo.ledger import Endpoint
from topo.demo.records import Connection

COOKIE = 0x5AB0
"""Not one of the controller's, so its audit leaves the flow alone, like all that others wrote."""


class NoVictimError(Exception):
    """No connection is fit to be moved."""


def choose(
    connections: Sequence[Connection],
    endpoints: Sequence[Endpoint],
    servers: Mapping[str, Server],
    unfit: Collection[str],
    seed: int,
) -> tuple[Connection, Server]:
    """An active dr connection and another server to send it to.

    ``unfit`` are servers that will die or do not serve. Raises ``NoVictimError``.
    """
    direct = {one.listener for one in endpoints if one.mode == "dr"}
    fit = [
        one
        for one in connections
        if one.alive
        and one.kind == "active"
        and one.listener in direct
        and one.local
        and one.server in servers
        and one.server not in unfit
    ]
    others = [one for one in servers.values() if one.name not in unfit and one.mac and one.at]
    rng = random.Random(f"sabotage/{seed}")
    if fit:
        victim = rng.choice(sorted(fit, key=lambda one: one.id))
        others = [one for one in others if one.name != victim.server]
        if others:
            return victim, rng.choice(sorted(others, key=lambda one: one.name))
    raise NoVictimError(
        f"no active connection in mode dr could be moved: {len(fit)} fit, {len(others)} others"
    )


def flow(victim: Connection, endpoint: Endpoint, to: Server, port: int) -> str:
    """The flow, as ovs-ofctl reads it, that sends the victim's packets out of ``port`` to another server."""
    assert victim.local is not None
    address, source_port = victim.local
    match = f"tcp,nw_src={address},nw_dst={endpoint.address},tp_src={source_port},tp_dst={endpoint.port}"
    return f"table=0,priority=65535,cookie={COOKIE:#x},{match},actions=mod_dl_dst:{to.mac},output:{port}"
