"""Edits of a running service that would break established connections, whatever the planner does. Pure.

What is remembered of a connection is found by its key (affinity) and means a way to rewrite its packets (mode, server
port): another one makes strangers of all connections of the listener. A server that is another machine from now on
knows none of those that the former one had. Where one writer is to serve, connections of all other servers are reset.
Such an edit is refused with its price; in two steps, too: what was taken out and drains counts as if it were there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from controller.plan.accept import renames
from controller.plan.pool import PoolMember
from controller.plan.tables import Tables, served
from controller.spec.switch import Fate
from controller.spec.types import Backend, Intent, Listener, Mode, Pool

_HOW = "add a listener on another port or VIP and move clients there, or set accept_loss: true on it to break them"


def breaking(old: Intent, new: Intent, tables: Tables) -> list[str]:
    """Why ``new`` is refused in place of ``old``, one sentence a listener; empty: it is not.

    ``tables``: of ``old``, with what was taken out of it and drains.
    """
    former = _with_former(served(old, tables), tables)
    out = []
    for was, item in _pairs(former, new):
        if not item.accept_loss:
            out += [
                *_changes(was, item),
                *_one_writer(former.pool(was.pool), new.pool(item.pool), item),
                *_other_machines(tables, was, item, new),
            ]
    return out


def _with_former(intent: Intent, tables: Tables) -> Intent:
    """Pools that are needed only for what drains have the backends that they had."""
    pools = (pool if pool.backends else tables.former.get(pool.name, pool) for pool in intent.pools)
    return replace(intent, pools=tuple(pools))


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


def _other_machines(tables: Tables, was: Listener, item: Listener, new: Intent) -> Iterator[str]:
    state = tables.pools.get(tables.bound.get(was.name, ""))
    if state is None:
        return
    version = next(vip.address.version for vip in new.vips if vip.name == item.vip)
    pool = {real.name: real for real in new.pool(item.pool).backends}
    for member in state.members:
        real = pool.get(member.backend.name)
        if real is None or state.fates.get(member.id) not in (Fate.NORMAL, Fate.DRAIN):
            continue  # it has nothing, or has given it away
        moved = _moved(member, real, version, item.mode)
        if moved is not None:
            yield (
                f"listener {item.name}: backend {real.name} of pool {item.pool} from {moved[0]} to {moved[1]} would "
                f"reset every established connection of it: give the new server another name, so that the old one "
                f"drains, or set accept_loss: true on the listener to break them"
            )


def _moved(member: PoolMember, real: Backend, version: int, mode: Mode) -> tuple[str, str] | None:
    """From which address to which a backend moves, as far as its connections depend on that."""
    before, after = member.backend.address(version), real.address(version)
    by_mac = mode is Mode.DR and real.mac is not None and real.mac == member.backend.mac
    if by_mac or before is None or after is None or before == after:
        return None
    return str(before), str(after)
