"""A good intent on one screen: what is there, who serves it, and what an operator may not have meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from controller.model.shares import group_weight, without_slots
from controller.model.units import format_duration
from controller.spec.health import HealthCheck
from controller.spec.types import Backend, Intent, Listener, Pool, Role, Switch, Vip

ROWS = 12
"""Longest table; what is beyond is counted."""


def summarise(intent: Intent, more: Sequence[str] = ()) -> str:
    """A few tables of plain text, at most 100 columns for names of usual length; no trailing newline.

    ``more``: further notes.
    """
    blocks = [
        _table(
            ("SITE", "SUBNETS", "SWITCHES", "OWNS FIRST"), [_site_row(intent, s.name) for s in intent.sites]
        ),
        _table(
            ("POOL", "BACKENDS", "WEIGHT", "SLOTS", "HEALTH", "WHEN DOWN (TCP)", "DRAIN"),
            [_pool_row(pool) for pool in intent.pools],
        ),
        _table(
            ("VIP", "ADDRESS", "LISTENERS", "MODE", "POOL", "OWNERS"),
            [row for vip in intent.vips for row in _vip_rows(vip)],
        ),
        _notes([*notes(intent), *more]),
    ]
    return "\n\n".join(block for block in blocks if block)


def notes(intent: Intent) -> list[str]:
    """What is allowed but may not be meant, one sentence each."""
    used = {listener.pool for listener in intent.listeners()}
    found = [note for pool in intent.pools for note in _pool_notes(pool, pool.name in used)]
    if intent.allow_empty:
        found.append(
            "allow_empty lets the file take away all VIPs or pools at once: remove it when that is done"
        )
    found += [f'vip "{vip.name}" has no listeners' for vip in intent.vips if not vip.listeners]
    return found


def _pool_notes(pool: Pool, used: bool) -> Iterator[str]:
    name = f'pool "{pool.name}"'
    serving = _serving(pool)
    if not pool.backends:
        yield f"{name} has no backends: new connections to it are refused"
    elif not serving:
        yield f"{name} gives nothing to any backend: all weights are 0 or drained"
    for backend in without_slots(pool):
        share = f"{_plural(pool.slots, 'slot')} by weight {backend.weight} of {group_weight(pool, backend)}"
        yield f'{name} gives backend "{backend.name}" none of its {share}: raise its weight'
    if not used:
        yield f"{name} is used by no listener"
    elif pool.health is None:
        yield f"{name} has no health check: its backends always count as alive"
    if pool.failover is not None and len(serving) == 1:
        yield f'{name} has no other backend to take over from its one writer "{serving[0].name}"'
    if pool.backends and len(pool.backends) == pool.max_backends:
        yield f"{name} is full: max_backends is {pool.max_backends}"
    draining = [backend.name for backend in pool.backends if backend.drain]
    if draining:
        yield f"{name} drains {_some(draining)}"


def _serving(pool: Pool) -> list[Backend]:
    return [backend for backend in pool.backends if backend.weight and not backend.drain]


def _site_row(intent: Intent, name: str) -> tuple[str, ...]:
    switches = [switch for switch in intent.switches if switch.site == name]
    roles = [f"{_count_role(switches, role)} {role}" for role in Role if _count_role(switches, role)]
    kinds = sorted({switch.kind for switch in switches})
    what = f"{len(switches)} {'+'.join(kinds)} ({', '.join(roles)})" if switches else "none"
    subnets = ", ".join(subnet.name for subnet in intent.site(name).subnets) or "none"
    owned = sum(vip.owners[0] == name for vip in intent.vips)
    return (name, subnets, what, f"{owned} of {_plural(len(intent.vips), 'VIP')}")


def _count_role(switches: Iterable[Switch], role: Role) -> int:
    return sum(role in switch.roles for switch in switches)


def _pool_row(pool: Pool) -> tuple[str, ...]:
    weight = sum(backend.weight for backend in _serving(pool))
    return (
        pool.name,
        f"{len(pool.backends)} of {pool.max_backends}",
        str(weight),
        f"{pool.slots:,}",
        _health(pool.health),
        _down(pool),
        f"{format_duration(pool.drain_timeout)}, {pool.drain_then}",
    )


def _health(health: HealthCheck | None) -> str:
    if health is None:
        return "none"
    port = f":{health.port}" if health.port else ""
    return f"{health.kind}{port} every {format_duration(health.interval)}, down after {health.fall}"


def _down(pool: Pool) -> str:
    if pool.failover is not None:
        return f"one writer, {pool.failover.failback} return"
    policy = pool.on_down_tcp
    return f"{format_duration(policy.keep_for)}, {policy.then}"


def _vip_rows(vip: Vip) -> list[tuple[str, ...]]:
    """One row per mode and pool of a VIP."""
    head = (vip.name, str(vip.address))
    owners = " > ".join(vip.owners)
    by_way: dict[tuple[str, str], list[str]] = {}
    for listener in vip.listeners:
        by_way.setdefault((listener.mode, listener.pool), []).append(_ports(listener))
    rows = [(_some(ports), *way, owners) for way, ports in by_way.items()] or [("none", "", "", owners)]
    return [(*(head if index == 0 else ("", "")), *row) for index, row in enumerate(rows)]


def _ports(listener: Listener) -> str:
    to = f" to {listener.backend_port}" if listener.backend_port != listener.port else ""
    return f"{listener.protocol}/{listener.port}{to}"


def _notes(found: list[str]) -> str:
    return "\n".join(f"note: {note}" for note in _shortened(found, "notes"))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Left-aligned columns; empty without rows."""
    if not rows:
        return ""
    shown = [head, *rows[:ROWS]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
    if len(rows) > ROWS:
        lines.append(f"... and {len(rows) - ROWS} more")
    return "\n".join(lines)


def _shortened(lines: list[str], what: str) -> list[str]:
    return lines if len(lines) <= ROWS else [*lines[:ROWS], f"... and {len(lines) - ROWS} more {what}"]


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
