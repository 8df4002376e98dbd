"""From intent to the questions that servers are asked about themselves. Pure."""

from __future__ import annotations

from controller.health.reply import MOST_OCTETS
from controller.health.targets import BackendRef, Probe
from controller.spec.health import ProbeKind
from controller.spec.serveragent import AgentCheck, AgentKind
from controller.spec.types import Backend, Intent

_GOOD = ((200, 299),)
KINDS = {AgentKind.HAPROXY: ProbeKind.TCP, AgentKind.HTTP: ProbeKind.HTTP}
SILENT = 3
"""Intervals without an answer, and one timeout, after which a server counts as silent."""


def questions(intent: Intent) -> dict[Probe, frozenset[BackendRef]]:
    """Every question, and the backends about which it is. Servers of pools that nothing leads to are not asked."""
    used = {item.pool for item in intent.listeners()} | intent.discovered
    found: dict[Probe, set[BackendRef]] = {}
    for pool in intent.pools:
        if pool.agent is not None and pool.name in used:
            for real in pool.backends:
                found.setdefault(_question(pool.agent, real), set()).add((pool.name, real.name))
    return {probe: frozenset(refs) for probe, refs in found.items()}


def kind_of(probe: Probe) -> AgentKind:
    """How the answer to a question is read."""
    return AgentKind.HAPROXY if probe.kind is ProbeKind.TCP else AgentKind.HTTP


def patience(agent: AgentCheck) -> float:
    """Seconds without an answer after which a server counts as silent."""
    return SILENT * agent.interval + agent.timeout


def _question(agent: AgentCheck, real: Backend) -> Probe:
    return Probe(
        KINDS[agent.kind],
        real.addresses[0],
        agent.port,
        agent.interval,
        agent.timeout,
        path=agent.path if agent.kind is AgentKind.HTTP else "/",
        statuses=_GOOD,
        reads=MOST_OCTETS,
    )
