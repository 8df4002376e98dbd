"""The sabotage: one living connection is moved to another server by hand, which the judge has to find."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from topo.demo import sabotage
from topo.demo.actors import start_strange_pin
from topo.demo.intentfile import Server
from topo.demo.records import Connection
from topo.demo.strangepin import Strange
from topo.lab import Lab
from topo.soak.actors import ACTIVE
from topo.soak.edits import Document
from topo.soak.fates import pool_of
from topo.soak.stage import Stage

SECONDS = 4 * ACTIVE[1]
"""For how long a P4 switch is made to hold the strange pin: long enough for the connection to speak."""


def move(
    lab: Lab, stage: Stage, document: Document, connections: Sequence[Connection], seed: int, work: Path
) -> tuple[Connection, str, subprocess.Popen[str] | None]:
    """Move one on every lb switch: which, to whom, and a process that keeps it there. Raises ``NoVictimError``."""
    for endpoint in stage.long:
        pool = pool_of(document, endpoint)
        if endpoint.mode == "dr" and pool is not None:
            break
    else:
        raise sabotage.NoVictimError(
            "a connection can be moved by hand in mode dr only; no such listener echoes"
        )
    rows = {
        str(row["name"]): Server(str(row["name"]), int(row.get("weight", 1)), row.get("mac"), row.get("at"))
        for row in pool["backends"]
    }
    mine = [one for one in connections if one.listener == endpoint.listener]
    victim, to = sabotage.choose(mine, [endpoint], rows, (), seed)
    assert victim.local is not None
    p4 = {}
    for row in document["switches"]:
        if "lb" not in row["roles"]:
            continue
        if "p4runtime" in row:
            p4[str(row["name"])] = (str(row["p4runtime"]), int(row["id"]))
        else:
            port = _port(row, to.at or "")
            lab.ofctl(str(row["name"]), "add-flow", "br0", sabotage.flow(victim, endpoint, to, port))
    if not p4:
        return victim, to.name, None
    strange = Strange(p4, (endpoint.address, endpoint.port), victim.local, to.mac or "", SECONDS)
    return victim, to.name, start_strange_pin(lab, strange, work)


def _port(row: dict[str, Any], neighbour: str) -> int:
    """OpenFlow number of a switch's port towards a neighbour."""
    return next(int(number) for number, name in row["ports"].items() if name == neighbour)
