"""What is known of a site's switches as a whole: whether its edges answer for a VIP, and what its lb switches lack."""

from __future__ import annotations

from collections.abc import Iterator

from controller.core.cells import Readable
from controller.core.fleet import Fleet
from controller.core.ownership import EXACT, LATE
from controller.core.pinning import Pinning
from controller.spec.kinds import Protocol
from controller.spec.types import Intent, Role, Switch


class SiteView:
    """Asks the fleet."""

    def __init__(self, intent: Readable[Intent], fleet: Fleet, pinning: Pinning) -> None:
        self._intent = intent
        self._fleet = fleet
        self._pinning = pinning

    def silent(self, vip: str, site: str, revision: int) -> bool:
        """Whether every edge holds a plan that is newer than a revision, and does not answer for a VIP."""
        tasks = (self._fleet.get(edge.id) for edge in self._edges(site))
        held = [None if task is None else task.holding.world for task in tasks]
        return all(w is not None and w.revision > revision and w.owners.get(vip) != site for w in held)

    def late(self, site: str) -> float:
        """Seconds by which edges may answer for longer than they were let."""
        whole = any(e.of_kind.protocol is Protocol.OPENFLOW and not e.fence for e in self._edges(site))
        return LATE if whole else EXACT

    def unsynced(self, site: str) -> int:
        """Pins that not every lb switch holds that is here."""
        here = (t for t in self._fleet if t.switch.site == site and Role.LB in t.switch.roles)
        return self._pinning.unsynced(min((t.pins_version for t in here), default=None))

    def _edges(self, site: str) -> Iterator[Switch]:
        return (each for each in self._intent.value.switches if each.site == site and Role.EDGE in each.roles)
