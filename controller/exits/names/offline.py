"""What would be known with a new intent, if all were well: for explanations without a controller. Pure."""

from __future__ import annotations

from controller.exits.base import Seen
from controller.exits.names.gathering import gathered
from controller.exits.names.inputs import Inputs
from controller.plan import writer
from controller.plan.tables import Tables
from controller.spec.types import Intent


def presumed(intent: Intent) -> Inputs:
    """VIPs are at their first site, all servers live, and nothing was counted or measured."""
    owners = {vip.name: vip.owners[0] for vip in intent.vips}
    chosen = {p.name: writer.choose(p, None, {}, 0.0) for p in intent.pools if p.failover is not None}
    first = {pool: name for pool, name in chosen.items() if name is not None}
    nothing = frozenset[str]()
    seen = Seen(0, intent, Tables(writers=first), {}, owners, nothing, nothing, nothing, None)
    return Inputs(0, intent.zones, gathered(seen, lambda *_: None))
