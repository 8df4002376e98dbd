"""Checks of ``backup``: whether the pool that it names can take over."""

from __future__ import annotations

from controller.model.findings import Findings
from controller.spec.types import Pool, Vip


def check_backups(found: Findings) -> None:
    """What a pool's ``backup`` names, and whether anything can tell that it is needed."""
    pools = {pool.name: pool for pool in reversed(found.intent.pools)}
    for pool in found.intent.pools:
        if pool.backup is None:
            continue
        _check_named(found, pool, pool.backup)
        if pool.backup in pools:
            _check_taker(found, pool, pools[pool.backup])
        if pool.health is None:
            found.add(
                pool,
                "backup",
                f'pool "{pool.name}" has a backup but no health check, so its own backends always count as alive',
                "add health: to it",
                unless=[(pool, "health")],
            )


def _check_named(found: Findings, pool: Pool, backup: str) -> None:
    if backup in found.names("pool"):
        return
    vip = next((vip for vip in found.intent.vips if vip.name == backup), None)
    if vip is None:
        found.dangling(pool, "backup", backup, "pool", f'backup of pool "{pool.name}"')
    else:
        problem = f'backup of pool "{pool.name}" names the vip "{backup}", but servers are what takes over'
        found.add(pool, "backup", problem, f"name the pool behind it: {_behind(vip)}")


def _behind(vip: Vip) -> str:
    return " or ".join(dict.fromkeys(listener.pool for listener in vip.listeners)) or "it has no listeners"


def _check_taker(found: Findings, pool: Pool, backup: Pool) -> None:
    if backup.name == pool.name:
        problem = f'pool "{pool.name}" is its own backup'
        found.add(pool, "backup", problem, "name another pool, or leave backup out")
    elif backup.failover is not None:
        found.add(
            pool,
            "backup",
            f'backup of pool "{pool.name}" names pool "{backup.name}", of which only one backend serves (failover)',
            "name a pool without failover: a table that several pools share would give connections to all its backends",
            unless=[(backup, "failover")],
        )
