"""Rejects the impossible: whether the parts of an intent fit together. Reads no file and changes nothing."""

from __future__ import annotations

from controller.model.check_access import check_access
from controller.model.check_addresses import check_addresses
from controller.model.check_agents import check_agents
from controller.model.check_backups import check_backups
from controller.model.check_capacity import check_capacity
from controller.model.check_discovery import check_discovery
from controller.model.check_modes import check_modes
from controller.model.check_names import check_names
from controller.model.check_routes import check_routes
from controller.model.check_split import check_split
from controller.model.check_switches import check_switches
from controller.model.check_tier import check_tiers
from controller.model.check_vips import check_vips
from controller.model.check_zones import check_zones
from controller.model.counting import is_counted
from controller.model.findings import Findings
from controller.model.reader import Source
from controller.model.units import format_duration
from controller.spec.scheduling import Scheduler
from controller.spec.serveragent import AgentKind
from controller.spec.types import Intent, Pool


def check_intent(intent: Intent, source: Source) -> None:
    """Adds every semantic error of ``intent`` to ``source.errors``.

    ``source`` is the one the intent was read with: it knows places, and what was reported already.
    """
    found = Findings(intent, source)
    check_names(found)
    check_switches(found)
    for pool in intent.pools:
        _check_pool(found, pool)
        check_split(found, pool)
        _check_counted(found, pool)
    check_backups(found)
    check_vips(found)
    check_access(found)
    check_agents(found)
    check_routes(found)
    check_addresses(found)
    check_modes(found)
    check_capacity(found)
    check_zones(found)
    check_tiers(found)
    check_discovery(found)


def _check_counted(found: Findings, pool: Pool) -> None:
    """Whether anything counts the connections that weights are to follow."""
    if pool.scheduler is Scheduler.LEAST_CONNECTIONS and not is_counted(found, pool):
        found.add(
            pool,
            ("scheduler",),
            f'pool "{pool.name}" follows live connections, which switches count of TCP alone: no TCP listener '
            "leads to it",
            f"add agent: {{type: {AgentKind.HTTP}, port: 8080, path: /connections}}, which asks its servers, "
            "or leave scheduler out",
        )


def _check_pool(found: Findings, pool: Pool) -> None:
    count = len(pool.backends)
    lent = f" ({count - len(pool.own)} of them of its backups)" if len(pool.own) < count else ""
    if count > pool.max_backends:
        found.add(
            pool,
            ("max_backends", "backends"),
            f'pool "{pool.name}" has {count} backends{lent} but slots for max_backends {pool.max_backends}',
            f"set max_backends to {count} or more (the table is fixed for the pool's life, so leave room)",
        )
    if pool.transition > pool.memory_timeout:
        found.add(
            pool,
            ("transition", "memory_timeout"),
            f'pool "{pool.name}" has a transition of {format_duration(pool.transition)}, longer than its '
            f"memory_timeout {format_duration(pool.memory_timeout)}",
            "shorten transition or lengthen memory_timeout",
        )
    agent = pool.agent
    if agent is not None and agent.timeout > agent.interval:
        found.add(
            agent,
            ("timeout", "interval"),
            f'the agent check of pool "{pool.name}" has a timeout of {format_duration(agent.timeout)}, '
            f"longer than its interval {format_duration(agent.interval)}",
            "shorten timeout or lengthen interval",
        )
    health = pool.health
    if health is not None and health.timeout > health.interval:
        found.add(
            health,
            ("timeout", "interval"),
            f'the probes of pool "{pool.name}" have a timeout of {format_duration(health.timeout)}, '
            f"longer than their interval {format_duration(health.interval)}",
            "shorten timeout or lengthen interval",
        )
