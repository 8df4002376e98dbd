"""What edges that run Open vSwitch hold for their uplinks, as their own program tells it."""

from __future__ import annotations

import re

from controller.spec.switch import FALLBACKS
from controller.spec.types import OpenFlowPlacement
from topo.lab import Lab
from topo.plan import Fabric

_ID = re.compile(r"group_id=(\d+)")


def first_way(fabric: Fabric, edge: str, lb: str) -> int:
    """Id of the first group in which an edge prefers an lb switch."""
    return OpenFlowPlacement().groups_from + FALLBACKS * fabric.switches[edge].port(lb)


def uses(lab: Lab, edge: str, lb: str) -> bool:
    """Whether any of an edge's groups has an lb switch among its choices."""
    port = lab.fabric.switches[edge].port(lb)
    first = OpenFlowPlacement().groups_from
    rows = lab.ofctl(edge, "dump-groups", "br0").splitlines()
    ours = [row for row in rows if (found := _ID.search(row)) and int(found[1]) >= first]
    assert ours, f"{edge} has no groups of ours"
    return any(f"watch_port:{port}," in row for row in ours)
