"""See to it that lb switches' conntrack remembers long enough; say so where it cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.fleet import Member
from controller.plan.zones import zone_timeouts
from controller.southbound.ovsdb import timeouts
from controller.southbound.ovsdb.client import OvsdbError
from controller.spec.types import Role

if TYPE_CHECKING:
    from controller.core.controller import Controller


class Conntrack:
    """Tells switches through their OVSDB; those without one are their operator's."""

    def __init__(self, core: Controller) -> None:
        self._core = core

    async def follow(self, member: Member) -> None:
        """The intent may have new VIPs or other memory timeouts."""
        try:
            await self.tell(member)
        except Exception as error:
            self._core.journal.failure(error, switch=member.switch.name)

    async def tell(self, member: Member) -> None:
        """Tell one switch what it should remember, unless it was told just that."""
        switch = member.switch
        if switch.ovsdb is None or Role.LB not in switch.roles:
            return
        async with member.telling:
            wanted = zone_timeouts(self._core.world(), switch)
            if wanted == member.timeouts:
                return
            try:
                changed = await timeouts.ensure(switch.ovsdb, wanted)
            except OvsdbError as error:
                member.memory_short = str(error)
                self._core.journal.event(
                    "memory_short",
                    switch=switch.name,
                    error=str(error),
                    why="one-way connections are remembered for 30 s only",
                )
                return
            member.timeouts = wanted
            member.memory_short = ""
            if changed:
                self._core.journal.event("timeouts_set", switch=switch.name, zones=changed)
