"""Where each group of VIPs belongs: by orders, and where controllers share a store also by how fit the sites are."""

from __future__ import annotations

from collections.abc import Mapping

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.fitting import Fitting
from controller.sites.groups import MacGroup
from controller.sites.orders import Orders, place, situation
from controller.sites.placement import Decision, Waiting, decide
from controller.spec.types import Intent


class Placing:
    """Decides, and remembers who waits."""

    def __init__(
        self,
        orders: Readable[Orders],
        clock: Clock,
        intent: Readable[Intent],
        fitting: Fitting | None = None,
    ) -> None:
        """``fitting``: how fit sites are; None: no group moves by itself."""
        self.orders = orders
        self._clock = clock
        self._fitting = fitting
        self._intent = intent
        self._waiting: Mapping[str, Waiting] = {}
        self._at: float | None = None
        orders.subscribe(self._ordered)

    def decide(self, group: MacGroup, owner: str) -> Decision:
        """Where a group belongs. ``owner``: the site that owns it; empty: none does."""
        if self._fitting is None or not group.moves:
            return place(group, self.orders.value, owner)
        known = self._fitting.states
        waiting = self._waiting.get(group.mac)
        return decide(
            situation(group, self.orders.value, owner, known, self._intent.value.moves, waiting),
            self._clock.now(),
        )

    def decided(self, decisions: Mapping[str, Decision]) -> None:
        """These were acted upon, by MAC: who waits in them waits from then on."""
        self._waiting = {mac: each.waiting for mac, each in decisions.items() if each.waiting is not None}
        self._at = min((each.at for each in decisions.values() if each.at is not None), default=None)

    def deadline(self) -> float | None:
        """When to ask ``changed`` again; None: no group moves by itself."""
        if self._fitting is None or not any(len(vip.owners) > 1 for vip in self._intent.value.vips):
            return None
        return self._fitting.deadline()

    def changed(self) -> bool:
        """Look at the sites if that is due; whether decisions may be other ones than before."""
        now = self._clock.now()
        if self._fitting is None or now < self._fitting.deadline():
            return False
        other = self._fitting.look()
        return other or bool(self._waiting) or (self._at is not None and now >= self._at)

    def _ordered(self) -> None:
        """Who waited, waited for another order perhaps."""
        self._waiting = {}
