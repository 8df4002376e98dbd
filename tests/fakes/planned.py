"""A fabric as the planner sees it: an intent, and which switches and links are gone, without a controller."""

from __future__ import annotations

from controller.plan.duty import PlanInput, world_of
from controller.plan.p4needs import grouped
from controller.plan.pins import PinBook
from controller.plan.progress import advance
from controller.plan.tables import Tables
from controller.spec.types import Intent
from p4src.spec import Secret

NOW = 1000.0


class Planned:
    """Everything is planned again from the tables whenever it is asked for."""

    def __init__(self, intent: Intent) -> None:
        self.intent = intent
        self.secret = Secret.of(bytes(20))
        self.admitted: frozenset[str] = frozenset()
        self.absent: frozenset[str] = frozenset()
        self.dead_links: frozenset[tuple[str, int]] = frozenset()
        self._tables = advance(Tables(), intent, {}, NOW)

    def world(self) -> PlanInput:
        """What plans are made from, ids of next-hop groups allocated as the pools' owner does."""
        self._tables = grouped(self._tables, self.intent, NOW, self.absent, self.dead_links)
        owners = {vip.name: vip.owners[0] for vip in self.intent.vips}
        return world_of(
            self.intent, self._tables, PinBook(), self.admitted, owners, self.absent, self.dead_links
        )
