"""What operators ask of ownership: groups moved by hand, sites drained. Owns ``orders``."""

from __future__ import annotations

from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.sites import orders as rules
from controller.sites.orders import Orders
from controller.spec.types import Intent


class Ordering:
    """Takes orders; each holds until it is withdrawn, also over a restart. All methods raise OrderRefused."""

    def __init__(self, orders: Cell[Orders], intent: Readable[Intent], journal: Journal) -> None:
        self._orders = orders
        self._intent = intent
        self._journal = journal

    def move(self, name: str, site: str | None) -> tuple[str, ...]:
        """Own a group at a site, or (None) where the intent has it; its VIPs. ``name``: its MAC, or one of its VIPs."""
        now, intent = self._orders.value, self._intent.value
        made, group = rules.home(now, intent, name) if site is None else rules.moved(now, intent, name, site)
        self._journal.event("ordered", vips=list(group.vips), site=site)  # before what comes of it
        self._orders.put(made)
        return group.vips

    def drain(self, site: str) -> None:
        """A site owns nothing from now on: its groups go to the next sites of their lists."""
        made = rules.drained(self._orders.value, self._intent.value, site)
        self._journal.event("site_drained", site=site)
        self._orders.put(made)

    def undrain(self, site: str) -> None:
        """A site owns again what is at home there."""
        made = rules.undrained(self._orders.value, self._intent.value, site)
        self._journal.event("site_undrained", site=site)
        self._orders.put(made)
