"""What runs in the container of each node. Pure, but for the controller's intent file."""

from __future__ import annotations

import sys
from pathlib import Path

from topo import hostprograms, intent, p4process
from topo.errors import LabError
from topo.p4programs import PROGRAMS
from topo.plan import CONTROLLER, Fabric

LOGS = Path("/var/log/evenkeel")
"""Where servers log their connections, HOST.jsonl."""
INTENT = Path("intent.yaml")
"""The controller's intent, in its working directory beside its store."""


def commands(fabric: Fabric, node: str) -> list[list[str]]:
    """Command lines of a node's programs; none for a client. Raises ``LabError``."""
    if node in fabric.switches:
        switch = fabric.switches[node]
        reason = p4process.missing(switch.kind)
        if reason is not None:
            raise LabError(reason)
        return [[*PROGRAMS[switch.kind].command, *p4process.options(switch)]]
    if node == CONTROLLER:
        return [[sys.executable, "-m", "controller", "run", str(INTENT)]]
    if node not in fabric.hosts:
        raise LabError(f"no node {node!r} in this fabric; there are {', '.join(fabric.nodes)}")
    host = fabric.hosts[node]
    if host.kind != "server":
        return []
    tunnel = [hostprograms.decapsulator()] if fabric.ipip else []
    return [hostprograms.server(fabric, host, LOGS), *tunnel]


def prepare(fabric: Fabric, node: str) -> None:
    """Files that a node's programs need. An intent that is there is the operator's, and stays."""
    if node == CONTROLLER and not INTENT.exists():
        INTENT.write_text(intent.dump(intent.intent(fabric)))
