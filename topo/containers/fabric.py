"""Which fabric the containers are: a shipped topology on one kind of P4 switch, from two environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping

from topo import model
from topo.errors import TopologyError
from topo.p4programs import PROGRAMS
from topo.plan import Fabric, plan

TOPOLOGY = "EVENKEEL_TOPOLOGY"
SWITCH = "EVENKEEL_SWITCH"


def chosen(environment: Mapping[str, str] = os.environ) -> Fabric:
    """The fabric that the environment names (default: pair, embedded). Raises ``TopologyError``."""
    name = environment.get(SWITCH) or "embedded"
    kind = next((each for each in PROGRAMS if each == name), None)
    if kind is None:
        raise TopologyError(f"{SWITCH}={name}: switches in containers are {' or '.join(PROGRAMS)}")
    return plan(model.load(environment.get(TOPOLOGY) or "pair").of_kind(kind))
