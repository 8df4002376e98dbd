"""Edits of a running service that would break established connections, whatever the planner does. Pure.

What is remembered of a connection is found by its key (affinity) and means a way to rewrite its packets (mode, server
port): another one makes strangers of all connections of the listener. Where one writer is to serve, connections of all
other servers are reset. Such an edit is refused with its price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from controller.plan.accept import renames
from controller.spec.types import Intent, Listener, Pool

_HOW = "add a listener on another port or VIP and move clients there, or set accept_loss: true on it to break them"


def breaking(old: Intent, new: Intent) -> list[str]:
    """Why ``new`` is refused in place of ``old``, one sentence a listener; empty: it is not."""
    out = []
    for was, item in _pairs(old, new):
        if not item.accept_loss:
            out += [*_changes(was, item), *_one_writer(old.pool(was.pool), new.pool(item.pool), item)]
    return out


def _pairs(old: Intent, new: Intent) -> Iterator[tuple[Listener, Listener]]:
    names = renames(old, new)
    before = {
        replace(item, vip=names.get(vip.name, vip.name)).name: item
        for vip in old.vips
        for item in vip.listeners
    }
    for item in new.listeners():
        if item.name in before:
            yield before[item.name], item


def _changes(was: Listener, item: Listener) -> Iterator[str]:
    for what, before, after in (
        ("affinity", was.affinity, item.affinity),
        ("mode", was.mode, item.mode),
        ("backend_port", was.backend_port, item.backend_port),
    ):
        if before != after:
            yield (
                f"listener {item.name}: {what} {before} to {after} would move or reset every established connection "
                f"of it: {_HOW}"
            )
            return


def _one_writer(was: Pool, pool: Pool, item: Listener) -> Iterator[str]:
    several = was.failover is None and len(was.backends) > 1
    if several and pool.failover is not None:
        yield (
            f'listener {item.name}: failover of pool "{pool.name}" would reset established connections of every server '
            f"but one: add a listener on another port or VIP, or set accept_loss: true on this one to break them"
        )
