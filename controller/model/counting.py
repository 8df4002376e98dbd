"""Which pools' live connections are counted: by their servers, or by the switches, which count those of TCP."""

from __future__ import annotations

from controller.model.findings import Findings
from controller.spec.serveragent import AgentKind
from controller.spec.types import Pool, Protocol


def is_counted(found: Findings, pool: Pool) -> bool:
    """Whether anything counts them. A pool that no listener leads to has none to be counted."""
    if pool.agent is not None and pool.agent.kind is AgentKind.HTTP:
        return True
    used = [use for use in found.uses if use.pool is pool]
    return not used or any(use.listener.protocol is Protocol.TCP for use in used)
