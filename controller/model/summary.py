"""A good intent on one screen: what is there, who serves it, and what an operator may not have meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from controller.model.backups import chain
from controller.model.shares import group_weight, part_shares, without_slots
from controller.model.units import format_duration
from controller.spec.health import HealthCheck
from controller.spec.names import Service, Zone
from controller.spec.policy import Zones
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
            ("POOL", "GROUP", "BACKENDS", "WEIGHT", "NEW CONNECTIONS"),
            [row for pool in intent.pools for row in _group_rows(pool)],
        ),
        _table(
            ("VIP", "ADDRESS", "LISTENERS", "MODE", "POOL", "OWNERS"),
            [row for vip in intent.vips for row in _vip_rows(vip)],
        ),
        _table(
            ("NAME", "CANDIDATES", "POLICIES", "ANSWERS", "TTL"),
            [_name_row(zone, each) for zone in intent.zones for each in zone.services],
        ),
        _notes([*notes(intent), *more]),
    ]
    return "\n\n".join(block for block in blocks if block)


def notes(intent: Intent) -> list[str]:
    """What is allowed but may not be meant, one sentence each."""
    backups = {pool.name: pool.backup for pool in intent.pools}
    used = {listener.pool for listener in intent.listeners()}
    backing = {name for pool in used for name in chain(pool, backups)} - used
    found = [
        note for pool in intent.pools for note in _pool_notes(pool, pool.name in used, pool.name in backing)
    ]
    if intent.allow_empty:
        found.append(
            "allow_empty lets the file take away all VIPs or pools at once: remove it when that is done"
        )
    found += [f'vip "{vip.name}" has no listeners' for vip in intent.vips if not vip.listeners]
    return found


def _pool_notes(pool: Pool, used: bool, backing: bool) -> Iterator[str]:
    """``backing``: no listener uses it, but a pool that is used has it as its backup."""
    name = f'pool "{pool.name}"'
    serving = _serving(pool)
    if not pool.backends:
        yield f"{name} has no backends: new connections to it are refused"
    elif not serving:
        yield f"{name} gives nothing to any backend: all weights are 0 or drained"
    for backend in without_slots(pool):
        share = f"{_plural(pool.slots, 'slot')} by weight {backend.weight} of {group_weight(pool, backend)}"
        yield f'{name} gives backend "{backend.name}" none of its {share}: raise its weight'
    if not used and not backing:
        yield f"{name} is used by no listener"
    elif used and pool.health is None:
        yield f"{name} has no health check: its backends always count as alive"
    if pool.failover is not None and len(serving) == 1:
        yield f'{name} has no other backend to take over from its one writer "{serving[0].name}"'
    if pool.backends and len(pool.backends) == pool.max_backends:
        yield f"{name} is full: max_backends is {pool.max_backends}"
    yield from _takeover_notes(pool)
    draining = [backend.name for backend in pool.own if backend.drain]
    if draining:
        yield f"{name} drains {_some(draining)}"


def _takeover_notes(pool: Pool) -> Iterator[str]:
    if pool.backup is not None and len(pool.own) == len(pool.backends):
        yield f'pool "{pool.name}" gains no server by its backup "{pool.backup}"'
    if pool.zones is Zones.EVEN:
        yield _zones(pool)
    if pool.split:
        yield _split(pool)


def _zones(pool: Pool) -> str:
    """What even zones make of weights."""
    first = min((backend.group for backend in _serving(pool)), default=0)
    found = part_shares(pool, first)
    if len(found) < 2:
        return f'pool "{pool.name}" has zones: even, but its backends are in one zone: write zone: at each of them'
    shown = ", ".join(
        f"{zone or 'without a zone'} {float(100 * share):.3g}%" for zone, share in found.items()
    )
    return f'pool "{pool.name}" shares new connections evenly among zones: {shown}'


def _split(pool: Pool) -> str:
    """What subsets take of the first group."""
    first = min((backend.group for backend in _serving(pool)), default=0)
    found = part_shares(pool, first)
    shown = ", ".join(f"{name} {float(100 * found.get(name, 0)):.3g}%" for name in pool.subsets)
    return f'pool "{pool.name}" splits new connections: {shown}'


def _serving(pool: Pool) -> list[Backend]:
    return [backend for backend in pool.backends if pool.weight_of(backend) and not backend.drain]


def _name_row(zone: Zone, of: Service) -> tuple[str, ...]:
    candidates = ", ".join(each.name for each in of.candidates[:3]) + " ..." * (len(of.candidates) > 3)
    many = "all" if of.answers is None else str(of.answers)
    return zone.whole(of.name)[:-1], candidates, " > ".join(of.policies), many, f"{of.ttl}s"


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
    weight = sum(backend.weight for backend in _serving(pool) if not backend.home)
    lent = len(pool.backends) - len(pool.own)
    return (
        pool.name,
        f"{len(pool.own)}{f'+{lent}' if lent else ''} of {pool.max_backends}",
        str(weight),
        f"{pool.slots:,}",
        _health(pool.health),
        _down(pool),
        f"{format_duration(pool.drain_timeout)}, {pool.drain_then}",
    )


def _group_rows(pool: Pool) -> list[tuple[str, ...]]:
    """One row per priority group, for a pool of several; the one writer of a pool has no shares."""
    groups: dict[int, list[Backend]] = {}
    for backend in sorted(pool.backends, key=lambda each: each.group):
        groups.setdefault(backend.group, []).append(backend)
    if len(groups) < 2 or pool.failover is not None:
        return []
    return [
        (
            pool.name if rank == 0 else "",
            f"{group} ({of[0].home})" if of[0].home else str(group),
            _some([each.name for each in of]),
            str(sum(each.weight for each in of)),
            _share(pool, rank),
        )
        for rank, (group, of) in enumerate(groups.items())
    ]


def _share(pool: Pool, rank: int) -> str:
    """Which share of new connections a group of a pool takes."""
    if rank:
        return "what the groups before leave"
    if not pool.spill_below:
        return "all, unless all of it is down"
    return f"all, while {100 * pool.spill_below:.3g}% of its weight lives; below, in proportion"


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
